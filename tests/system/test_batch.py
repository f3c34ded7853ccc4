"""Much mail at once: in order, whole, and nobody else waits for it."""
import fcntl
import os
import pwd
import subprocess
import threading
import time

import pytest

from world import SPOOL, SPOOL_USER

BOX = "/var/mail/bob"


def body(n, lines=50):
    return b"%d of a body\n" % n * lines


def queue_up(world, count, user="bob", lines=50):
    """Messages that are queued and not tried yet."""
    for n in range(count):
        world.send("-odq", "-i", user,
                   input=b"Subject: n%d\n\n" % n + body(n, lines))


def copies(world, count, user):
    """Many more, as copies of one queue file."""
    world.send("-odq", user, input=b"Subject: n00000\n\nhello\n")
    first, = world.queue()
    with open("%s/queue/%s" % (SPOOL, first), "rb") as f:
        data = f.read()
    os.unlink("%s/queue/%s" % (SPOOL, first))
    who = pwd.getpwnam(SPOOL_USER)
    for n in range(count):
        path = "%s/queue/6000000000000%08x" % (SPOOL, n)
        with open(path, "wb") as f:
            f.write(data.replace(b": n00000\n", b": n%05d\n" % n))
        os.chown(path, who.pw_uid, who.pw_gid)
        os.chmod(path, 0o600)


def numbers(world, user="bob"):
    """Of the messages, which are whole."""
    found = []
    for x in world.mailbox(user):
        found.append(int(x["Subject"][1:]))
        assert x.body in (b"hello\n", body(found[-1]), body(found[-1], 400))
    return found


def test_a_batch_goes_in_by_the_order_of_the_queue(world):
    queue_up(world, 40)
    world.flush()
    assert numbers(world) == list(range(40))
    # One process had them all.
    assert len(world.log_lines("to=<bob>", "status=sent")) == 40


@pytest.mark.seconds(8)
def test_a_thousand_for_one_user_delay_nobody_else(world):
    """And go in one after the other, in order."""
    copies(world, 1500, "bob")
    with open(BOX + ".lock", "w"):
        pass
    flush = world.start(["sendmail", "-q"])
    try:
        world.send("carol")
        world.wait_mail("carol", limit=20)
        assert not os.path.exists(BOX) or os.path.getsize(BOX) == 0
    finally:
        os.unlink(BOX + ".lock")
    assert flush.wait(60) == 0
    world.wait_quiet(60)
    assert numbers(world) == list(range(1500))


@pytest.mark.seconds(5)
def test_a_reader_that_locks_sees_whole_messages_only(world):
    """It gets the lock, too, while mail comes in without a pause."""
    seen, over = [], threading.Event()

    def read():
        while not over.is_set():
            if not os.path.exists(BOX):
                continue
            with open(BOX, "r+b") as f:
                fcntl.lockf(f, fcntl.LOCK_EX)
                seen.append(numbers(world))
            time.sleep(0.01)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        copies(world, 600, "bob")
        world.flush()
    finally:
        over.set()
        reader.join(30)
    assert not reader.is_alive() and seen
    assert all(x == list(range(len(x))) for x in seen)
    world.wait_quiet()
    assert numbers(world) == list(range(600))


def mail_on(world, size):
    subprocess.run(["mount", "-t", "tmpfs", "-o",
                    "size=%s,mode=2775,gid=8" % size, "none", "/var/mail"],
                   check=True)


def test_a_full_disk_in_the_midst(world):
    """Those before are in; those behind come when there is room."""
    queue_up(world, 20, lines=400)
    mail_on(world, "64k")
    try:
        world.flush()
        first = numbers(world)
        assert 0 < len(first) < 20
        assert first == list(range(len(first)))
        assert len(world.log_lines("status=deferred", "4.2.2")) == \
            20 - len(first)
        subprocess.run(["mount", "-o", "remount,size=64m", "/var/mail"],
                       check=True)
        world.flush()
        assert numbers(world) == list(range(20))
        world.wait_quiet()
    finally:
        world.stop()
        subprocess.run(["umount", "-l", "/var/mail"], check=True)


def test_a_small_one_behind_one_that_does_not_fit(world):
    mail_on(world, "64k")
    try:
        world.send("-odq", "bob", input=b"Subject: n0\n\nhello\n")
        world.send("-odq", "bob", input=b"Subject: big\n\n" + b"x\n" * 99999)
        world.send("-odq", "bob", input=b"Subject: n2\n\nhello\n")
        world.flush()
        assert numbers(world) == [0, 2]
        assert len(world.queue()) == 1
    finally:
        world.stop()
        subprocess.run(["umount", "-l", "/var/mail"], check=True)
    world.leaves("queue")


def children(world, user):
    """Who delivers as that user."""
    uid = str(pwd.getpwnam(user).pw_uid)
    return [p for p in world.processes()
            if world.status_of(p, "Uid")[:1] == [uid]]


def test_ten_mailboxes_are_written_side_by_side(world):
    """All ten children are at work at once, each at its own lock."""
    users = ["m%d" % i for i in range(10)]
    for name in users:
        world.add_user(name)
        world.send("-odq", name, input=b"Subject: n0\n\nhello\n")
    held = []
    for name in users:
        who = pwd.getpwnam(name)
        held.append(open("/var/mail/" + name, "w+b"))
        os.chown("/var/mail/" + name, who.pw_uid, who.pw_gid)
        fcntl.lockf(held[-1], fcntl.LOCK_EX)
    try:
        flush = world.start(["sendmail", "-q"])
        world.wait_until(lambda: all(children(world, x) for x in users))
        for f in held:
            f.close()
        assert flush.wait(30) == 0
        for name in users:
            assert numbers(world, name) == [0]
    finally:
        for name in users:
            world.remove_user(name)


def test_more_users_than_children(world):
    """An idle child makes place for the next user's."""
    users = ["m%d" % i for i in range(24)]
    for name in users:
        world.add_user(name)
    try:
        for n in range(2):
            for name in users:
                world.send("-odq", name,
                           input=b"Subject: n%d\n\nhello\n" % n)
        begun = time.monotonic()
        world.flush()
        assert time.monotonic() - begun < 30    # nobody was put back
        for name in users:
            assert numbers(world, name) == [0, 1]
    finally:
        for name in users:
            world.remove_user(name)


def test_an_answer_is_never_older_than_the_message(world):
    """The child that reads .forward stays a moment, and reads it anew."""
    for n in range(8):
        world.forward("bob", "carol\n" if n % 2 else "# nobody\n")
        world.send("bob", input=b"Subject: n%d\n\nhello\n" % n)
        world.wait_mail("carol" if n % 2 else "bob", n // 2 + 1)
    assert numbers(world) == [0, 2, 4, 6]
    assert numbers(world, "carol") == [1, 3, 5, 7]


def test_those_behind_a_killed_child_are_in_once(world):
    """It waits for the lock, and was told of many."""
    queue_up(world, 20)
    box = open(BOX, "w+b")
    who = pwd.getpwnam("bob")
    os.chown(BOX, who.pw_uid, who.pw_gid)
    fcntl.lockf(box, fcntl.LOCK_EX)
    flush = world.start(["sendmail", "-q"])
    world.wait_until(lambda: children(world, "bob"))
    for pid in children(world, "bob"):
        os.kill(pid, 9)
    box.close()
    assert flush.wait(60) == 0
    world.wait_quiet()
    assert numbers(world) == list(range(20))
