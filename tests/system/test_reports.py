"""Reports as a sender asks for them: -N, -R, -V (RFC 3461, RFC 3464)."""
import pytest

from report import Report
from smtp_peer import Script

WITH_DSN = ("PIPELINING", "8BITMIME", "SIZE 0", "ENHANCEDSTATUSCODES", "DSN")


def says(p):
    return [c for c in p.connections[0].commands
            if c.startswith(("MAIL", "RCPT"))]


def test_a_host_with_dsn_takes_over(world, peer):
    p = world.smarthost(peer(Script(capabilities=WITH_DSN)))
    world.send("-N", "success,delay", "-R", "hdrs", "-V", "QQ 1+1",
               "ann@far.test")
    world.wait_quiet()
    mail, rcpt = says(p)
    assert mail.endswith(" RET=HDRS ENVID=QQ+201+2B1")
    assert rcpt == ("RCPT TO:<ann@far.test> NOTIFY=SUCCESS,DELAY "
                    "ORCPT=rfc822;ann@far.test")
    assert world.mailbox("alice") == []


def test_to_a_host_without_dsn_it_is_relayed(world, peer):
    p = world.smarthost(peer(Script()))
    world.send("-Nsuccess", "-Rfull", "-VQQ1", "ann@far.test")
    message, = world.wait_mail("alice")
    mail, rcpt = says(p)
    assert "RET" not in mail and "ENVID" not in mail
    assert rcpt == "RCPT TO:<ann@far.test>"
    report = Report(message)
    assert message["Return-Path"] == "<>"
    assert report.message["Original-Envelope-Id"] == "QQ1"
    assert report.actions() == {"ann@far.test": "relayed"}
    ann = report.recipients["ann@far.test"]
    assert ann["Status"].startswith("2.")
    assert ann["Remote-MTA"] == "dns; smart.test"
    assert ann["Diagnostic-Code"] == "smtp; 250 2.0.0 taken"
    assert ann["Original-Recipient"] == "rfc822;ann@far.test"
    assert "ann@far.test" in report.text
    assert b"hello" not in report.raw       # RET is for failures
    world.wait_quiet()
    assert len(world.mailbox("alice")) == 1


def test_nothing_is_asked_for_unasked(world, peer):
    p = world.smarthost(peer(Script(capabilities=WITH_DSN)))
    world.send("ann@far.test", "bob")
    world.wait_mail("bob")
    world.wait_quiet()
    mail, rcpt = says(p)
    assert "RET" not in mail and "ENVID" not in mail
    assert rcpt == "RCPT TO:<ann@far.test> ORCPT=rfc822;ann@far.test"
    assert world.mailbox("alice") == []


def test_local_delivery_is_reported(world):
    world.send("-N", "success", "bob", "carol")
    world.wait_mail("bob")
    report = Report(world.wait_mail("alice")[0])
    assert report.actions() == {"bob@host.test": "delivered",
                                "carol@host.test": "delivered"}
    world.wait_quiet()
    assert len(world.mailbox("alice")) == 1     # one for both


def test_one_report_for_what_failed_and_what_did_not(world, peer):
    world.smarthost(peer(Script(
        rcpt_rules=((r"^bad", "550 5.1.1 no such person"),))))
    world.send("-N", "success,failure", "-R", "full", "bad@far.test",
               "good@far.test", "bob")
    report = Report(world.wait_mail("alice")[0])
    assert report.actions() == {
        "bad@far.test": "failed", "good@far.test": "relayed",
        "bob@host.test": "delivered"}
    assert report.recipients["bad@far.test"]["Status"] == "5.1.1"
    assert b"hello" in report.raw
    world.wait_quiet()
    assert len(world.mailbox("alice")) == 1


def test_8_bit_is_declared(world, peer):
    world.smarthost(peer(Script(rcpt_rules=((r"^bad", "550 5.1.1 no"),))))
    world.send("j\u00f6rg@far.test", "bad@far.test",
               input="Subject: Gr\u00fc\u00dfe\n\nhello\n".encode())
    report = Report(world.wait_mail("alice")[0])
    assert report.actions() == {"bad@far.test": "failed",
                                r"j\x{F6}rg@far.test": "failed"}
    assert "<j\u00f6rg@far.test>" in report.text
    assert report.original.get_content_type() == "message/global-headers"


@pytest.mark.parametrize("notify", ("never", "success", "delay"))
def test_who_wants_no_bounce_gets_none(world, peer, notify):
    world.smarthost(peer(Script(rcpt_reply="550 5.1.1 no such person")))
    world.send("-N", notify, "ann@far.test")
    world.wait_quiet()
    assert world.mailbox("alice") == [] and world.mailbox("root") == []
    assert world.log_lines("status=failed report=none", "ann@far.test")


