"""Mail that waits: the notice of delay, giving up, and clocks that jump."""
import os
from email.utils import parsedate_to_datetime

import pytest

from report import Report
from smtp_peer import Script
from world import SENDMAIL, SPOOL

LATER = "450 4.2.1 mailbox on holiday"
HOUR, DAY = 3600, 86400


def queue_aged(world, seconds, *args):
    world.send("-odq", *args)
    ident, = world.queue()
    world.age(ident, seconds)
    return ident


def settled(world):
    """Only what waits is left, and nobody who would deliver more."""
    world.wait_until(lambda: len(world.queue()) == 1)
    return world.mailbox("alice")


def test_notice_comes_in_time_and_once(world, peer):
    """In time though no attempt is due; and not again, whoever runs."""
    p = world.smarthost(peer(Script(rcpt_rules=((r"^ann", LATER),))),
                  WARN_AFTER="2s", RETRY="90s 3h 5d")
    world.leaves("queue")
    world.send("-V", "QQ1", "ann@far.test", "fine@far.test", "bob")
    message, = world.wait_mail("alice")
    assert len(p.connections) == 1
    assert message["Return-Path"] == "<>"
    report = Report(message)
    assert report.subject == "Mail delivery is delayed"
    assert report.actions() == {"ann@far.test": "delayed"}
    arrived, told = map(parsedate_to_datetime, (
        report.message["Arrival-Date"], message["Date"]))
    assert (told - arrived).total_seconds() >= 2
    ann = report.recipients["ann@far.test"]
    assert ann["Status"] == "4.2.1"
    assert ann["Diagnostic-Code"] == "smtp; " + LATER
    assert ann["Remote-MTA"] == "dns; smart.test"
    assert "Will-Retry-Until" in ann
    assert report.message["Original-Envelope-Id"] == "QQ1"
    assert "holiday" in report.text and "do not need to resend" in report.text
    assert "fine@far.test" not in report.text
    assert b"hello" not in report.raw
    assert world.log_lines("notice=", "to=<alice@host.test>")
    for _ in range(2):
        world.stop()
        world.flush()
    assert len(settled(world)) == 1
    assert len(world.log_lines("notice=")) == 1


@pytest.mark.parametrize("age, notices", ((4 * HOUR + 5, 1),
                                          (4 * HOUR - 600, 0)))
def test_four_hours_unless_configured(world, peer, age, notices):
    world.smarthost(peer(Script(rcpt_reply=LATER)))
    world.leaves("queue")
    queue_aged(world, age, "ann@far.test")
    world.flush()
    if notices:
        world.wait_mail("alice")
    assert len(settled(world)) == notices


@pytest.mark.parametrize("keys, args", (
    ({"WARN_AFTER": "0"}, ()), ({}, ("-N", "never")), ({}, ("-f", "<>")),
    ({}, ("-N", "success,failure"))))
def test_no_notice_where_none_is_wanted(world, peer, keys, args):
    world.smarthost(peer(Script(rcpt_reply=LATER)), **keys)
    world.leaves("queue")
    queue_aged(world, DAY, *args, "ann@far.test")
    world.flush()
    assert settled(world) == [] and world.mailbox("root") == []
    assert not world.log_lines("notice=")


def test_no_notice_of_a_bounce_that_waits(world, peer):
    p = world.smarthost(peer(Script(
        rcpt_rules=((r"^bad", "550 5.1.1 no"), (r"^sue", LATER)))),
        WARN_AFTER="1s", RETRY="2s 2s 5d")
    world.leaves("queue")
    world.send("-f", "sue@far.test", "bad@far.test")
    world.wait_until(lambda: len(world.log_lines(
        "deferred", "to=<sue@far.test>")) > 1)
    assert len(p.connections) > 1
    assert not world.log_lines("notice=")


def test_notice_that_can_not_be_delivered_is_let_go(world, peer):
    world.smarthost(peer(Script(
        rcpt_rules=((r"^ann", LATER), (r"^sue", "550 5.1.1 no")))))
    world.leaves("queue")
    queue_aged(world, DAY, "-f", "sue@far.test", "ann@far.test")
    world.flush()
    world.wait_until(lambda: world.log_lines("report=none", "sue@far.test"))
    assert settled(world) == [] and world.mailbox("root") == []


