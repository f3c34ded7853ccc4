"""Stopped at every system call in turn: exit 0 means delivered once, and a
message that was not acknowledged is never there in part or twice.

All calls are tried with DMA_CRASH_ALL=1; else a sample, by DMA_CRASH_SEED.
"""
import os
import random

import pytest

from tracer import Run
from world import SENDMAIL, SPOOL

SEED = int(os.environ.get("DMA_CRASH_SEED", "1"))
ALL = os.environ.get("DMA_CRASH_ALL") == "1"


def points(total, wanted):
    print("seed %d, %d system calls" % (SEED, total))
    numbers = range(1, total + 1)
    if ALL or total <= wanted:
        return numbers
    return sorted(random.Random(SEED).sample(numbers, wanted))


def message(world, n):
    body = "".join("%d line %d\n" % (n, i) for i in range(300))
    text = "Subject: n%d\n\n%send of %d\n" % (n, body, n)
    with open("/tmp/message", "w") as f:
        f.write(text)
    os.chmod("/tmp/message", 0o644)
    return body.encode() + b"end of %d\n" % n


def empty_the_queue(world):
    for _ in range(10):
        world.flush()
        if not world.queue():
            break
    world.wait_quiet()
    assert world.spool_litter() == []


def check_box(world, bodies, acknowledged):
    """Whole messages only, none twice, all that were acknowledged."""
    seen = []
    for x in world.mailbox("bob"):
        n = int(x["Subject"][1:])
        assert x.body == bodies[n], "message %d is not whole" % n
        seen.append(n)
    assert len(seen) == len(set(seen)), "doubled: %s" % sorted(
        n for n in set(seen) if seen.count(n) > 1)
    lost = set(acknowledged) - set(seen)
    assert not lost, "lost: %s" % sorted(lost)
    return seen


@pytest.mark.parametrize("everybody", (False, True), ids=("one", "all"))
def test_submission(world, everybody):
    message(world, 0)
    whole = Run([SENDMAIL, "-odq", "-i", "bob"], "alice", "/tmp/message")
    assert whole.status == 0
    bodies, acknowledged = {0: message(world, 0)}, [0]
    for n in points(whole.calls, 250):
        bodies[n] = message(world, n)
        run = Run([SENDMAIL, "-odq", "-i", "bob"], "alice", "/tmp/message",
                  kill_at=n, everybody=everybody)
        if run.status == 0:
            acknowledged.append(n)
    empty_the_queue(world)
    seen = check_box(world, bodies, acknowledged)
    # Killed early on: refused, and nothing is there.
    assert 1 not in seen and 0 in seen


@pytest.mark.parametrize("everybody", (False, True), ids=("one", "all"))
def test_local_delivery(world, everybody):
    def commit(n):
        bodies[n] = message(world, n)
        with open("/tmp/message", "rb") as f:
            world.send("-odq", "-i", "bob", input=f.read())

    bodies = {}
    commit(0)
    whole = Run([SENDMAIL, "-q"], "root", "/dev/null")
    assert whole.status == 0
    world.wait_quiet()
    for n in points(whole.calls, 180):
        commit(n)
        Run([SENDMAIL, "-q"], "root", "/dev/null", kill_at=n,
            everybody=everybody, limit=3)
        empty_the_queue(world)
        check_box(world, bodies, bodies)


BATCH = 4


@pytest.mark.parametrize("everybody", (False, True), ids=("one", "all"))
def test_batch_delivery(world, everybody):
    """Several for one mailbox, under one lock: each is there once."""
    def commit(n):
        for k in range(n * BATCH, n * BATCH + BATCH):
            bodies[k] = message(world, k)
            with open("/tmp/message", "rb") as f:
                world.send("-odq", "-i", "bob", input=f.read())

    bodies = {}
    commit(0)
    whole = Run([SENDMAIL, "-q"], "root", "/dev/null")
    assert whole.status == 0
    world.wait_quiet()
    for n in points(whole.calls, 40):
        commit(n)
        Run([SENDMAIL, "-q"], "root", "/dev/null", kill_at=n,
            everybody=everybody, limit=3)
        empty_the_queue(world)
        seen = check_box(world, bodies, bodies)
        assert seen == sorted(seen, key=list(bodies).index)
        os.unlink("/var/mail/bob")
        bodies.clear()


