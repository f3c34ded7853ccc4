"""A compromised front end or runner can lose, read or delay mail, and nothing
more (docs/privileges.md)."""
import contextlib
import fcntl
import os
import pwd
import re
import select
import signal
import socket
import stat
import struct
import subprocess
import time

import pytest

import compromised as attack
from compromised import (
    ALIASES, CALLER, DEFERRED, DELIVER_ACKNOWLEDGE, DELIVER_CHECKPOINT,
    DELIVER_REQUEST, DELIVER_RESULT, FAILED, FILE, FORWARD, FORWARD_AGAIN,
    FORWARD_REPLY, FORWARD_REQUEST, LATER, MESSAGE, NONE, NOUSER, PIPE,
    PROTOCOL, SENT, TEXT, as_spool_user, channel, get, put,
    text, u32, u64)
from smtp_peer import Script
from world import MAIL, SENDMAIL, SPOOL

USERS_FILES = ["/etc/(passwd|shadow|group|gshadow|subuid|subgid)-?"]
BOX = MAIL + "/bob"
OLD = b"From x Thu Jan  1 00:00:00 1970\nSubject: old\n\nold\n\n"


@pytest.fixture(scope="module", autouse=True)
def installed():
    attack.install()
    subprocess.run([SENDMAIL, "-q"], check=True)    # makes the spool


def give(path, user, data, mode=0o600):
    with open(path, "wb") as f:
        f.write(data)
    who = pwd.getpwnam(user)
    os.chown(path, who.pw_uid, who.pw_gid)
    os.chmod(path, mode)


@pytest.fixture
def host(world):
    """The host before, and the check of it after."""
    give(BOX, "bob", OLD)
    world.write_conf({"ALIAS_USER": "carol"})
    world.before = attack.inventory()
    # The first runner marks the spool.
    world.may_change = ["/etc/aliases", "/etc/dma/dma.conf",
                        "/var/spool/dma/version-2"]
    yield world
    world.wait_until(lambda: not world.processes(), 20, "our processes' end")
    left = [path for path in attack.changed(world.before)
            if not re.fullmatch("|".join(world.may_change), path)]
    assert left == []
    with open(BOX, "rb") as f:
        assert f.read().startswith(OLD)
    for name in os.listdir(MAIL):
        assert name in ("alice", "bob", "carol", "root"), name
    # The next runner is an honest one, and works.
    n = len(world.mailbox("carol"))
    world.send("carol", input=b"Subject: honest\n\nhello\n")
    assert world.wait_mail("carol", n + 1)[-1]["Subject"] == "honest"


@pytest.fixture
def attacker(host):
    c = attack.Compromised(host).run()
    yield c
    c.free()


def warned(host, *words):
    host.wait_until(lambda: host.log_lines(*words), 15, " ".join(words))


def bob_has(host, *subjects):
    assert [x["Subject"] for x in host.mailbox("bob")] == [
        "old", *subjects]


# ---- what it can: deliver mail, set off what the user wrote ----


def test_it_can_deliver_mail(host, attacker):
    result = attacker.put_mail()
    st = os.stat(BOX)
    assert (result.status, result.wait_status) == (SENT, 0)
    assert result.checkpoint == (st.st_dev, st.st_ino, len(OLD))
    bob_has(host, "compromised")


def test_it_can_set_off_what_the_user_wrote(host, attacker):
    host.forward("bob", "|id -u; cat >/home/bob/got\n")
    host.may_change += ["/home/bob/.*"]
    result = attacker.put_mail(kind=PIPE, origin=FORWARD,
                            is_text="id -u; cat >/home/bob/got")
    assert result.output == b"%d\n" % pwd.getpwnam("bob").pw_uid
    assert b"Subject: compromised" in host.read_home("bob", "got")


def test_a_request_twice_is_one_more_delivery(host, attacker):
    """And a checkpoint of the first makes one of both."""
    fields = attacker.fields()
    for _ in range(2):
        result = attacker.listen(*attacker.start(fields))
        assert result.status == SENT
    bob_has(host, "compromised", "compromised")
    result = attacker.put_mail(checkpoint=result.checkpoint)
    assert result.status == SENT and result.checkpoint is None
    bob_has(host, "compromised", "compromised")


def test_it_can_end_what_it_has_set_off_and_nothing_else(host, attacker):
    host.forward("bob", "|echo begun; sleep 300\n")
    host.may_change += ["/home/bob/.*"]
    sleeper = host.start(["sleep", "300"], user="bob")
    for ident in (0, 2 ** 32 - 1, sleeper.pid, attacker.program.pid):
        put(attacker.deliver, attack.DELIVER_CANCEL, ident)
    ident, ours = attacker.start(attacker.fields(
        kind=PIPE, origin=FORWARD, is_text="echo begun; sleep 300"))
    kind, _, _, fds = get(ours)
    assert kind == attack.DELIVER_OUTPUT and os.read(fds[0], 100) == b"begun\n"
    put(attacker.deliver, attack.DELIVER_CANCEL, ident)
    kind, of, fields, _ = get(attacker.deliver)
    status, is_late = struct.unpack("=II", fields)
    assert (kind, of) == (attack.DELIVER_EXIT, ident)
    assert os.WIFSIGNALED(status) and is_late == 1
    assert sleeper.poll() is None and attacker.program.poll() is None
    sleeper.kill()
    sleeper.wait()
    os.close(fds[0])
    ours.close()


