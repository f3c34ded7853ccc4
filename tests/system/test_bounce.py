"""What cannot be delivered comes back; what cannot come back is kept."""
import email
import os

import pytest

from smtp_peer import Script
from world import SPOOL


def refusing(world, peer, **keys):
    p = peer(Script(rcpt_reply="550 5.1.1 no such person"))
    world.smarthost(p, **keys)
    return p


def test_bounce_reaches_the_sender(world, peer):
    refusing(world, peer)
    world.send("ann@far.test", input=b"Subject: my words\nX-Mine: yes\n\n"
               b"secret body\n")
    bounce, = world.wait_mail("alice")
    assert bounce["Return-Path"] == "<>"
    assert bounce["From"].endswith("<MAILER-DAEMON@host.test>")
    assert bounce["To"] and "alice@host.test" in bounce["To"]
    assert bounce["Auto-Submitted"] == "auto-replied"
    assert b"ann@far.test" in bounce.text
    assert b"550" in bounce.text and b"no such person" in bounce.text
    assert b"X-Mine: yes" in bounce.text
    assert b"secret body" not in bounce.text


def test_bounce_can_be_read_by_machines(world, peer):
    refusing(world, peer)
    world.send("ann@far.test")
    bounce, = world.wait_mail("alice")
    message = email.message_from_bytes(bounce.text)
    assert message.get_content_type() == "multipart/report"
    assert message.get_param("report-type") == "delivery-status"
    kinds = [part.get_content_type() for part in message.get_payload()]
    assert kinds[1] == "message/delivery-status"
    status = message.get_payload()[1].as_string()
    assert "Final-Recipient: rfc822; ann@far.test" in status.replace(
        "rfc822;ann", "rfc822; ann")
    assert "Action: failed" in status
    assert "Status: 5.1.1" in status


def test_fullbounce_returns_the_body(world, peer):
    refusing(world, peer, FULLBOUNCE="")
    world.send("ann@far.test", input=b"Subject: s\n\nsecret body\n")
    bounce, = world.wait_mail("alice")
    assert b"secret body" in bounce.text


def test_one_bounce_names_all_that_failed(world, peer):
    refusing(world, peer)
    world.send("a@far.test", "b@far.test", "bob")
    bounce, = world.wait_mail("alice")
    assert b"a@far.test" in bounce.text and b"b@far.test" in bounce.text
    world.wait_mail("bob")
    world.wait_quiet()
    assert len(world.mailbox("alice")) == 1


def test_failed_bounce_goes_to_postmaster(world, peer):
    """The sender's own address is refused too."""
    refusing(world, peer)
    world.send("-f", "lost@far.test", "ann@far.test")
    message, = world.wait_mail("root")
    assert message["Return-Path"] == "<>"
    assert b"lost@far.test" in message.text
    assert b"ann@far.test" in message.text   # what it was about
    world.wait_quiet()


def test_null_sender_is_not_answered(world, peer):
    refusing(world, peer)
    world.send("-f", "<>", "ann@far.test")
    world.wait_mail("root")     # postmaster
    world.wait_quiet()
    assert world.mailbox("alice") == []


def test_what_can_go_nowhere_is_kept(world, peer):
    """Postmaster is refused as well: dead/, and an error in the log."""
    refusing(world, peer)
    world.write_aliases("postmaster: gone@far.test\nroot: gone@far.test\n")
    world.leaves("dead")
    world.send("-f", "<>", "ann@far.test")
    world.wait_until(lambda: os.path.isdir(SPOOL + "/dead") and
                     os.listdir(SPOOL + "/dead"))
    world.wait_until(lambda: not world.queue())
    world.wait_until(lambda: world.log_lines("dead"))


def test_unknown_user_behind_an_alias_bounces(world):
    world.write_aliases("team: bob, nobody-here\n")
    world.send("team")
    world.wait_mail("bob")
    bounce, = world.wait_mail("alice")
    assert b"nobody-here" in bounce.text


def test_noremote_returns_what_a_forward_sends_out(world):
    world.write_conf({"NOREMOTE": ""})
    world.forward("bob", "ann@far.test\n")
    world.send("bob")
    bounce, = world.wait_mail("alice")
    assert b"ann@far.test" in bounce.text


