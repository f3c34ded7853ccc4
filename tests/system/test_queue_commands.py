"""What the runner makes of commands about queued messages."""
import os
import threading

import pytest

import queue_client
from queue_client import (BOUNCE, DELETE, HOLD, RELEASE, RETRY, STATUS,
                          Command, string, u32)
from smtp_peer import Script
from world import MAIL, SPOOL



def deferred(world, peer, *addresses, user="alice"):
    """Their ids; a runner waits."""
    world.smarthost(peer(Script(rcpt_rules=(("", "450 4.2.1 later"),))))
    world.leaves("queue")
    ids = []
    for address in addresses:
        before = set(world.queue())
        world.send(address, user=user)
        world.wait_tried(address)
        ids += set(world.queue()) - before
    return ids


def test_retry_tries_the_named_messages_alone(world, peer):
    a, b = deferred(world, peer, "ann@far.test", "ben@far.test")
    p = world.smarthost(peer(Script()))
    assert queue_client.verdict(RETRY, a) == ("ok", "sent")
    assert [t.accepted for t in p.taken] == [["ann@far.test"]]
    assert world.queue() == [b]
    assert queue_client.verdicts(RETRY, a, b) == [
        ("unknown", ""), ("ok", "sent ")]
    world.wait_quiet()


def test_retry_tells_the_worst_of_the_recipients(world, peer):
    a, b = deferred(world, peer, "ann@far.test", "ben@far.test")
    world.smarthost(peer(Script(rcpt_rules=(("^ann@", "550 5.1.1 no"),
                                            ("^ben@", "450 4.2.1 later")))))
    world.write_aliases("alice: /dev/null\n")
    assert queue_client.verdicts(RETRY, a, b) == [
        ("ok", "failed "), ("ok", "deferred ")]


def test_held_mail_is_tried_only_after_its_release(world, peer):
    a, b = deferred(world, peer, "ann@far.test", "ben@far.test")
    p = world.smarthost(peer(Script()))
    assert queue_client.verdict(HOLD, a) == ("ok", "on hold")
    assert queue_client.verdict(HOLD, a) == ("ok", "was on hold before")
    assert queue_client.verdict(RETRY, a) == (
        "late", "held: release it first")
    world.flush()
    assert world.queue() == [a]
    # It keeps no runner, and the next one leaves it alone.
    world.wait_until(lambda: not world.processes())
    world.flush()
    world.wait_until(lambda: not world.processes())
    assert world.queue() == [a]
    assert [t.accepted for t in p.taken] == [["ben@far.test"]]
    assert queue_client.verdict(RELEASE, a)[0] == "ok"
    world.wait_quiet()
    assert [t.accepted for t in p.taken] == [["ben@far.test"],
                                             ["ann@far.test"]]


def test_users_command_their_own_mail_alone(world, peer):
    a, = deferred(world, peer, "ann@far.test")
    for command in (RETRY, HOLD, RELEASE, DELETE, BOUNCE):
        assert queue_client.verdict(command, a, user="bob") == ("unknown", "")
    assert queue_client.verdict(HOLD, a, user="alice") == ("ok", "on hold")
    assert queue_client.verdict(RELEASE, a, user="alice") == ("ok", "released")


# -- delete and bounce ---------------------------------------------------------

class Stopper:
    """A hook of a server: for mail from stop@, it stops at that verb."""

    def __init__(self, verb):
        self.verb, self.stopped = verb, threading.Event()
        self.go = threading.Event()

    def __call__(self, connection, verb, argument):
        text = argument if isinstance(argument, str) else \
            bytes(argument or b"").decode("latin-1")
        if verb == "MAIL":
            connection.is_to_stop = "stop@" in text
        if verb == self.verb and getattr(connection, "is_to_stop", False):
            self.stopped.set()
            self.go.wait(30)


def stopped(world, peer, verb, *addresses, **script):
    """A message from stop@ that is at that verb; its id, server and hook."""
    hook = Stopper(verb)
    p = world.smarthost(peer(Script(hook=hook, **script)))
    world.send("-f", "stop@host.test", *addresses, user=None)
    assert hook.stopped.wait(15)
    ident, = world.queue()
    return ident, p, hook


def test_deleted_mail_is_gone_and_nobody_hears_of_it(world, peer):
    a, b = deferred(world, peer, "ann@far.test", "ben@far.test")
    assert queue_client.verdict(HOLD, b) == ("ok", "on hold")
    assert queue_client.verdicts(DELETE, a, b) == [("ok", "deleted ")] * 2
    assert not world.queue() and not world.mailbox("alice")
    assert world.log_lines("id=" + a, "command=delete", "uid=0")
    assert world.log_lines("id=" + a, "status=deleted")
    assert queue_client.verdict(DELETE, a) == ("unknown", "")