def test_a_cancellation_with_something_in_it_ends_the_helper(host, attacker):
    put(attacker.deliver, attack.DELIVER_CANCEL, 1, u32(0))
    assert get(attacker.deliver) is None
    warned(host, "malformed request")


# ---- names ----

NAMES = ("../alice", "/var/mail/alice", "bob/", ".bob", "-bob", "", "0",
         "1000", "b" * 33, "|id", "bob;id", "bob bob", "`id`", "nosuchuser",
         "bob@host.test", "\u00fcber", "*", "~bob", "..", "!bob", "$USER")
# Refused as text already: these end the helper.
BROKEN = (b"bob\0", b"bob\n", b"bo\x01b", b"bob\x7f", b"b" * 600)


@pytest.mark.parametrize("name", NAMES)
def test_no_other_name(host, attacker, name):
    assert attacker.ask(name) == (NOUSER, b"")
    result = attacker.put_mail(name=name)
    assert (result.status, result.code) == (FAILED, "5.1.1")
    bob_has(host)


@pytest.mark.parametrize("name", BROKEN, ids=range(len(BROKEN)))
def test_a_broken_name_ends_the_helper(host, attacker, name):
    assert attacker.ask(name) is None
    assert get(attacker.forward) is None
    result = attacker.put_mail(name=name)
    assert (result.status, result.wait_status) == (None, None)
    warned(host, "delivery helper: malformed request")
    host.wait_until(lambda: len(host.log_lines("forward helper:")) == 1)
    bob_has(host)


def test_case_is_no_second_user(host, attacker):
    """Mail for BOB is mail for bob, in bob's own mailbox."""
    assert attacker.put_mail(name="BOB").status == SENT
    bob_has(host, "compromised")


def is_open(sock):
    """A child has it, and says nothing."""
    return not select.select([sock], [], [], 0)[0]


def test_one_user_does_not_fill_the_forward_helper(host, attacker, mallory):
    """Their home keeps each child, and their name has many spellings."""
    host.may_change += USERS_FILES
    asked = []
    for i, name in enumerate(mallory):
        ours, theirs = channel()
        with theirs:
            put(attacker.forward, FORWARD_REQUEST, i,
                u32(FORWARD) + text(name), [theirs.fileno()])
        asked.append(ours)
    for ours in asked[8:]:
        assert get(ours) is None
    assert attacker.ask("bob") == (NONE, b"")
    assert all(map(is_open, asked[:8]))
    for ours in asked:
        ours.close()


def take_look_up(fuse):
    """Answers the kernel's first question, takes the next, is silent."""
    ident, = struct.unpack_from("=Q", os.read(fuse, 1 << 20), 8)
    init = struct.pack("=IIIIHHI", 7, 31, 0, 0, 12, 9, 1 << 17).ljust(64, b"\0")
    os.write(fuse, struct.pack("=IiQ", 16 + len(init), 0, ident) + init)
    kind, = struct.unpack_from("=I", os.read(fuse, 1 << 20), 4)
    assert kind == 1


@pytest.mark.skipif(not os.environ.get("DMA_SLOW"),
                    reason="DMA_SLOW: waits for a minute")
def test_a_child_that_no_signal_ends_is_the_users_last(host, attacker, fuse,
                                                       mallory):
    host.may_change += USERS_FILES
    ours, theirs = channel()
    with ours:
        with theirs:
            put(attacker.forward, FORWARD_REQUEST, 0, u32(FORWARD) +
                text(mallory[0]), [theirs.fileno()])
        take_look_up(fuse)
        time.sleep(62)                  # FORWARD_LIMIT_S, and a moment
        assert attacker.ask(mallory[1]) is None
        assert is_open(ours)
    assert attacker.ask("bob") == (NONE, b"")


# ---- commands and files ----

ENTRIES = (
    # what the list says, what is asked for
    ("|touch /tmp/pwned", dict(is_text="touch /tmp/pwned; id")),
    ("|touch /tmp/pwned", dict(is_text="touch /tmp/pwned", entry=1)),
    ("|touch /tmp/pwned", dict(is_text="touch /tmp/pwned", entry=2 ** 31)),
    ("|touch /tmp/pwned", dict(is_text="touch /tmp/pwned", kind=FILE)),
    ("/tmp/pwned", dict(is_text="/tmp/pwned", kind=PIPE)),
    ("/tmp/box", dict(is_text="/tmp/pwned", kind=FILE)),
    ("carol, |touch /tmp/pwned", dict(is_text="touch /tmp/pwned", entry=0)),
    ("", dict(is_text="touch /tmp/pwned")),
    ("", dict(is_text="/tmp/pwned", kind=FILE)),
)