def test_nasty_reply_makes_no_header_and_no_boundary(world, peer):
    p = peer(Script(rcpt_reply="550-5.1.1 first\n550-5.1.1 \x1b[2Jsecond\n"
                               "550 5.1.1 --=boundary-- third"))
    world.smarthost(p)
    world.send("ann@far.test")
    bounce, = world.wait_mail("alice")
    assert b"\x1b" not in bounce.text
    for word in (b"first", b"second", b"third"):
        assert word in bounce.text
    message = email.message_from_bytes(bounce.text)
    assert len(message.get_payload()) == 3


# BOUNCE_TO: a copy of each report of failure goes to another address, too.

def test_a_copy_of_a_report_goes_to_bounce_to(world, peer):
    refusing(world, peer, BOUNCE_TO="bob")
    world.send("ann@far.test")
    bounce, = world.wait_mail("alice")
    copy, = world.wait_mail("bob")
    assert copy["Message-ID"] == bounce["Message-ID"]
    assert copy["Return-Path"] == "<>" and b"ann@far.test" in copy.text
    assert copy["To"] == "alice@host.test"
    world.wait_quiet()
    assert world.mailbox("root") == []


def test_a_copy_that_fails_is_only_logged(world, peer):
    refusing(world, peer, BOUNCE_TO="admin@far.test")
    world.send("ann@far.test")
    world.wait_mail("alice")
    world.wait_until(lambda: world.log_lines("admin@far.test", "report=none"))
    world.wait_quiet()
    assert world.mailbox("root") == []


def test_a_report_that_fails_goes_to_postmaster_without_a_copy(world, peer):
    refusing(world, peer, BOUNCE_TO="bob")
    world.send("-f", "lost@far.test", "ann@far.test")
    world.wait_mail("root")
    world.wait_quiet()
    assert len(world.mailbox("bob")) == 1     # of the first report
    assert len(world.mailbox("root")) == 1


@pytest.mark.parametrize("sender,address,notify", (
    ("<>", "ann@far.test", "failure"),      # goes to postmaster
    ("alice", "carol", "success"),          # is no report of failure
    ("alice", "ann@far.test", "never")))    # there is no report
def test_only_reports_of_failure_to_a_sender_are_copied(
        world, peer, sender, address, notify):
    refusing(world, peer, BOUNCE_TO="bob")
    world.send("-f", sender, "-N", notify, address)
    world.wait_quiet()
    assert world.mailbox("bob") == []


def test_check_reads_bounce_to(world):
    world.write_conf({"BOUNCE_TO": "admin@far.test"})
    assert "too (BOUNCE_TO)" in world.run(
        ["/usr/sbin/dma", "check"]).stdout.decode()
    world.write_conf({"BOUNCE_TO": "a b c@"})
    assert "must be one address" in world.run(
        ["/usr/sbin/dma", "check"]).stdout.decode()


# What a report about a report about a report does: it ends.

def kept(world):
    try:
        return os.listdir(SPOOL + "/dead")
    except FileNotFoundError:
        return []


@pytest.mark.parametrize("sender,reports", (
    ("<>", 1),              # to postmaster
    ("lost@far.test", 2)))  # to the sender, and about that to postmaster
@pytest.mark.parametrize("aliases", (
    "postmaster: gone@far.test\n",          # refused by another host
    "postmaster: nobody-here\n",            # refused here
    "postmaster: pm\npm: pm2\npm2: pm\n",   # a loop
    "postmaster: |\"exit 67\"\n"))          # EX_NOUSER
def test_reports_end_when_postmaster_fails(world, peer, aliases, sender,
                                           reports):
    refusing(world, peer)
    world.write_aliases(aliases)
    world.leaves("dead")
    world.send("-f", sender, "ann@far.test")
    world.wait_until(lambda: kept(world))
    world.wait_quiet()
    assert len(kept(world)) == 1 and not world.queue()
    assert len(world.log_lines("bounce=")) == reports
    assert len(world.log_lines("undeliverable")) == 1
    assert all(world.mailbox(u) == [] for u in ("alice", "bob", "root"))


def test_postmaster_is_an_address_of_a_host_that_answers_reports(world, peer):
    """It takes the report, and sends one of its own to its From:."""
    p = peer(Script(rcpt_rules=((r"^ann|^lost", "550 5.1.1 no such person"),)))
    world.smarthost(p)
    world.write_aliases("postmaster: pm@far.test\n")
    world.send("-f", "lost@far.test", "ann@far.test")
    world.wait_until(lambda: p.taken)
    world.send("-f", "<>", "MAILER-DAEMON")
    world.wait_mail("root")
    world.wait_quiet()
    assert len(p.taken) == 1 and kept(world) == []
    assert len(world.log_lines("bounce=")) == 2