@pytest.mark.parametrize("command", [DELETE, BOUNCE, RETRY])
def test_a_damaged_file_is_put_aside_and_not_obeyed(world, peer, command):
    a, = deferred(world, peer, "ann@far.test")
    world.leaves("queue", "corrupt")
    with open("%s/queue/%s" % (SPOOL, a), "r+b") as f:
        f.write(bytes(9))
    verdict, text = queue_client.verdict(command, a)
    assert verdict == "failed" and "its file is damaged" in text
    world.wait_until(lambda: world.log_lines("id=" + a, "moved to"))
    assert a not in world.queue()


def test_recipients_that_had_it_before_are_named(world, peer):
    world.smarthost(peer(Script(rcpt_rules=(("^ann@", "450 4.2.1 no"),))))
    world.leaves("queue")
    world.send("ann@far.test", "ben@far.test", "bob")
    world.wait_tried("ann@far.test")
    world.wait_mail("bob")
    ident, = world.queue()
    assert queue_client.verdict(DELETE, ident) == (
        "ok", "deleted; delivered before to ben@far.test, bob")
    assert not world.queue()


@pytest.mark.parametrize("verb", ["MAIL", "RCPT", "DATA"])
def test_delete_ends_what_is_under_way(world, peer, verb):
    ident, p, hook = stopped(world, peer, verb, "ann@far.test")
    world.send("ben@far.test")
    assert queue_client.verdict(DELETE, ident) == ("ok", "deleted")
    hook.go.set()
    world.wait_quiet()
    assert [t.accepted for t in p.taken] == [["ben@far.test"]]


def test_delete_after_the_text_is_late(world, peer):
    ident, p, hook = stopped(world, peer, "BODY", "ann@far.test")
    command = Command(DELETE, ident)
    assert command.read(0.5) == 1 and command.data == b""
    hook.go.set()
    line, = command.lines()
    assert line.startswith(ident + " late delivered to ann@far.test (")
    assert "250 2.0.0 taken" in line
    world.wait_quiet()
    assert len(p.taken) == 1


def test_delete_ends_a_command(world):
    world.forward("bob", '"|echo x >/home/bob/here; sleep 300; '
                  'echo x >/home/bob/there"\n')
    world.send("bob")
    world.wait_until(lambda: world.read_home("bob", "here"))
    ident, = world.queue()
    assert queue_client.verdict(DELETE, ident) == ("ok", "deleted")
    world.wait_quiet()
    assert not world.read_home("bob", "there")


def test_delete_does_not_wait_for_the_lock_of_a_mailbox(world):
    """Another message for that mailbox is delivered all the same."""
    with open(MAIL + "/bob.lock", "w") as f:
        f.write("1")
    world.send("bob")
    ident, = world.queue()
    world.wait_until(lambda: len(world.processes()) > 3)
    world.send("bob", input=b"Subject: other\n\nhello\n")
    assert queue_client.verdict(DELETE, ident) == ("ok", "deleted")
    os.unlink(MAIL + "/bob.lock")
    message, = world.wait_mail("bob")
    assert message["Subject"] == "other"
    world.wait_quiet()


def test_bounced_mail_returns_to_its_sender(world, peer):
    a, b = deferred(world, peer, "ann@far.test", "ben@far.test")
    assert queue_client.verdict(HOLD, b) == ("ok", "on hold")
    assert queue_client.verdicts(BOUNCE, a, b) == [("ok", "bounced ")] * 2
    world.wait_quiet()
    for report in world.wait_mail("alice", 2):
        text = report.text.decode()
        assert "Status: 5.0.0" in text and "sender or the" in text


@pytest.mark.parametrize("verb", ["RCPT", "DATA"])
def test_bounce_ends_what_is_under_way(world, peer, verb):
    ident, p, hook = stopped(world, peer, verb, "ann@far.test", "bob@far.test")
    world.write_aliases("stop: alice\n")
    assert queue_client.verdict(BOUNCE, ident) == ("ok", "bounced")
    hook.go.set()
    world.wait_quiet()
    report, = world.wait_mail("alice")
    assert report.text.count(b"Status: 5.0.0") == 2
    assert not p.taken


def test_bounce_after_the_text_is_late(world, peer):
    ident, p, hook = stopped(world, peer, "BODY", "ann@far.test")
    command = Command(BOUNCE, ident)
    assert command.read(0.5) == 1
    hook.go.set()
    line, = command.lines()
    assert " late delivered to ann@far.test (" in line
    world.wait_quiet()
    assert len(p.taken) == 1


def test_bounced_report_goes_the_way_of_a_double_bounce(world, peer):
    world.write_aliases("postmaster: carol\n")
    world.smarthost(peer(Script(rcpt_rules=(("", "450 4.2.1 later"),))))
    world.send("-f", "<>", "ann@far.test", user=None)
    world.wait_tried("ann@far.test")
    ident, = world.queue()
    assert queue_client.verdict(BOUNCE, ident) == ("ok", "bounced")
    report, = world.wait_mail("carol")
    assert b"Status: 5.0.0" in report.text
    world.wait_quiet()