@pytest.mark.parametrize("origin", (FORWARD, ALIASES))
@pytest.mark.parametrize("case", ENTRIES, ids=range(len(ENTRIES)))
def test_only_what_is_written_there(host, attacker, origin, case):
    line, which = case
    host.may_change += ["/home/bob/.forward"]
    if origin == FORWARD:
        host.forward("bob", line + "\n")
    else:
        host.write_aliases("robot: %s\n" % (line or "carol"))
    result = attacker.put_mail(**{"kind": PIPE, "origin": origin, "name":
                               "bob" if origin == FORWARD else "robot",
                               **which})
    assert (result.status, result.output, result.checkpoint) == (
        DEFERRED, None, None)
    assert "changed since it was read" in result.reason


@pytest.mark.parametrize("kind", (FILE, PIPE))
def test_none_by_the_caller_alone(host, attacker, kind):
    """A list must be named: the request itself is broken."""
    result = attacker.put_mail(kind=kind, origin=CALLER, name="bob",
                            is_text="touch /tmp/pwned")
    assert (result.status, result.wait_status) == (None, None)
    warned(host, "delivery helper: malformed request")


def trusted(host, spoil):
    """A .forward that would be right, but for one thing."""
    path = host.forward("bob", "|touch /home/bob/pwned\n")
    host.may_change += ["/home/bob/.forward", "/home/bob"]
    spoil(path)


def linked(path):
    os.rename(path, "/home/f")
    os.symlink("/home/f", path)


SPOILED = {
    "of another": lambda p: os.chown(p, pwd.getpwnam("carol").pw_uid, -1),
    "others can write": lambda p: os.chmod(p, 0o646),
    "group can write": lambda p: os.chmod(p, 0o664),
    "in an open home": lambda p: os.chmod("/home/bob", 0o777),
    "not readable": lambda p: (os.chown(p, 0, 0), os.chmod(p, 0o600)),
    "a link to one of another": lambda p: (
        linked(p), os.chown("/home/f", pwd.getpwnam("carol").pw_uid, -1)),
    "a fifo": lambda p: (os.unlink(p), os.mkfifo(p)),
    "a directory": lambda p: (os.unlink(p), os.mkdir(p)),
}


@pytest.mark.parametrize("how", SPOILED)
def test_not_from_a_list_that_others_could_write(host, attacker, how):
    trusted(host, SPOILED[how])
    try:
        result = attacker.put_mail(kind=PIPE, origin=FORWARD,
                                is_text="touch /home/bob/pwned")
        assert (result.status, result.output) == (DEFERRED, None)
    finally:
        host.add_user("bob")        # his home as it was
        if os.path.exists("/home/f"):
            os.unlink("/home/f")


def test_changed_between_reading_and_running(host, attacker):
    host.forward("bob", "|touch /home/bob/pwned\n")
    host.may_change += ["/home/bob/.forward"]
    assert attacker.ask("bob") == (TEXT, b"|touch /home/bob/pwned\n")
    host.forward("bob", "|cat >/dev/null\n")
    result = attacker.put_mail(kind=PIPE, origin=FORWARD,
                            is_text="touch /home/bob/pwned")
    assert (result.status, result.output) == (DEFERRED, None)


def test_an_entry_of_the_other_list(host, attacker):
    """bob's own line does not run as the alias user, nor the other way."""
    host.forward("bob", "|touch /tmp/pwned\n")
    host.may_change += ["/home/bob/.forward"]
    host.write_aliases("robot: |touch /tmp/pwned2\nbob: carol\n")
    for origin, name, line in ((ALIASES, "bob", "touch /tmp/pwned"),
                               (FORWARD, "robot", "touch /tmp/pwned2"),
                               (FORWARD, "bob", "touch /tmp/pwned2"),
                               (FORWARD, "carol", "touch /tmp/pwned"),
                               (ALIASES, "nosuch", "touch /tmp/pwned2"),
                               (ALIASES, "", "touch /tmp/pwned2"),
                               (ALIASES, "../robot", "touch /tmp/pwned2")):
        result = attacker.put_mail(kind=PIPE, origin=origin, name=name,
                                is_text=line)
        assert result.status in (DEFERRED, FAILED) and result.output is None


def test_an_alias_command_is_the_alias_users(host, attacker):
    host.write_aliases("robot: |id -u\n")
    result = attacker.put_mail(kind=PIPE, origin=ALIASES, name="robot",
                            is_text="id -u")
    assert result.output == b"%d\n" % pwd.getpwnam("carol").pw_uid


def test_the_lists_of_an_alias(host, attacker):
    """Those that it names, read as the alias user, and for everybody."""
    with open("/etc/lists.test", "w") as f:
        f.write("ann@far.test\n")
    os.chmod("/etc/lists.test", 0o644)
    os.symlink("/etc/shadow", "/etc/lists.link")
    host.write_aliases("all: :include:/etc/lists.test\n"
                       "shut: :include:/etc/shadow\n"
                       "linked: :include:/etc/lists.link\n"
                       "none: carol\n")
    try:
        assert attacker.ask("all", ALIASES)[0] == TEXT
        assert b"ann@far.test" in attacker.lists
        for name in ("shut", "linked", "bob", "nosuch", "/etc/lists.test",
                     ":include:/etc/lists.test", "../all"):
            assert attacker.ask(name, ALIASES)[0] == LATER
            assert attacker.lists == b""
        host.write_conf({"ALIAS_USER": "root"})
        assert attacker.ask("all", ALIASES)[0] == LATER
        assert attacker.lists == b""
    finally:
        os.unlink("/etc/lists.test")
        os.unlink("/etc/lists.link")


