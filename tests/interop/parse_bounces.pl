#!/usr/bin/perl
# parse_bounces.pl - what two modules of CPAN read in a report, as JSON.
# Usage: parse_bounces.pl FILE
use strict;
use warnings;
use JSON::PP;
use Mail::DeliveryStatus::BounceParser;
use Sisimai;

my ($file) = @ARGV;
open my $in, '<', $file or die "$file: $!\n";
my $text = do { local $/; <$in> };
my $parser = Mail::DeliveryStatus::BounceParser->new($text);
my %found = (
	is_bounce => $parser->is_bounce ? 1 : 0,
	bounceparser => [map {
		{ address => scalar $_->get('email'), action =>
		  scalar $_->get('action'), status => scalar $_->get('status'),
		  reason => $_->get('std_reason') }
	} $parser->reports],
	sisimai => [map {
		{ address => $_->recipient->address, action => $_->action,
		  status => $_->deliverystatus, reason => $_->reason,
		  soft => $_->softbounce }
	} @{Sisimai->make($file, delivered => 1) || []}],
);
print JSON::PP->new->canonical->encode(\%found), "\n";
