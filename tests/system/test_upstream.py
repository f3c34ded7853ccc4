"""The queue of upstream dma is taken over, once."""
import fcntl
import glob
import grp
import os
import pwd
import stat
import subprocess
import time

import pytest

from smtp_peer import Script
from upstream_queue import Queue
from world import BINARY, SPOOL, SPOOL_USER

TREE = os.path.join(os.path.dirname(__file__), "../..")
OWN_SPOOL = os.path.join(TREE, "packaging/own_spool.sh")


@pytest.fixture
def old(world):
    queue = Queue()
    yield queue
    queue.clear()


def corrupt():
    return sorted(os.listdir(SPOOL + "/corrupt"))


def empty_corrupt():
    for path in glob.glob(SPOOL + "/corrupt/*"):
        os.unlink(path)


def test_its_messages_are_delivered_once(world, old):
    for i in range(5):
        old.submit("bob", subject="n%d" % i, body="body %d\n.\nend\n" % i)
    world.flush()
    got = world.wait_mail("bob", 5)
    assert sorted(x["Subject"] for x in got) == ["n%d" % i for i in range(5)]
    for x in got:
        n = x["Subject"][1:]
        assert x.body == b"body %s\n.\nend\n" % n.encode()
        assert x["Return-Path"] == "<alice@host.test>"
        assert len(x.get_all("Received")) == 2
    world.wait_quiet()
    assert old.left() == []
    assert len(world.log_lines("taken over from upstream dma")) == 5
    world.flush()
    assert len(world.mailbox("bob")) == 5


def test_recipients_of_one_submission_are_one_message(world, peer, old):
    p = peer(Script())
    world.smarthost(p)
    old.submit("a@far.test", "b@far.test", "c@far.test")
    old.submit("d@far.test", sender="bob@host.test", login="bob")
    world.flush()
    world.wait_quiet()
    taken = sorted((t.sender, sorted(t.accepted)) for t in p.taken)
    assert taken == [
        ("alice@host.test", ["a@far.test", "b@far.test", "c@far.test"]),
        ("bob@host.test", ["d@far.test"])]


def test_many_recipients(world, old):
    """More than become one message."""
    world.write_aliases("".join("r%d: bob+%d\n" % (i, i)
                                for i in range(150)))
    old.submit(*["r%d" % i for i in range(150)])
    world.flush()
    got = world.wait_mail("bob", 150)
    assert len({x["Delivered-To"] for x in got}) == 150
    assert len(world.log_lines("taken over from upstream dma")) == 3


def test_a_submission_starts_it_too(world, old):
    old.submit("bob", subject="old")
    world.send("bob", input="Subject: new\n\nx\n")
    assert {x["Subject"] for x in world.wait_mail("bob", 2)} == {"old", "new"}


def test_its_user_sees_it(world, old):
    world.write_conf({"SMARTHOST": "smart.test:1"})
    world.left = ("queue",)
    old.submit("a@far.test")
    world.flush()
    world.wait_tried("a@far.test")
    assert "a@far.test" in world.mailq("alice")
    assert "a@far.test" not in world.mailq("bob")


@pytest.mark.parametrize("age_s, bounced", ((3600, False), (6 * 86400, True)))
def test_its_lifetime_counts_from_its_arrival(world, old, age_s, bounced):
    world.write_conf({"SMARTHOST": "smart.test:1", "WARN_AFTER": "0"})
    name, = old.submit("a@far.test")
    then = time.time() - age_s
    os.utime("%s/M%s" % (SPOOL, name), (then, then))
    world.flush()
    if bounced:
        assert b"a@far.test" in world.wait_mail("alice")[0].text
        world.wait_quiet()
    else:
        world.left = ("queue",)
        world.wait_tried("a@far.test")
        assert world.mailbox("alice") == []


def test_the_null_sender_stays_null(world, old):
    """A report of upstream."""
    old.submit("bob", sender="")
    world.flush()
    assert world.wait_mail("bob")[0]["Return-Path"] == "<>"


def test_a_recipient_that_is_none_is_reported(world, old):
    old.submit("two words@", "|/bin/true", "bob")
    world.flush()
    world.wait_mail("bob")
    report = world.wait_mail("alice")[0].text
    assert b"two words@" in report and b"|/bin/true" in report


@pytest.mark.parametrize("text, body", (
    (b"Subject: s\r\n\r\none\r\ntwo\r\n", b"one\ntwo\n"),
    (b"Subject: s\n\nno end", b"no end\n"),
    (b"Subject: s\n", b""),
    (b"Subject: s\nno field\nbody\n", b"no field\nbody\n"),
    (b"Subject: s\nBcc: carol\n\n" + b"x" * 70000 + b"\n",
     b"x" * 70000 + b"\n"),
), ids=("CRLF", "no final newline", "header alone", "no empty line",
        "long line"))