# ---- users who have no commands and files ----


@pytest.mark.parametrize("user", ("root", "_dma", "toor"))
@pytest.mark.parametrize("kind", (FILE, PIPE))
def test_nothing_runs_as_root_or_the_spool_user(host, attacker, user, kind):
    line = "touch /tmp/pwned" if kind == PIPE else "/tmp/pwned"
    if user == "toor":
        host.run(["useradd", "-M", "-o", "-u", "0", "-d", "/root", "toor"])
    home = "/root" if user != "_dma" else "/var/spool/dma"
    host.write_home(user, ".forward", ("|" if kind == PIPE else "") + line)
    try:
        result = attacker.put_mail(kind=kind, origin=FORWARD, name=user,
                                is_text=line)
        assert (result.status, result.code) == (FAILED, "5.7.1")
        assert result.output is None
        warned(host, "user=" + user, "refused: commands and files")
    finally:
        os.unlink(home + "/.forward")
        if user == "toor":
            host.run(["userdel", "-f", "toor"])
            host.may_change += USERS_FILES


def test_no_command_of_the_aliases_as_root(host, attacker):
    host.write_conf({"ALIAS_USER": "root"})
    host.write_aliases("robot: |touch /tmp/pwned\n")
    result = attacker.put_mail(kind=PIPE, origin=ALIASES, name="robot",
                            is_text="touch /tmp/pwned")
    assert (result.status, result.output) == (FAILED, None)
    warned(host, "user=root", "refused: commands and files")


def test_no_command_of_those_without_a_shell(host, attacker):
    host.add_user("shut", shell="/usr/sbin/nologin")
    host.write_home("shut", ".forward", "|touch /tmp/pwned\n")
    try:
        result = attacker.put_mail(kind=PIPE, origin=FORWARD, name="shut",
                                is_text="touch /tmp/pwned")
        assert (result.status, result.output) == (FAILED, None)
        assert "login shell" in result.reason
    finally:
        host.remove_user("shut")
        host.may_change += USERS_FILES


def test_roots_mailbox_is_a_mailbox(host, attacker):
    """With root's identity, and in root's mailbox only."""
    assert attacker.put_mail(name="root").status == SENT
    assert os.stat(MAIL + "/root").st_uid == 0
    assert [x["Subject"] for x in host.mailbox("root")] == ["compromised"]


@pytest.mark.parametrize("where", ("/etc/passwd", "/home/bob/.ssh"))
def test_roots_mailbox_leads_nowhere(host, attacker, where):
    os.symlink(where, MAIL + "/root")
    result = attacker.put_mail(name="root")
    assert (result.status, result.checkpoint) == (DEFERRED, None)
    assert "symbolic link" in result.reason


# ---- records ----


def record(kind=DELIVER_REQUEST, ident=7, fields=None, fds=2, tail=b"", cut=0):
    return kind, ident, fields, fds, tail, cut


RECORDS = {
    "of no kind": record(kind=99),
    "of the other helper": record(kind=FORWARD_REQUEST),
    "an answer": record(kind=DELIVER_RESULT),
    "one that is no more": record(kind=3),
    "an empty one": record(fields=b""),
    "cut short": record(cut=1),
    "cut in a text": record(cut=90),
    "with something after it": record(tail=b"x"),
    "too long": record(tail=b"x" * 9000),
    "without descriptors": record(fds=0),
    "with one descriptor": record(fds=1),
    "with three descriptors": record(fds=3),
    "with many descriptors": record(fds=200),
}
SHAPES = {
    "unknown kind of delivery": dict(kind=0),
    "a remote one": dict(kind=4),
    "a large kind": dict(kind=2 ** 32 - 1),
    "unknown origin": dict(origin=3),
    "offset below zero": dict(offset=-1),
    "length below zero": dict(length=-1),
    "checkpoint below none": dict(checkpoint=(1, 1, -2)),
    "control in the sender": dict(sender="a\nb"),
    "long sender": dict(sender="a" * 513),
    "NUL in the recipient": dict(recipient="bob\0@host.test"),
    "TAB in the original": dict(original="bob\t"),
    "long queue id": dict(queue_id="0" * 25),
    "newline in the queue id": dict(queue_id="0\n"),
}


def send_raw(attacker, kind, ident, fields, fds, tail, cut):
    fields = attacker.fields() if fields is None else fields
    fields = fields[:len(fields) - cut] + tail
    message = attacker.message_file()
    ours, theirs = channel()
    with ours, theirs:
        put(attacker.deliver, kind, ident, fields,
            ([message, theirs.fileno()] * 100)[:fds])
        os.close(message)
        theirs.close()
        assert get(ours) is None        # not a word about it
    assert get(attacker.deliver) is None     # and it is the last


@pytest.mark.parametrize("what", RECORDS)
def test_a_bad_record_ends_the_helper(host, attacker, what):
    send_raw(attacker, *RECORDS[what])
    warned(host, "delivery helper:", "helper ends")
    bob_has(host)


