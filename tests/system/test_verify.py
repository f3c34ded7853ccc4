"""sendmail -bv: how addresses would be delivered, and who may know."""
import os
import subprocess

import pytest

from world import SENDMAIL

ALIASES = """team: alice, "|/bin/command x", secret@far.test
loop: loop2
loop2: loop
bad: "
"""
FORWARD = "bob, alice, alice+x, x@far.test, /dev/null, |/bin/cat, " \
    ":include:~/list, \\carol\n"
BOB = "bob... deliverable: local user bob"
ALICE = "alice... deliverable: local user alice"


@pytest.fixture
def verify(world):
    """Runs it as a user, with input that must stay unread."""
    def run(*args, user="alice", status=0):
        with open("/etc/passwd", "rb") as unread:
            done = subprocess.run(
                [SENDMAIL, "-bv", *args], stdin=unread, capture_output=True,
                text=True, timeout=60, check=False, **world.identity(user))
            assert unread.tell() == 0
        assert done.stderr == "" and done.returncode == status, done
        assert world.queue() == []
        return done.stdout.splitlines()
    yield run


@pytest.mark.parametrize("keys, args, lines, status", (
    ({}, ["bob"], [BOB], 0),
    ({}, ["-f", "x@far.test", "bob", "-i"], [BOB], 0),
    ({}, ["bob, Carol <carol@HOST.test>"], [
        BOB, "carol@host.test... deliverable: local user carol"], 0),
    ({}, ["BOB+x"], ["BOB+x... deliverable: local user bob"], 0),
    ({}, ["x@far.test"], [
        "x@far.test... deliverable: mail exchangers of far.test"], 0),
    ({"SMARTHOST": "a.test:587 mx:b.test"}, ["x@far.test"], [
        "x@far.test... deliverable: relay a.test port 587, then mx:b.test "
        "port 25 (SMARTHOST)"], 0),
    ({}, ["bob", "nobody-here"], [
        BOB, "nobody-here... rejected: user unknown: there is neither an "
        "alias nor a user nobody-here"], 67),
    ({}, ["a@b@c", "nobody-here", "bob"], [
        "a@b@c... rejected: not an address",
        "nobody-here... rejected: user unknown: there is neither an alias "
        "nor a user nobody-here", BOB], 65),
    ({}, ["|/bin/cat", "/dev/null"], [
        "|/bin/cat... rejected: not an address",
        "/dev/null... rejected: not an address"], 65),
    ({}, ["b\x1b[2Job", ""], [
        "b\\033[2Job... rejected: not an address",
        "... rejected: not an address"], 65),
    ({"NOREMOTE": ""}, ["x@far.test"], [
        "x@far.test... rejected: this host sends no mail to other hosts "
        "(NOREMOTE)"], 69),
    ({"MAILBOX": "nonsense"}, ["bob"], [
        "bob... deferred: the value of MAILBOX is not understood"], 78),
    ({"ALIASES": "/etc"}, ["bob"], ["bob... deferred: /etc cannot be read"],
     75),
    ({"NULLCLIENT": ""}, ["x@far.test"], [
        "x@far.test... deferred: SMARTHOST has no host that can be used"],
     78),
    ({"SENDER_RELAY": "/none"}, ["x@far.test"], [
        "x@far.test... deferred: the file of SENDER_RELAY cannot be read"],
     78),
    ({}, ["-v", "bob"], [BOB + ", mailbox /var/mail/bob; a .forward file is "
                         "read at delivery"], 0),
    ({}, ["team"], ["team... deliverable: alias team, whose targets are "
                    "shown only to root"], 0),
    ({}, ["bad"], ["bad... deferred: the alias bad has an error, "
                   "/etc/aliases:4"], 78),
))
def test_address(world, verify, keys, args, lines, status):
    world.write_aliases(ALIASES)
    world.write_conf(keys)
    assert verify(*args, status=status) == lines


@pytest.mark.parametrize("user, line, text", (
    ("root", "alice@host.test relay.test",
     "relay relay.test (SENDER_RELAY, for alice@host.test)"),
    ("alice", "alice@host.test relay.test",
     "relay of SENDER_RELAY for alice@host.test, which is shown only to root"),
))
def test_relay_of_the_sender(world, verify, user, line, text):
    world._fresh("/etc/dma/senders", line + "\n", 0o644)
    world.write_conf({"SENDER_RELAY": "/etc/dma/senders"})
    assert verify("-f", "alice@host.test", "x@far.test", user=user) == [
        "x@far.test... deliverable: " + text]