def test_hold_lets_an_attempt_under_way_end(world, peer):
    ident, p, hook = stopped(world, peer, "RCPT", "ann@far.test",
                             rcpt_rules=(("", "450 4.2.1 later"),))
    verdict, text = queue_client.verdict(HOLD, ident)
    assert verdict == "ok" and "in progress" in text
    hook.go.set()
    world.wait_tried("ann@far.test")
    world.wait_until(lambda: not world.processes())
    world.flush()
    assert world.queue() == [ident] and not p.taken
    assert queue_client.verdict(DELETE, ident) == ("ok", "deleted")


def test_hold_outlives_a_kill(world, peer):
    a, = deferred(world, peer, "ann@far.test")
    p = world.smarthost(peer(Script()))
    assert queue_client.verdict(HOLD, a) == ("ok", "on hold")
    world.stop()
    world.flush()
    assert world.queue() == [a] and not p.taken
    assert queue_client.verdict(RELEASE, a) == ("ok", "released")
    world.wait_quiet()


def status(user=None):
    """The fields of each line, by its name."""
    found = {}
    for line in Command(STATUS, user=user).lines():
        name, *values = line.split("\t")
        found.setdefault(name, []).append(values)
    return found


def test_status_tells_of_the_runner_and_its_destinations(world, peer):
    a, b = deferred(world, peer, "ann@far.test", "ben@far.test")
    assert queue_client.verdict(HOLD, b) == ("ok", "on hold")
    got = status()
    (pid, version, since, starter), = got["runner"]
    assert int(pid) in world.processes()
    assert int(since) > 1700000000 and starter == "call"
    counts = {state: int(n) for state, n in got["messages"]}
    assert counts["held"] == 1 and sum(counts.values()) == 2
    assert got["oldest"] == [[a]] and got["active"] == [["0"]]
    assert all(d[:2] == ["relay", ""] for d in got.get("destination", ()))
    assert list(status("alice")) == ["runner"]


def test_status_tells_of_what_is_not_reached(world):
    world.write_conf({"SMARTHOST": "127.0.0.1:1"})
    world.leaves("queue")
    world.send("ann@far.test")
    world.wait_tried("ann@far.test")
    (kind, _, failures, due, n, reason), = status()["backoff"]
    assert kind == "relay" and int(failures) == 1 == int(n)
    assert "refused" in reason and int(due) > 1700000000


GARBAGE = (
    b"", b"\xff" * 4, u32(9), u32(HOLD), u32(HOLD) + u32(0),
    u32(HOLD) + u32(0) + u32(2 ** 31), u32(99) + u32(0) + string(b"a\n"),
    u32(HOLD) + u32(0) + string(b"a"), u32(HOLD) + u32(0) + string(b""),
    u32(HOLD) + u32(0) + string(b"../../etc/passwd\n"),
    u32(HOLD) + u32(0) + string(b"a\0b\n"),
    u32(HOLD) + u32(0) + string(b"a\n" * 257),
    u32(HOLD) + u32(0) + string(b"a\n") + b"x",
    u32(STATUS) + u32(0) + string(b"a\n"), os.urandom(4000),
)


@pytest.mark.parametrize("user", (None, "bob"))
def test_garbage_is_refused_and_harms_nobody(world, peer, user):
    a, = deferred(world, peer, "ann@far.test")
    for fields in GARBAGE:
        lines, end, reason = Command(None, fields=fields, user=user).wait()
        assert (lines, end, reason) == ([], 1, "invalid request"), fields
    world.send("bob")
    world.wait_mail("bob")
    assert queue_client.verdict(DELETE, a) == ("ok", "deleted")


def test_callers_who_wait_for_the_same_delete_all_hear_of_it(world, peer):
    ident, p, hook = stopped(world, peer, "BODY", "ann@far.test")
    waiting = [Command(DELETE, ident) for _ in range(4)]
    assert queue_client.verdict(DELETE, ident, user="bob") == ("unknown", "")
    assert queue_client.verdict(HOLD, ident)[0] == "failed"
    hook.go.set()
    for command in waiting:
        assert " late delivered to ann@far.test (" in command.lines()[0]
    world.wait_quiet()


def test_a_reply_that_is_never_read_holds_up_nobody(world, peer):
    ids = deferred(world, peer, "ann@far.test", "ben@far.test")
    unread = [Command(HOLD, *(ids * 100), pipe_bytes=4096) for _ in range(3)]
    gone = Command(RELEASE, *ids)
    gone.close()
    world.send("bob")
    world.wait_mail("bob")
    for command in unread:
        assert len(command.lines()) == 200
    assert queue_client.verdicts(DELETE, *ids) == [("ok", "deleted ")] * 2