@pytest.mark.parametrize("what", SHAPES)
def test_a_bad_field_ends_the_helper(host, attacker, what):
    send_raw(attacker, *record(fields=attacker.fields(**SHAPES[what])))
    warned(host, "delivery helper: malformed request", "helper ends")
    bob_has(host)


@pytest.mark.parametrize("what", ("kind", "origin", "more", "length",
                                  "fds"))
def test_a_bad_question_ends_the_forward_helper(host, attacker, what):
    ours, theirs = channel()
    with ours, theirs:
        put(attacker.forward,
            DELIVER_REQUEST if what == "kind" else FORWARD_REQUEST,
            1, u32(3 if what == "origin" else FORWARD) + text("bob") +
            {"more": b"x", "length": b"x" * 1200}.get(what, b""),
            [theirs.fileno()] * (what != "fds"))
        theirs.close()
        assert get(ours) is None
    assert get(attacker.forward) is None
    warned(host, "forward helper:", "helper ends")


def test_a_record_out_of_turn_writes_nothing(host, attacker):
    """Anything but the GO of what was announced, once it is locked."""
    for n, (kind, other, more) in enumerate((
            (DELIVER_RESULT, 0, b""), (DELIVER_CHECKPOINT, 0, u64(0) * 3),
            (DELIVER_ACKNOWLEDGE, 0, b"more"), (DELIVER_ACKNOWLEDGE, 1, b""),
            (0, 0, b""),
            (DELIVER_REQUEST, 0, attacker.fields()), (FORWARD_AGAIN, 0, b""))):
        ident, ours = attacker.start(attacker.fields())
        assert get(ours)[0] == DELIVER_CHECKPOINT
        put(ours, kind, ident + other, more)
        assert get(ours) is None
        assert os.WEXITSTATUS(attacker.end(ident)) == PROTOCOL
        assert len(host.log_lines("user=bob message out of turn")) == n + 1
    bob_has(host)


# ---- descriptors ----


def opened_as_spool_user(path, flags):
    with as_spool_user():
        return os.open(path, flags)


def odd_messages():
    os.mkfifo("/tmp/odd.fifo")
    os.chmod("/tmp/odd.fifo", 0o666)
    a, b = socket.socketpair()
    yield "directory", opened_as_spool_user("/tmp", os.O_RDONLY)
    yield "fifo", opened_as_spool_user("/tmp/odd.fifo",
                                       os.O_RDONLY | os.O_NONBLOCK)
    yield "device", opened_as_spool_user("/dev/zero", os.O_RDONLY)
    yield "socket", a.detach()
    yield "path alone", opened_as_spool_user("/etc/shadow", os.O_PATH)
    yield "not ours to read", opened_as_spool_user("/etc/gshadow", os.O_PATH)
    b.close()
    os.unlink("/tmp/odd.fifo")


def test_odd_messages(host):
    """Each is the end of the helper, or of that delivery."""
    for what, fd in odd_messages():
        c = attack.Compromised(host).run()
        result = c.put_mail(message=fd)
        os.close(fd)
        c.free()
        assert result.status in (None, DEFERRED), what
        with open(BOX, "rb") as f:
            assert f.read() == OLD, what
        host.wait_until(lambda: not host.processes())


def test_a_message_that_can_not_be_read(host, attacker):
    with as_spool_user():
        fd = os.open("/tmp/odd.write", os.O_WRONLY | os.O_CREAT, 0o600)
        os.write(fd, b"x" * 100)
    os.unlink("/tmp/odd.write")
    result = attacker.put_mail(message=fd)
    os.close(fd)
    assert result.status == DEFERRED
    bob_has(host)


@pytest.mark.parametrize("place", (
    dict(offset=len(MESSAGE) + 1), dict(offset=2),
    dict(length=len(MESSAGE) + 1),
    dict(offset=2 ** 63 - 1), dict(length=2 ** 63 - 1),
    dict(offset=2 ** 63 - 1, length=2 ** 63 - 1)),
    ids=lambda p: "-".join("%s%x" % x for x in p.items()))
def test_lies_about_the_message(host, attacker, place):
    result = attacker.put_mail(**place)
    assert (result.status, result.checkpoint) == (DEFERRED, None)
    assert "truncated" in result.reason
    bob_has(host)


def test_a_message_that_shrinks_under_way(host, attacker):
    with as_spool_user():
        fd = os.open("/tmp/odd.shrinks", os.O_RDWR | os.O_CREAT, 0o600)
    os.unlink("/tmp/odd.shrinks")
    # More than a child reads before it tells where.
    os.write(fd, b"Subject: x\n\n" + b"line\n" * 400000)
    ident, ours = attacker.start(attacker.fields(
        length=os.fstat(fd).st_size), message=fd)
    assert get(ours)[0] == DELIVER_CHECKPOINT
    os.ftruncate(fd, 100000)
    put(ours, DELIVER_ACKNOWLEDGE, ident)
    result = attacker.listen(ident, ours)
    os.close(fd)
    assert result.status == DEFERRED
    with open(BOX, "rb") as f:
        assert f.read() == OLD