def test_texts(world, old, text, body):
    old.submit("bob", text=text)
    world.flush()
    got, = world.wait_mail("bob")
    assert got["Subject"] == "s" and got["Bcc"] is None
    assert got["Date"] and got["Message-ID"]
    assert got.body == body


# ---- what is not taken ----


def break_q(edit):
    """A change of the text of the Q file."""
    def change(old, name):
        path = "%s/Q%s" % (SPOOL, name)
        with open(path, "rb") as f:
            text = f.read()
        old.write(path, edit(text, name.encode()))
    return change


def replace_by(make):
    def change(old, name):
        path = "%s/Q%s" % (SPOOL, name)
        os.unlink(path)
        make(path)
    return change


def lose_m(old, name):
    os.unlink("%s/M%s" % (SPOOL, name))


def link_m(old, name):
    lose_m(old, name)
    os.symlink("/etc/passwd", "%s/M%s" % (SPOOL, name))


def give_m(old, name):
    os.chown("%s/M%s" % (SPOOL, name), pwd.getpwnam("bob").pw_uid, -1)


def link_q(old, name):
    os.link("%s/Q%s" % (SPOOL, name), SPOOL + "/other")


def huge_header(old, name):
    with open("%s/M%s" % (SPOOL, name), "wb") as f:
        f.write(b"Subject: x\n" + b"X: y\n" * 300000 + b"\nbody\n")


BROKEN = {
    "it is not a queue file": {
        "empty": break_q(lambda t, n: b""),
        "half": break_q(lambda t, n: t[:t.index(b"Recip") + 5]),
        "no line end": break_q(lambda t, n: t[:-1]),
        "two recipients": break_q(lambda t, n: t + b"Recipient: carol\n"),
        "NUL": break_q(lambda t, n: t.replace(b"bob", b"bo\0b")),
        "control": break_q(lambda t, n: t.replace(b"bob", b"bo\rb")),
        "other order": break_q(lambda t, n: t[t.index(b"S"):] +
                               t[:t.index(b"S")]),
    },
    "it is too long": {"huge": break_q(lambda t, n: t + b"x" * 10000)},
    "its ID is another one": {
        "other id": break_q(lambda t, n: t.replace(n, b"1.2"))},
    "there is no recipient": {
        "nobody": break_q(lambda t, n: t.replace(b"bob", b""))},
    "the sender is not an address": {
        "sender": break_q(lambda t, n: t.replace(b"alice@", b"al ice@@"))},
    "it is not a regular file": {
        "link": replace_by(lambda p: os.symlink("/etc/passwd", p)),
        "pipe": replace_by(os.mkfifo),
        "message is a link": link_m,
    },
    "it has several names": {"hard link": link_q},
    "its M file is missing": {"no message": lose_m},
    "its M file has another owner": {"message of another": give_m},
    "its header is too large": {"header": huge_header},
}


@pytest.mark.parametrize("reason, change", [
    (reason, change) for reason, all_of in BROKEN.items()
    for change in all_of.values()], ids=[
        name for all_of in BROKEN.values() for name in all_of])
def test_damaged_ones_are_set_aside_and_block_nothing(world, old, reason,
                                                      change):
    before, = old.submit("bob", subject="before")
    name, = old.submit("bob", subject="bad")
    change(old, name)
    old.submit("bob", subject="after")
    try:
        world.flush()
        world.flush()
        got = world.wait_mail("bob", 2)
        assert {x["Subject"] for x in got} == {"before", "after"}
        assert old.left() == []
        assert "Q" + name in corrupt()
        line, = world.log_lines("Q" + name)
        assert reason in line and line.endswith("moved to %s/corrupt" % SPOOL)
    finally:
        if os.path.exists(SPOOL + "/other"):
            os.unlink(SPOOL + "/other")
        empty_corrupt()


def test_other_names_are_not_looked_at(world, old):
    names = ("Q", "Qx.1", "Q1", "Q1.", "Q.1", "Q01.1", "Q1.2.3", "Q1.2x",
             "Q" + 17 * "1" + ".1", "Q1.ffffffffffffffff", "tmp_abcdefghij",
             "M1.2", "flush")
    paths = [SPOOL + "/" + name for name in names]
    for path in paths:
        old.write(path, "ID: x\n")
    os.mkdir(SPOOL + "/Q1.3")
    try:
        old.submit("bob")
        world.flush()
        world.wait_mail("bob")
        assert all(os.path.exists(path) for path in paths)
        assert not world.log_lines("damaged") and not world.log_lines("left")
    finally:
        os.rmdir(SPOOL + "/Q1.3")
        for path in paths:
            os.unlink(path)


@pytest.mark.parametrize("letter", "QM")
def test_what_upstream_delivers_is_left_to_it(world, old, letter):
    name, = old.submit("bob", subject="locked")
    old.submit("bob", subject="free")
    path = "%s/%s%s" % (SPOOL, letter, name)
    with open(path, "rb") as f:
        fcntl.flock(f, fcntl.LOCK_EX)
        world.flush()
        assert world.wait_mail("bob")[0]["Subject"] == "free"
        world.flush()
        assert "M" + name in old.left() and "Q" + name in old.left()
        assert world.log_lines("another process is using it")
    world.flush()
    assert {x["Subject"] for x in world.wait_mail("bob", 2)} == \
        {"free", "locked"}
    assert old.left() == []