def maildir_messages():
    """number -> how often, of the messages of bob's Maildir; all are whole."""
    seen = {}
    for folder in ("new", "cur"):
        for name in os.listdir("/home/bob/Maildir/" + folder):
            path = "/home/bob/Maildir/%s/%s" % (folder, name)
            with open(path, "rb") as f:
                data = f.read()
            n = int(data.partition(b"Subject: n")[2].split()[0])
            assert data.endswith(b"\nend of %d\n" % n), "not whole"
            assert data.count(b"\n%d line " % n) == 300, "not whole"
            seen[n] = seen.get(n, 0) + 1
    return seen


def read_maildir():
    """What a mail reader does meanwhile."""
    top = "/home/bob/Maildir/"
    if os.path.isdir(top + "cur"):
        for name in os.listdir(top + "new"):
            os.rename(top + "new/" + name, "%scur/%s:2,S" % (top, name))


@pytest.mark.parametrize("everybody", (False, True), ids=("one", "all"))
def test_maildir_delivery(world, everybody):
    world.write_conf({"MAILBOX": "maildir"})
    message(world, 0)
    world.send("-odq", "-i", "bob", input=open("/tmp/message", "rb").read())
    whole = Run([SENDMAIL, "-q"], "root", "/dev/null")
    assert whole.status == 0
    world.wait_quiet()
    wanted = [0]
    for n in points(whole.calls, 180):
        wanted.append(n)
        message(world, n)
        world.send("-odq", "-i", "bob", input=open("/tmp/message", "rb").read())
        Run([SENDMAIL, "-q"], "root", "/dev/null", kill_at=n,
            everybody=everybody, limit=3)
        read_maildir()
        empty_the_queue(world)
        assert os.listdir("/home/bob/Maildir/tmp") == []
    assert maildir_messages() == {n: 1 for n in wanted}


def test_pipe_delivery_loses_nothing(world):
    os.mkdir("/home/bob/in")
    os.chown("/home/bob/in", os.stat("/home/bob").st_uid, -1)
    world.forward("bob", "|cat > /home/bob/in/$$\n")
    message(world, 0)
    world.send("-odq", "bob", input=open("/tmp/message", "rb").read())
    whole = Run([SENDMAIL, "-q"], "root", "/dev/null")
    world.wait_quiet()
    wanted = {0}
    for n in points(whole.calls, 80):
        wanted.add(n)
        message(world, n)
        world.send("-odq", "bob", input=open("/tmp/message", "rb").read())
        Run([SENDMAIL, "-q"], "root", "/dev/null", kill_at=n, limit=3)
        empty_the_queue(world)
    ends = b""
    for name in os.listdir("/home/bob/in"):
        with open("/home/bob/in/" + name, "rb") as f:
            data = f.read()
        if data.startswith(b"From "):
            ends += data
    assert {n for n in wanted if b"end of %d\n" % n in ends} == wanted


def queue_old(world, n):
    """Delivered to bob, to be told; waits for a relay that is not there, to
    be told, too.  Gives its id."""
    world.send("-odq", "-N", "success,delay", "-V", "n%d" % n, "bob",
               "ann@far.test")
    ident, = world.queue()
    world.age(ident, 86400)
    return ident


def reports(world, n):
    """Subjects of what alice was told of that message."""
    return sorted(x["Subject"] for x in world.mailbox("alice")
                  if b"\nOriginal-Envelope-Id: n%d\n" % n in x.body)


@pytest.mark.parametrize("everybody", (False, True), ids=("one", "all"))
def test_reports_come_once(world, everybody):
    world.write_conf({"SMARTHOST": "smart.test:1"})
    world.leaves("queue")
    queue_old(world, 0)
    whole = Run([SENDMAIL, "-q"], "root", "/dev/null", limit=3)
    world.stop()
    for n in points(whole.calls, 30):
        for name in world.queue():
            os.unlink(SPOOL + "/queue/" + name)
        ident = queue_old(world, n)
        Run([SENDMAIL, "-q"], "root", "/dev/null", kill_at=n,
            everybody=everybody, limit=3)
        world.stop()
        world.flush()
        world.wait_until(lambda: world.queue() == [ident])
        world.wait_until(lambda: reports(world, n) == [
            "Mail delivery is delayed", "Mail was delivered or relayed"], 15,
            "two reports about %d" % n)
        world.stop()
