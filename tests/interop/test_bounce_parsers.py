"""Reports as other people's programs read them: Python's email package,
flufl.bounce of Mailman, Sisimai, and Mail::DeliveryStatus::BounceParser."""
import email
import json
import os
import re
import subprocess

import pytest

import bounces
from report import Report

flufl = pytest.importorskip("flufl.bounce")

PERL = os.path.join(os.path.dirname(__file__), "parse_bounces.pl")
# Sisimai's own words, and whether it takes the address to be good.
REASONS = {
    "unknown_user": ("userunknown", 0), "mailbox_full": ("mailboxfull", 1),
    "host_not_found": ("hostunknown", 0), "sender_refused": ("rejected", 1),
    "too_large": ("mesgtoobig", 1), "unreachable": ("expired", 1),
    "delayed": ("blocked", 1), "long_reply": ("securityerror", 1),
    "success": ("delivered", -1), "list_member": ("userunknown", 0),
}


def decoded(address):
    """Of type utf-8, in ASCII (RFC 6533 3)."""
    return re.sub(r"\\x\{([0-9A-F]+)\}", lambda m: chr(int(m[1], 16)), address)


def by_perl(report, tmp_path):
    file = tmp_path / "report"
    file.write_bytes(report.raw)
    done = subprocess.run([PERL, str(file)], stdout=subprocess.PIPE,
                          check=True, timeout=60)
    return json.loads(done.stdout)


def told(found):
    return sorted((decoded(r["address"]), r["status"], r["action"])
                  for r in found)


@pytest.fixture(params=bounces.ALL, ids=lambda case: case[0].__name__)
def case(request, world, peer):
    make, *expected = request.param
    make(world, peer)
    message, = world.wait_mail("alice")
    return make.__name__, message, sorted(
        (t.address, t.status, t.action) for t in expected)


@pytest.mark.seconds(20)
def test_a_report_is_read_alike_by_all(case, tmp_path):
    name, message, expected = case
    report = Report(message)
    assert sorted((decoded(address), r["Status"], r["Action"])
                  for address, r in report.recipients.items()) == expected
    found = by_perl(report, tmp_path)
    assert told(found["sisimai"]) == expected
    # It has failures alone, and takes a report that has a success as well
    # for no bounce.
    failed = [t for t in expected if t[2] == "failed"]
    assert told(found["bounceparser"]) == failed
    assert found["is_bounce"] == (len(failed) == len(expected))
    if name in REASONS:
        first, = found["sisimai"]
        assert (first["reason"], first["soft"]) == REASONS[name]
    # It does not know of addresses of type utf-8.
    later, never = flufl.all_failures(email.message_from_bytes(message.text))
    if name != "non_ascii":
        assert {a.decode() for a in never} == {t[0] for t in failed}
        assert {a.decode() for a in later} == {
            t[0] for t in expected if t[2] == "delayed"}


def test_a_report_is_not_answered_and_holds_no_path(case):
    """By vacation programs (RFC 3834), or with what only this host knows."""
    _, message, _ = case
    assert message["Return-Path"] == "<>"
    assert message["Auto-Submitted"] == "auto-replied"
    assert not re.search(rb"/(var|etc|home|usr|tmp)/", message.text)