def odd_channels():
    a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    c, d = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    yield "stream", a, b
    yield "datagram", c, d
    yield "network", socket.socket(socket.AF_INET, socket.SOCK_DGRAM), None
    yield "file", open("/etc/passwd", "rb"), None
    yield "device", open("/dev/zero", "rb"), None


def heard(sock):
    sock.setblocking(False)
    try:
        return sock.recv(100)
    except BlockingIOError:
        return b""


@pytest.mark.parametrize("helper", ("deliver", "forward"))
def test_odd_channels_end_the_helper(host, helper):
    for what, theirs, other in odd_channels():
        c = attack.Compromised(host).run()
        if helper == "deliver":
            c.start(c.fields(), theirs=theirs)
        else:
            put(c.forward, FORWARD_REQUEST, 1, u32(FORWARD) + text("bob"),
                [theirs.fileno()])
            theirs.close()
        assert get(getattr(c, helper)) is None, what
        assert other is None or heard(other) == b""
        c.free()
        host.wait_until(lambda: not host.processes())
    assert len(host.log_lines("malformed request")) == 5
    bob_has(host)


@pytest.mark.parametrize("helper", ("deliver", "forward"))
def test_a_channel_of_somebody_else(host, attacker, helper):
    """No child speaks, with its user's identity, to a peer of another's: who
    is at the other end could take it for an order of that user."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    if helper == "deliver":
        attacker.start(attacker.fields(), theirs=theirs)
    else:
        put(attacker.forward, FORWARD_REQUEST, 1, u32(FORWARD) + text("bob"),
            [theirs.fileno()])
        theirs.close()
    assert get(getattr(attacker, helper)) is None
    assert heard(ours) == b""
    ours.close()
    warned(host, "malformed request")


def test_the_helpers_own_socket_as_channel(host, attacker):
    attacker.start(attacker.fields(), theirs=attacker.deliver.dup())
    assert get(attacker.deliver) is None
    warned(host, "delivery helper:", "helper ends")
    bob_has(host)


# ---- checkpoints ----


def box_checkpoint(length, path=BOX):
    st = os.stat(path)
    return st.st_dev, st.st_ino, length


@pytest.mark.parametrize("back", (1, 2, 5, 30, len(OLD)))
def test_a_false_checkpoint_cuts_nothing_of_others(host, attacker, back):
    result = attacker.put_mail(checkpoint=box_checkpoint(len(OLD) - back))
    assert result.status == SENT and result.checkpoint[2] == len(OLD)
    bob_has(host, "compromised")


@pytest.mark.parametrize("checkpoint", (
    lambda: box_checkpoint(2 ** 63 - 1), lambda: box_checkpoint(len(OLD) + 1),
    lambda: box_checkpoint(0, "/etc/passwd"), lambda: box_checkpoint(0, MAIL),
    lambda: (0, 0, 0)), ids=range(5))
def test_a_checkpoint_of_another_place(host, attacker, checkpoint):
    result = attacker.put_mail(checkpoint=checkpoint())
    assert result.status == SENT and result.checkpoint[2] == len(OLD)
    bob_has(host, "compromised")


def test_a_false_checkpoint_cuts_what_it_can_supply_itself(host, attacker):
    """What docs/privileges.md says is possible, and no more: the beginning
    of a message that is at the end of the box, by who knows it."""
    first = attacker.put_mail()
    os.truncate(BOX, os.path.getsize(BOX) - 9)
    result = attacker.put_mail(checkpoint=first.checkpoint, go=False)
    # It was cut off, and no ACKNOWLEDGE came.
    assert result.checkpoint == first.checkpoint
    with open(BOX, "rb") as f:
        assert f.read() == OLD
    assert attacker.put_mail(sender="other@host.test",
                             checkpoint=first.checkpoint).status == SENT
    bob_has(host, "compromised")


# ---- further messages ----


def test_a_further_message_goes_to_the_same_user(host, attacker):
    """Whatever address it names: the box is that of the first."""
    ident, ours = attacker.start(attacker.fields())
    attacker.more(ours, attacker.fields(is_more=True, queue_id="0second",
                                      recipient="carol@host.test"))
    answered = []
    while len(answered) < 2:
        kind, which, _, _ = get(ours)
        if kind == DELIVER_CHECKPOINT:
            put(ours, DELIVER_ACKNOWLEDGE, which)
        else:
            answered.append(which)
    assert answered == [ident, ident + 1]
    ours.close()
    assert attacker.end(ident) == 0
    assert len(host.mailbox("bob")) == 3
    assert host.mailbox("carol") == []


@pytest.mark.parametrize("what", ("whole request", "cut", "longer",
                                  "no descriptor", "two descriptors"))
def test_a_further_message_of_another_shape(host, attacker, what):
    """The child ends; what had no GO is in no box."""
    fields = attacker.fields(is_more=True)
    fields = {"whole request": attacker.fields(name="carol", kind=FILE),
              "cut": fields[:-1], "longer": fields + text("carol"),
              }.get(what, fields)
    ident, ours = attacker.start(attacker.fields())
    assert get(ours)[0] == DELIVER_CHECKPOINT
    opened = attacker.message_file()
    attacker.more(ours, fields, [opened] * {"no descriptor": 0,
                                           "two descriptors": 2}.get(what, 1))
    os.close(opened)
    assert get(ours) is None
    ours.close()
    assert os.WEXITSTATUS(attacker.end(ident)) == PROTOCOL
    warned(host, "delivery helper: user=bob message out of turn")
    bob_has(host)
    assert host.mailbox("carol") == []
    # The helper does not fall with a process that is the user's.
    assert attacker.put_mail().status == SENT


def test_further_messages_with_odd_descriptors(host, attacker):
    """Each is "later", alone; the first is in."""
    for what, fd in odd_messages():
        ident, ours = attacker.start(attacker.fields())
        assert get(ours)[0] == DELIVER_CHECKPOINT
        second = attacker.more(ours, attacker.fields(is_more=True), [fd])
        os.close(fd)
        put(ours, DELIVER_ACKNOWLEDGE, ident)
        statuses = {}
        while len(statuses) < 2:
            _, which, more, _ = get(ours)
            statuses[which] = struct.unpack_from("=I", more)[0]
        ours.close()
        assert statuses == {ident: SENT, second: DEFERRED}, what
        assert attacker.end(ident) == 0


@pytest.mark.parametrize("kind", ("another", "longer", "descriptor"))
def test_a_question_again_of_another_shape(host, attacker, kind):
    ours, theirs = channel()
    with ours, theirs:
        put(attacker.forward, FORWARD_REQUEST, 1, u32(FORWARD) + text("bob"),
            [theirs.fileno()])
        assert get(ours)[0] == FORWARD_REPLY
        put(ours, FORWARD_AGAIN, 1)
        assert get(ours)[0] == FORWARD_REPLY
        put(ours, FORWARD_REQUEST if kind == "another" else FORWARD_AGAIN, 1,
            text("root") if kind == "longer" else b"",
            [ours.fileno()] if kind == "descriptor" else [])
        theirs.close()
        assert get(ours) is None
    warned(host, "forward helper: user=bob message out of turn")
    assert attacker.ask("bob") == (NONE, b"")


@pytest.mark.parametrize("kind", (FILE, PIPE))
def test_no_more_for_a_file_or_command(host, attacker, kind):
    line = "/home/bob/box" if kind == FILE else "sleep 1; cat >/home/bob/box"
    host.forward("bob", line if kind == FILE else "|" + line)
    host.may_change += ["/home/bob/.*"]
    ident, ours = attacker.start(attacker.fields(
        kind=kind, origin=FORWARD, is_text=line))
    with contextlib.suppress(BrokenPipeError):      # a command has it not
        attacker.more(ours, attacker.fields(is_more=True))
    attacker.listen(ident, ours)
    assert host.read_home("bob", "box").count(b"Subject: compromised") <= 1
    bob_has(host)


# ---- many, and slow ones ----


def test_many_requests_at_once(host, attacker):
    """More than the helper has children for: the rest waits its turn."""
    n = 60
    under_way = [attacker.start(attacker.fields(
        queue_id="0n%d" % i, name=("bob", "carol")[i % 2]))
        for i in range(n)]
    host.wait_until(lambda: len(host.processes()) > 15, 10)
    time.sleep(0.2)
    # the runner, two helpers, and the children of one
    assert len(host.processes()) <= 3 + 52
    for result in attacker.listen_to_all(under_way):
        assert (result.status, result.wait_status) == (SENT, 0)
    assert len(host.mailbox("bob")) == n // 2 + 1
    assert len(host.mailbox("carol")) == n // 2


def test_a_child_that_waits_for_its_go(host, attacker):
    """It holds the lock; when we leave it lets go, and writes nothing."""
    ident, ours = attacker.start(attacker.fields())
    assert get(ours)[0] == DELIVER_CHECKPOINT
    assert os.path.exists(BOX + ".lock")
    host.send("bob", input=b"Subject: patient\n\nhello\n")
    time.sleep(0.3)
    with open(BOX, "rb") as f:
        assert f.read() == OLD
    ours.close()
    assert os.WEXITSTATUS(attacker.end(ident)) == 1
    host.wait_until(lambda: len(host.mailbox("bob")) == 2)
    host.wait_until(lambda: not host.queue())
    bob_has(host, "patient")


def test_a_command_has_none_of_it(host, attacker):
    """Neither sockets of ours, nor a way to end what waits for it."""
    script = ("ls -l /proc/self/fd | grep -c socket; ls /proc/self/fd; "
              "kill -9 $PPID")
    host.forward("bob", "|%s\n" % script)
    host.may_change += ["/home/bob/.forward"]
    result = attacker.put_mail(kind=PIPE, origin=FORWARD, is_text=script)
    words = result.output.split()
    assert words[:5] == [b"0", b"0", b"1", b"2", b"3"], result.output
    assert attacker.put_mail().status == SENT      # the helper is there


def test_the_end_of_the_runner_ends_the_helpers(host, attacker):
    attacker.forward.close()
    attacker.deliver.close()
    attacker.forward = attacker.deliver = None
    for hold in attacker.holds:
        hold.close()
    host.wait_until(lambda: not host.processes(), 10)


# ---- the front end ----


WHO_AM_I = """
import os
print(os.getresuid(), os.getresgid(), os.getgroups(), sorted(os.listdir("/proc/self/fd")))
for way in (os.setuid, os.seteuid, os.setgid, os.setegid):
    try:
        way(0)
    except PermissionError:
        continue
    print("is root again by", way)