def test_local_mail_that_waits_is_told_of_too(world):
    world.forward("bob", "|exit 75\n")
    world.leaves("queue")
    queue_aged(world, DAY, "bob")
    world.flush()
    report = Report(world.wait_mail("alice")[0])
    assert report.actions() == {"bob@host.test": "delayed"}
    assert "status 75" in report.text


def test_notice_over_a_kill(world, peer):
    """Planned and committed, but not noted: it is not made again.  Planned
    alone: it is made under that name."""
    p = world.smarthost(peer(Script(rcpt_reply=LATER)))
    world.leaves("queue")
    ident = queue_aged(world, DAY, "ann@far.test")
    world.flush()
    world.wait_mail("alice")
    world.wait_until(lambda: world.queue() == [ident])
    world.stop()
    path = SPOOL + "/queue/" + ident
    with open(path, "rb") as f:
        text = f.read()
    assert text.endswith(b"\nG\n")
    plan = world.log_lines("notice=")[0].partition("notice=")[2].split()[0]
    assert b"\nH\t%s\n" % plan.encode() in text
    with open(path, "wb") as f:
        f.write(text[:-2])
    # What the kill left: the notice under its name, not yet delivered.
    world.send("-odq", "-N", "never", "-f", "<>", "carol")
    other, = set(world.queue()) - {ident}
    os.rename(SPOOL + "/queue/" + other, SPOOL + "/queue/" + plan)
    # It is found before it is gone, however long the next attempt takes.
    p.scripts[:] = [Script(mute_at="MAIL")]
    world.start([SENDMAIL, "-q"])
    world.wait_mail("carol")
    world.wait_until(lambda: "MAIL" in p.connections[-1].verbs)
    with open(path, "rb") as f:
        assert b"\nG\n" in f.read()
    assert len(settled(world)) == 1
    world.stop()
    p.scripts[:] = [Script(rcpt_reply=LATER)]
    with open(path, "wb") as f:
        f.write(text[:-2])
    world.flush()
    world.wait_mail("alice", 2)
    assert settled(world)[1]["Message-ID"] == "<%s@host.test>" % plan


def test_giving_up_says_what_to_do(world):
    """A relay that was never there: in plain words, with the last reply."""
    world.write_conf({"SMARTHOST": "smart.test:1"})
    queue_aged(world, 6 * DAY, "ann@far.test")
    world.flush()
    report = Report(world.wait_mail("alice")[0])
    assert report.actions() == {"ann@far.test": "failed"}
    words = " ".join(report.text.split())
    assert "expired after 6 days and 1 attempt; last reply:" in words
    assert "Connection refused" in words
    assert "The outgoing mail server could not be reached" in words
    assert "contact your administrator" in words
    assert "unknown" not in words
    ann = report.recipients["ann@far.test"]
    assert ann["Status"] == "4.4.1"
    assert "Connection refused" in ann["Diagnostic-Code"]
    world.wait_quiet()


def test_clock_that_jumped_forward_gives_a_last_attempt(world, peer):
    p = world.smarthost(peer(Script()))
    queue_aged(world, 400 * DAY, "ann@far.test")
    world.flush()
    world.wait_quiet()
    assert [t.accepted for t in p.taken] == [["ann@far.test"]]
    assert world.mailbox("alice") == []


def test_the_last_attempt_is_one(world, peer):
    p = world.smarthost(peer(Script(rcpt_reply=LATER)))
    queue_aged(world, 400 * DAY, "ann@far.test")
    world.flush()
    report = Report(world.wait_mail("alice")[0])
    assert report.actions() == {"ann@far.test": "failed"}
    assert report.recipients["ann@far.test"]["Diagnostic-Code"] == \
        "smtp; " + LATER
    world.wait_quiet()
    assert len(p.connections) == 1
    assert not world.log_lines("notice=")


def test_clock_that_jumped_back_expires_nothing(world, peer):
    """From the future, it is tried as often as any, and nobody is told."""
    p = world.smarthost(peer(Script(rcpt_reply=LATER), Script(
        rcpt_reply=LATER), Script()), RETRY="1s 1s 2s", WARN_AFTER="1s")
    queue_aged(world, -400 * DAY, "ann@far.test")
    world.flush()
    world.wait_quiet(20)
    assert [t.accepted for t in p.taken] == [["ann@far.test"]]
    assert len(p.connections) == 3
    assert world.mailbox("alice") == []
