#!/bin/sh
# run.sh - replays every corpus, then fuzzes for SECONDS in all.
# Usage: run.sh SECONDS; needs a tree that was built with clang and
# SANITIZE=-fsanitize=address,undefined,fuzzer-no-link.
cd "$(dirname "$0")/../.." || exit 1
seconds=${1:-0}
floor="lib/buf.o lib/io.o lib/log.o"
aliases="aliases_parse.o aliases_scan.o lib/addr.o"
names=$(cd tests/fuzz && ls ./*_fuzz.c | sed 's|^\./||; s|_fuzz\.c$||')

objects_of() {
	case $1 in
	addr) echo lib/addr.o ;;
	prep) echo lib/prep.o lib/addr.o ;;
	mail) echo lib/mail.o lib/header.o lib/addr.o ;;
	dsn) echo lib/dsn.o lib/addr.o ;;
	smtp) echo lib/smtp.o lib/dsn.o lib/addr.o result.o ;;
	ascii) echo lib/ascii.o lib/addr.o ;;
	mime) echo lib/mime.o lib/encode.o lib/ascii.o lib/header.o \
	    lib/addr.o lib/sasl.o lib/prep.o ;;
	sasl) echo lib/sasl.o lib/prep.o lib/addr.o ;;
	dns) echo dns.o result.o ;;
	conf) echo conf.o ;;
	senders) echo senders.o conf.o ;;
	options) echo options.o conf.o lib/dsn.o lib/addr.o ;;
	aliases|forward|list) echo "$aliases" ;;
	msg) echo lib/msg.o ;;
	letter) echo letter.o lib/msg.o ;;
	spool) echo spool.o lib/msg.o lib/dsn.o lib/addr.o result.o ;;
	*) return 1 ;;
	esac
}

passed=0 failed=0 n=0
for name in $names; do n=$((n + 1)); done
each=$((seconds / n))
for name in $names; do
	objects=$(objects_of "$name") || {
		echo "fuzz: no objects are known for $name" >&2
		failed=$((failed + 1))
		continue
	}
	ok=1
	make -s "tests/fuzz/${name}_fuzz" OBJECTS="$objects $floor" || ok=0
	mkdir -p "build/found/$name"
	[ $ok -eq 0 ] || "tests/fuzz/${name}_fuzz" -runs=0 -verbosity=0 \
	    "tests/fuzz/corpus/$name" 2>"build/found/$name.log" || ok=0
	[ $ok -eq 0 ] || [ $each -eq 0 ] || "tests/fuzz/${name}_fuzz" \
	    -max_total_time=$each -verbosity=0 -timeout=10 -rss_limit_mb=1024 \
	    -artifact_prefix="build/found/$name." "build/found/$name" \
	    "tests/fuzz/corpus/$name" 2>"build/found/$name.log" || ok=0
	if [ $ok -eq 1 ]; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		echo "fuzz $name: failed"
		tail -40 "build/found/$name.log" 2>/dev/null
	fi
done
echo "fuzz: $passed passed, $failed failed"
[ $failed -eq 0 ]