for path, flags in ("/etc/shadow", os.O_RDONLY), ("/etc/passwd", os.O_RDWR):
    try:
        os.open(path, flags)
    except PermissionError:
        continue
    print("opens", path)
print([x for x in open("/proc/self/status") if x[:3] == "Cap" and
       x[:6] != "CapBnd" and int(x.split()[1], 16)])
"""


def front_end(host, *argv, user="alice", **more):
    """What a compromised front end starts."""
    return host.run([attack.BINARY, *argv], user=user, **more)


def test_a_front_end_is_the_spool_user_for_good(host):
    """But for its real uid, by which its caller can end it."""
    who = pwd.getpwnam("_dma")
    for user, real in ("alice", pwd.getpwnam("alice").pw_uid), \
            (None, who.pw_uid):
        done = front_end(host, "/usr/bin/python3", "-c", WHO_AM_I, user=user)
        assert done.stdout.decode().split("\n") == [
            "%s %s [] ['0', '1', '2', '3']" % (
                (real, who.pw_uid, who.pw_uid), (who.pw_gid,) * 3), "[]", ""]


LEAVE_CALLER = """
import os, sys
uid = os.geteuid()
os.setresuid(uid, uid, uid)
os.execv(sys.argv[1], sys.argv[1:])
"""


def test_a_front_end_can_start_an_honest_runner(host):
    host.send("-odq", "carol", input=b"Subject: queued\n\nhello\n")
    done = front_end(host, "/usr/bin/python3", "-c", LEAVE_CALLER,
                     "/usr/sbin/dma", "--runner")
    assert done.returncode == 0
    host.wait_until(lambda: not host.queue())
    assert host.mailbox("carol")[-1]["Subject"] == "queued"
    bob_has(host)


# ---- the wake socket ----

WAKE = SPOOL + "/wake"
FLUSH, FLUSH_REQUEST = 65, 66
FLUSH_WATCH = 1


def flush_as_spool_user(pipe, connection):
    """As a compromised process of _dma asks to see everything."""
    ours, theirs = connection
    put(ours, FLUSH_REQUEST, 0, text("") + u32(FLUSH_WATCH), [pipe])
    with as_spool_user(), \
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        s.connect(WAKE)
        put(s, FLUSH, 0, b"", [theirs.fileno()])
    ours.close()
    theirs.close()


def test_a_process_of_the_spool_user_sees_nobodys_mail(host, peer):
    """Whoever it says it is: the kernel says who made its channel."""
    p = peer(Script(rcpt_reply="450 4.2.1 later"))
    host.smarthost(p)
    host.send("ann@far.test", user="alice")
    host.wait_tried("ann@far.test")
    n = len(p.connections)
    read, write = os.pipe()
    flush_as_spool_user(write, channel())
    os.close(write)
    with open(read, "rb") as f:
        assert f.read() == b"\0"        # nothing of its own was tried
    assert len(p.connections) == n
    # What is no channel, or brings another record, is let go.
    for record in b"", text("x"), text("") + u32(1) + b"more":
        ours, theirs = channel()
        put(ours, FLUSH_REQUEST, 0, record)
        with as_spool_user(), open("/dev/null") as null, \
                socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
            s.connect(WAKE)
            put(s, FLUSH, 0, b"", [theirs.fileno()])
            put(s, FLUSH, 0, b"", [null.fileno()])
            put(s, FLUSH, 0, b"")
            put(s, FLUSH, 0, u32(0), [theirs.fileno()])
    # The honest way works.
    p.scripts[:] = [Script()]
    host.flush()
    host.wait_quiet()


# ---- dma --runner ----


@pytest.mark.parametrize("user, argv", (
    ("alice", ("--runner",)), ("bob", ("--runner",)),
    ("alice", ("--runner", "x")), (None, ("--runner", "x")),
    (None, ("-i", "--runner")), ("_dma", ("--runner", "--runner"))))
def test_a_runner_is_not_for_others(host, user, argv):
    done = host.run([SENDMAIL, *argv], user=user)
    assert done.returncode == 64 and b"--runner" in done.stderr or \
        done.returncode == 64, done.stderr
    assert not host.processes()
    bob_has(host)


def test_there_is_one_runner(host, attacker):
    """The lock is another's, who does nothing: the honest one leaves."""
    with as_spool_user():
        lock = os.open("/var/spool/dma/lock", os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    host.send("carol", input=b"Subject: later\n\nhello\n")
    done = host.run([SENDMAIL, "--runner"])
    assert (done.returncode, done.stderr) == (0, b"")
    assert len(host.queue()) == 1
    os.close(lock)
    host.flush()
    assert host.mailbox("carol")[-1]["Subject"] == "later"