def test_what_cannot_be_read_is_left_and_checked(world, old):
    name, = old.submit("bob")
    old.submit("bob")
    path = "%s/Q%s" % (SPOOL, name)
    os.chmod(path, 0o600)
    done = world.run(["dma", "check"])
    assert b"upstream dma for 1 recipient is left: Q%s: _dma cannot read it" \
        % name.encode() in done.stdout
    assert b"upstream dma for 1 recipient is taken over when" in done.stdout
    world.flush()
    world.wait_mail("bob")
    assert len(world.log_lines("upstream dma for 1 recipient is left",
                               "Q" + name)) == 1
    os.chmod(path, 0o640)
    world.flush()
    world.wait_mail("bob", 2)
    done = world.run(["dma", "check"])
    assert b"upstream" not in done.stdout


# ---- the installation ----


@pytest.fixture
def upstream_spool(world, old):
    """As the package leaves it: of root, for the group mail."""
    yield old
    user = pwd.getpwnam(SPOOL_USER)
    os.chown(SPOOL, user.pw_uid, user.pw_gid)
    os.chmod(SPOOL, 0o700)


def to_mail(*names):
    mail = grp.getgrnam("mail").gr_gid
    for name in names:
        for letter in "QM":
            path = "%s/%s%s" % (SPOOL, letter, name)
            os.chown(path, -1, mail, follow_symlinks=False)
            os.chmod(path, 0o660)
    os.chown(SPOOL, 0, mail)
    os.chmod(SPOOL, 0o2770)


def test_make_perms_hands_the_queue_over(world, upstream_spool):
    name, second = upstream_spool.submit("bob", "carol")
    to_mail(name, second)
    is_setuid = os.stat(BINARY).st_mode & stat.S_ISUID
    done = world.run(["make", "-s", "-C", TREE, "perms",
                      "SETUID=" + ("yes" if is_setuid else "no")])
    assert done.returncode == 0, done.stderr
    st = os.stat(SPOOL)
    assert stat.S_IMODE(st.st_mode) == 0o700
    assert st.st_uid == pwd.getpwnam(SPOOL_USER).pw_uid
    assert os.stat("%s/Q%s" % (SPOOL, name)).st_uid == \
        pwd.getpwnam("alice").pw_uid
    world.flush()
    world.wait_mail("bob")
    world.wait_mail("carol")


def own_spool(*more):
    return subprocess.run(["sh", OWN_SPOOL, SPOOL, SPOOL_USER, *more],
                          capture_output=True)


def test_no_file_of_others_is_handed_over(world, upstream_spool):
    """A link that a program of the group mail made."""
    name, = upstream_spool.submit("bob")
    to_mail(name)
    secret = "/var/spool/secret"
    upstream_spool.write(secret, "secret\n", "root", 0o600)
    os.chown(secret, 0, 0)
    os.link(secret, SPOOL + "/M1.2")
    os.symlink(secret, SPOOL + "/Q1.2")
    os.symlink(secret, SPOOL + "/Q1.3")
    upstream_spool.write(SPOOL + "/Q1.2 x", "x\n", "root", 0o600)
    try:
        done = own_spool()
        assert (done.returncode, done.stderr) == (0, b"")
        st = os.stat(secret)
        assert (st.st_uid, st.st_gid, stat.S_IMODE(st.st_mode)) == \
            (0, 0, 0o600)
        assert stat.S_IMODE(os.stat(SPOOL + "/Q1.2 x").st_mode) == 0o600
        st = os.stat("%s/M%s" % (SPOOL, name))
        assert st.st_gid == pwd.getpwnam(SPOOL_USER).pw_gid
    finally:
        os.unlink(secret)


def test_nothing_is_changed_in_a_spool_of_our_own(world, old):
    name, = old.submit("bob")
    path = "%s/Q%s" % (SPOOL, name)
    os.chmod(path, 0o600)
    assert own_spool().returncode == 0
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600


@pytest.mark.parametrize("more", ((), ("check",)))
def test_no_installation_while_upstream_delivers(world, upstream_spool, more):
    name, = upstream_spool.submit("bob")
    to_mail(name)
    with open("%s/Q%s" % (SPOOL, name), "rb") as f:
        fcntl.flock(f, fcntl.LOCK_EX)
        done = own_spool(*more)
        assert done.returncode == 1
        assert b"Q%s is being delivered" % name.encode() in done.stderr
        assert os.stat(SPOOL).st_uid == 0
    assert own_spool(*more).returncode == 0
    assert (os.stat(SPOOL).st_uid == 0) == (more == ("check",))