def test_never_is_kept_from_the_postmaster(world, peer):
    """Of a null sender, too: nobody wants to hear of it."""
    world.smarthost(peer(Script(rcpt_reply="550 5.1.1 no such person")))
    world.send("-N", "never", "-f", "<>", "ann@far.test")
    world.wait_quiet()
    assert world.mailbox("root") == []


def test_null_sender_hears_of_no_success(world):
    world.send("-N", "success", "-f", "<>", "bob")
    world.wait_mail("bob")
    world.wait_quiet()
    assert world.mailbox("root") == [] and world.mailbox("alice") == []


def test_reports_ask_for_no_reports(world, peer):
    p = world.smarthost(peer(Script(
        capabilities=WITH_DSN, rcpt_rules=((r"^bad", "550 5.1.1 no"),))))
    world.send("-f", "sue@far.test", "-R", "full", "bad@far.test")
    world.wait_until(lambda: p.taken)
    world.wait_quiet()
    assert [c for x in p.connections for c in x.commands
            if "sue" in c and c.startswith("RCPT")] == [
                "RCPT TO:<sue@far.test> NOTIFY=NEVER"]


def test_good_news_that_get_lost_are_lost(world, peer):
    world.smarthost(peer(Script(
        rcpt_rules=((r"^sue", "550 5.1.1 no such person"),))))
    world.send("-f", "sue@far.test", "-N", "success", "ann@far.test")
    world.wait_until(lambda: world.log_lines("report=none", "sue@far.test"))
    world.wait_quiet()
    assert world.mailbox("root") == []


def test_alias_of_one_stands_for_it(world, peer):
    p = world.smarthost(peer(Script(capabilities=WITH_DSN)))
    world.write_aliases("chief: ann@far.test\n")
    world.send("-N", "success,failure", "chief")
    world.wait_quiet()
    assert says(p)[1] == ("RCPT TO:<ann@far.test> NOTIFY=SUCCESS,FAILURE "
                          "ORCPT=rfc822;chief@host.test")
    assert world.mailbox("alice") == []


def test_list_tells_that_it_was_expanded(world, peer):
    """Its members succeed in silence, and fail by the name of the list."""
    p = world.smarthost(peer(Script(
        capabilities=WITH_DSN,
        rcpt_rules=((r"^bad", "550 5.1.1 no such person"),))))
    world.write_aliases("team: bob, ann@far.test, bad@far.test\n")
    world.send("-N", "success,failure", "team")
    report = Report(world.wait_mail("alice")[0])
    assert report.actions() == {"team@host.test": "expanded",
                                "bad@far.test": "failed"}
    assert report.recipients["bad@far.test"]["Original-Recipient"] == \
        "rfc822;team@host.test"
    world.wait_mail("bob")
    world.wait_quiet()
    assert "RCPT TO:<ann@far.test> NOTIFY=FAILURE " \
        "ORCPT=rfc822;team@host.test" in says(p)
    assert len(world.mailbox("alice")) == 1


def test_list_asked_for_success_alone(world, peer):
    p = world.smarthost(peer(Script(capabilities=WITH_DSN)))
    world.forward("bob", "\\bob, ann@far.test\n")
    world.send("-N", "success", "bob")
    report = Report(world.wait_mail("alice")[0])
    assert report.actions() == {"bob@host.test": "expanded"}
    world.wait_quiet()
    assert says(p)[1] == "RCPT TO:<ann@far.test> NOTIFY=NEVER"
    assert len(world.mailbox("bob")) == 1
    assert len(world.mailbox("alice")) == 1


def test_forward_keeps_wishes_over_a_retry(world, peer):
    """Read back from the queue file they are the same."""
    p = peer(Script(mail_reply="451 4.3.0 later"),
             Script(capabilities=WITH_DSN))
    world.smarthost(p)
    world.forward("bob", "ann@far.test\n")
    world.send("-N", "success,failure,delay", "-R", "full", "-V", "id-1",
               "bob")
    world.wait_tried("ann@far.test")
    world.stop()
    world.flush()
    world.wait_quiet()
    mail, rcpt = [c for c in p.connections[1].commands
                  if c.startswith(("MAIL", "RCPT"))]
    assert mail.endswith(" RET=FULL ENVID=id-1")
    assert rcpt == ("RCPT TO:<ann@far.test> NOTIFY=SUCCESS,FAILURE,DELAY "
                    "ORCPT=rfc822;bob@host.test")


@pytest.mark.parametrize("argument", (
    "-Nsometimes", "-Nnever,failure", "-N", "-Rbody", "-V", "-Va\nb",
    "-V" + 101 * "x"))
def test_wishes_that_are_none_are_refused(world, argument):
    done = world.send(argument, "" if len(argument) == 2 else "bob",
                      status=64)
    assert argument[:2].encode() in done.stderr
    assert world.queue() == []