def test_bad_line_of_the_senders_relay(world, verify):
    world._fresh("/etc/dma/senders", "alice@host.test a.test:0\n", 0o644)
    world.write_conf({"SENDER_RELAY": "/etc/dma/senders"})
    assert verify("x@far.test", status=78) == [
        "x@far.test... deferred: the line of SENDER_RELAY for "
        "alice@host.test is invalid"]


def test_alias_that_leads_nowhere(world, verify):
    """A loop is told from a name that does not exist."""
    world.write_aliases("a: b\nb: A\nteam: gone\n")
    assert verify("a", user="root", status=67) == [
        "A... rejected: the aliases form a loop at A"]
    assert verify("team", user="root", status=67) == [
        "gone... rejected: user unknown: there is neither an alias nor a user "
        "gone"]


def test_own_forward(world, verify):
    """As delivery reads it, with its lists; what leads back is the mailbox."""
    world.forward("alice", FORWARD)
    world.forward("bob", "secret@far.test\n")
    world.write_home("alice", "list", "y@far.test, team\n")
    world.write_aliases(ALIASES)
    want = [BOB, ALICE, "alice+x... deliverable: local user alice",
            "x@far.test... deliverable: mail exchangers of far.test",
            "/dev/null... deliverable: file, written as alice",
            "/bin/cat... deliverable: command, run as alice",
            "y@far.test... deliverable: mail exchangers of far.test",
            "team... deliverable: alias team, whose targets are shown only to "
            "root",
            "carol... deliverable: local user carol"]
    assert verify("Alice@localhost") == want
    assert verify("-v", "alice")[0] == ("alice... is forwarded by the "
                                        ".forward of alice")
    os.unlink("/home/alice/list")
    line, = verify("alice", status=75)
    assert line.startswith("alice... deferred: .forward of alice cannot be "
                           "read now: ")


def test_nobody_sees_the_forward_of_others(world, verify):
    world.forward("bob", "secret@far.test\n", mode=0o600)
    world.write_aliases("team: bob\n")
    assert verify("bob") == [BOB]
    for args in ["-v", "bob"], ["-v", "team"], ["-vf", "bob", "bob"]:
        assert "secret" not in "".join(verify(*args))
    world.forward("alice", "bob\n")
    assert verify("alice") == [BOB]


def test_root_sees_all(world, verify):
    world.forward("bob", "b@far.test\n")
    world.forward("alice", "bob, |/bin/cat\n")
    world.write_aliases(ALIASES)
    far = "b@far.test... deliverable: mail exchangers of far.test"
    assert verify("team", user=None) == [
        far, "/bin/cat... deliverable: command, run as alice",
        "/bin/command x... deliverable: command, run as nobody",
        "secret@far.test... deliverable: mail exchangers of far.test"]
    assert verify("-v", "team", user=None)[:3] == [
        "team... is the alias team, /etc/aliases:1",
        "alice... is forwarded by the .forward of alice",
        "bob... is forwarded by the .forward of bob"]
    assert "form a loop" in verify("loop", user=None, status=67)[0]


def test_root_sees_the_owner_of_a_list(world, verify):
    world.write_aliases("team: bob\nowner-team: carol\n"
                        "all: bob\nowner-all: bob, carol\n"
                        "none: bob\nowner-owner: carol@far.test\n")
    words = "failures of its targets are reported to the owner of the list, "
    for args, owner in ((["team"], "carol@host.test"),
                        (["all"], "owner-all@host.test"),
                        (["owner-all"], "carol@far.test")):
        assert "%s... %s%s" % (*args, words, owner) == verify(
            "-v", *args, user=None)[1]
    for args in ["-v", "none"], ["-vf", "<>", "team"], ["team"]:
        assert words not in "".join(verify(*args, user=None))
    assert words not in "".join(verify("-v", "team"))


@pytest.mark.parametrize("text, mode, words", (
    ("bob\n", 0o666, "is writable by others"),
    ("\"bob\n", 0o644, ".forward:1: "),
    ("x" * 70000, 0o644, "is longer than 65536 bytes"),
))
def test_forward_that_is_not_used(world, verify, text, mode, words):
    world.forward("alice", text, mode=mode)
    warning, line = verify("alice")
    assert warning.startswith("alice... warning: .forward of alice is not ")
    assert words in warning and line == ALICE


def test_forward_of_a_daemon_runs_nothing(world, verify):
    world.add_user("daemon1", shell="/usr/sbin/nologin")
    world.forward("daemon1", "|/bin/cat\n")
    warning, line = verify("daemon1", user="daemon1")
    assert "contains a command or a file, which is not" in warning
    assert line == "daemon1... deliverable: local user daemon1"
    world.remove_user("daemon1")
