"""Mailing lists in the aliases file: owner-NAME receives the failures."""
import email
import os
import re

from smtp_peer import Script
from world import BINARY

LIST = "team: ann@far.test, gone@far.test\nowner-team: bob\n"


def relay(world, peer, *capabilities, **keys):
    return world.smarthost(peer(Script(
        rcpt_rules=((r"^gone", "550 5.1.1 no such person"),),
        capabilities=capabilities or ("PIPELINING",))), **keys)


def envelopes(p):
    return sorted((m.sender, tuple(m.accepted)) for m in p.taken)


def test_failures_of_a_list_go_to_its_owner(world, peer):
    p = relay(world, peer)
    world.write_aliases(LIST)
    world.send("team", "dan@far.test")
    bounce, = world.wait_mail("bob")
    assert bounce["To"] == "bob@host.test"
    assert b"\n<gone@far.test> (from <team@host.test>):\n" in bounce.text
    assert b"your mailing list" in bounce.text
    world.wait_quiet()
    assert world.mailbox("alice") == [] and world.mailbox("root") == []
    assert envelopes(p) == [("alice@host.test", ("dan@far.test",)),
                            ("bob@host.test", ("ann@far.test",))]
    assert world.log_lines("from=<bob@host.test>", "to=<gone@far.test>")


def test_an_owner_of_several_is_named_by_the_alias(world, peer):
    p = relay(world, peer)
    world.write_aliases("team: ann@far.test\nowner-team: bob, carol\n")
    world.send("team")
    world.wait_until(lambda: p.taken)
    assert envelopes(p) == [("owner-team@host.test", ("ann@far.test",))]


def test_a_local_member_sees_the_owner_as_the_sender(world):
    world.write_aliases('team: carol, "|cat >/tmp/cmd; echo $SENDER >>/tmp/cmd"'
                        "\nowner-team: bob\n")
    world.send("team")
    mail, = world.wait_mail("carol")
    assert mail["Return-Path"] == "<bob@host.test>"
    assert mail.from_line.startswith("From bob@host.test ")
    world.wait_quiet()
    with open("/tmp/cmd") as f:
        text = f.read()
    os.unlink("/tmp/cmd")
    assert text.endswith("\nbob@host.test\n")


def test_the_sender_of_a_message_has_no_hand_in_the_owners_report(world, peer):
    world.smarthost(peer(Script(rcpt_rules=(("^gone", "550 5.1.1 no"),
                                            ("", "450 4.2.1 later")))))
    world.write_aliases("team: gone@far.test\nowner-team: boss@far.test\n")
    world.leaves("queue")
    world.send("team", user="alice")
    world.wait_tried("boss@far.test")
    report, = world.queue()
    assert "empty" in world.mailq("alice")
    for command in ("show", "delete", "hold"):
        done = world.run([BINARY, "queue", command, report], user="alice")
        assert done.returncode == 66 and done.stdout == b""
    assert "boss@far.test" in world.mailq() and world.queue() == [report]


def test_both_senders_have_one_report_each(world, peer):
    relay(world, peer)
    world.write_aliases(LIST)
    world.send("team", "gone2@far.test", "gone3@far.test")
    owner, = world.wait_mail("bob")
    sender, = world.wait_mail("alice")
    world.wait_quiet()
    assert re.findall(rb"Final-Recipient: rfc822;(\S+)", owner.text) == [
        b"gone@far.test"]
    assert sorted(re.findall(rb"Final-Recipient: rfc822;(\S+)",
                             sender.text)) == [b"gone2@far.test",
                                               b"gone3@far.test"]
    assert len(world.mailbox("bob")) == len(world.mailbox("alice")) == 1


def test_nested_lists_have_the_innermost_owner(world, peer):
    p = relay(world, peer)
    world.write_aliases("all: ann@far.test, team\nowner-all: carol\n"
                        "team: dan@far.test\nowner-team: bob\n")
    world.send("all")
    world.wait_until(lambda: len(p.taken) == 2)
    assert envelopes(p) == [("bob@host.test", ("dan@far.test",)),
                            ("carol@host.test", ("ann@far.test",))]


def test_a_report_to_a_list_keeps_the_null_sender(world, peer):
    """An owner that is the list itself, and a member that fails: no loop."""
    p = relay(world, peer)
    world.write_aliases("team: ann@far.test, gone@far.test\n"
                        "owner-team: team\n")
    world.send("team")
    world.wait_mail("root")     # the report failed for that member, too
    world.wait_quiet()
    assert envelopes(p) == [("", ("ann@far.test",)),
                            ("team@host.test", ("ann@far.test",))]
    assert len(world.mailbox("root")) == 1 and world.mailbox("alice") == []


def test_wishes_of_the_sender_end_at_the_list(world, peer):
    """RFC 3461 5.2.7.3: the list has it, and asks for failures alone."""
    p = relay(world, peer, "PIPELINING", "DSN")
    world.write_aliases("team: ann@far.test\nowner-team: bob\n")
    world.send("-N", "success,delay", "-R", "full", "-V", "env1", "team")
    report, = world.wait_mail("alice")
    world.wait_quiet()
    status = email.message_from_bytes(report.text).get_payload()[1].as_string()
    assert "Action: delivered" in status and "env1" in status
    assert "Final-Recipient: rfc822;team@host.test" in status
    commands = [c for x in p.connections for c in x.commands
                if c.startswith(("MAIL", "RCPT"))]
    assert len(commands) == 2
    assert "RET=" not in commands[0] and "ENVID=" not in commands[0]
    assert commands[1] == ("RCPT TO:<ann@far.test> NOTIFY=FAILURE "
                           "ORCPT=rfc822;ann@far.test")


def test_deferred_members_keep_their_sender(world, peer):
    """Whatever the aliases file says by then."""
    p = peer(Script(rcpt_reply="450 4.2.0 later"), Script())
    world.smarthost(p)
    world.write_aliases("team: ann@far.test\nowner-team: bob@far.test\n")
    world.send("team")
    world.wait_tried("ann@far.test")
    world.wait_listed("Sender\t: bob@far.test")
    shown = world.run(["/usr/sbin/dma", "queue", "show", *world.queue()])
    assert b"\nSender\t: bob@far.test\n" in shown.stdout
    world.stop()
    world.write_aliases("")
    world.flush()
    assert envelopes(p) == [("bob@far.test", ("ann@far.test",))]
