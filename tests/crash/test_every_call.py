"""Stopped at every system call in turn: exit 0 means delivered once, and a
message that was not acknowledged is never there in part or twice.

All calls are tried with DMA_CRASH_ALL=1; else a sample, by DMA_CRASH_SEED.
"""
import glob
import os
import random

import pytest

from tracer import Run
from world import BINARY, SENDMAIL, SPOOL

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


def empty_boxes(*users):
    """As readers do, so that no test takes longer with each kill."""
    for user in users:
        if os.path.exists("/var/mail/" + user):
            os.truncate("/var/mail/" + user, 0)


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
@pytest.mark.seconds(30)
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
        empty_boxes("bob")
        bodies.clear()


BATCH = 4


@pytest.mark.parametrize("everybody", (False, True), ids=("one", "all"))
@pytest.mark.seconds(9)
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


def empty_maildir():
    for path in glob.glob("/home/bob/Maildir/*/*"):
        os.unlink(path)


@pytest.mark.parametrize("everybody", (False, True), ids=("one", "all"))
@pytest.mark.seconds(20)
def test_maildir_delivery(world, everybody):
    world.write_conf({"MAILBOX": "maildir"})
    message(world, 0)
    world.send("-odq", "-i", "bob", input=open("/tmp/message", "rb").read())
    whole = Run([SENDMAIL, "-q"], "root", "/dev/null")
    assert whole.status == 0
    world.wait_quiet()
    empty_maildir()
    for n in points(whole.calls, 180):
        message(world, n)
        world.send("-odq", "-i", "bob", input=open("/tmp/message", "rb").read())
        Run([SENDMAIL, "-q"], "root", "/dev/null", kill_at=n,
            everybody=everybody, limit=3)
        read_maildir()
        empty_the_queue(world)
        assert os.listdir("/home/bob/Maildir/tmp") == []
        assert maildir_messages() == {n: 1}
        empty_maildir()


@pytest.mark.seconds(11)
def test_pipe_delivery_loses_nothing(world):
    os.mkdir("/home/bob/in")
    os.chown("/home/bob/in", os.stat("/home/bob").st_uid, -1)
    world.forward("bob", "|cat > /home/bob/in/$$\n")
    message(world, 0)
    world.send("-odq", "bob", input=open("/tmp/message", "rb").read())
    whole = Run([SENDMAIL, "-q"], "root", "/dev/null")
    world.wait_quiet()
    for n in points(whole.calls, 80):
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
            os.unlink("/home/bob/in/" + name)
        assert b"end of %d\n" % n in ends


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
@pytest.mark.seconds(7)
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
        empty_boxes("alice", "bob")


def told(world, n):
    """How many reports about that message each of them has."""
    return {user: sum(b"\nSubject: n%d\n" % n in x.body
                      for x in world.mailbox(user))
            for user in ("alice", "bob", "carol")}


@pytest.mark.parametrize("everybody", (False, True), ids=("one", "all"))
@pytest.mark.seconds(15)
def test_each_sender_and_bounce_to_have_one_report(world, everybody):
    """The sender, the owner of a list, and whoever has copies of both."""
    def queue(n):
        world.send("-odq", "team", "gone",
                   input=b"Subject: n%d\n\nhello\n" % n)

    world.write_conf({"BOUNCE_TO": "carol"})
    world.write_aliases("team: nobody-1\nowner-team: bob\n"
                        "gone: nobody-3\n")
    queue(0)
    whole = Run([SENDMAIL, "-q"], "root", "/dev/null", limit=5)
    world.wait_quiet()
    for n in points(whole.calls, 40):
        queue(n)
        Run([SENDMAIL, "-q"], "root", "/dev/null", kill_at=n,
            everybody=everybody, limit=5)
        world.stop()
        empty_the_queue(world)
        assert told(world, n) == {"alice": 1, "bob": 1, "carol": 2}, n
        empty_boxes("alice", "bob", "carol")
    assert world.mailbox("root") == []


def commanded(world, command, wanted, everybody, check):
    """A command about a message for bob, killed at each call: its front end,
    or with everybody the runner that it starts, too."""
    def run(n, **more):
        bodies[n] = message(world, n)
        with open("/tmp/message", "rb") as f:
            world.send("-odq", "-i", "bob", input=f.read())
        ident, = world.queue()
        return ident, Run([BINARY, "queue", command, ident], "root",
                          "/dev/null", **more)

    bodies = {}
    ident, whole = run(0)
    assert whole.status == 0
    check(ident, 0, True, bodies)
    for n in points(whole.calls, wanted):
        ident, ran = run(n, kill_at=n, everybody=everybody, limit=3)
        check(ident, n, ran.status == 0, bodies)
        empty_boxes("bob")


def delivered(world, n, bodies):
    """Whether bob has that message, once and whole."""
    return n in check_box(world, bodies, ())


@pytest.mark.parametrize("everybody", (False, True), ids=("one", "all"))
@pytest.mark.seconds(20)
def test_hold(world, everybody):
    def check(ident, n, was_ok, bodies):
        world.flush()
        if was_ok:
            assert world.queue() == [ident]
        done = world.run([BINARY, "queue", "release", ident])
        assert done.returncode in (0, 66), done.stderr
        empty_the_queue(world)
        assert delivered(world, n, bodies)
    commanded(world, "hold", 30, everybody, check)


@pytest.mark.parametrize("everybody", (False, True), ids=("one", "all"))
@pytest.mark.seconds(20)
def test_delete(world, everybody):
    def check(ident, n, was_ok, bodies):
        if was_ok:
            assert not world.queue()
        empty_the_queue(world)
        assert not (was_ok and delivered(world, n, bodies))
    commanded(world, "delete", 30, everybody, check)
    assert not world.mailbox("alice")


class Removals:
    """The watcher of a run: the calls of the one who removes messages, from
    the first removal on."""

    def __init__(self):
        self.pid, self.numbers, self.names = None, [], []

    def before(self, run, call):
        if self.pid is None and call.name == "unlinkat" and \
                os.readlink("/proc/%d/fd/%d" % (call.pid, call.args[0])) == \
                SPOOL + "/queue":
            self.pid = call.pid
        if call.pid == self.pid:
            self.numbers.append(run.calls)
            self.names.append(call.name)

    def after(self, run, call, result):
        pass


def delete_some(world, n, **more):
    """Four messages for bob, deleted at once."""
    bodies = {}
    for i in range(n, n + 4):
        bodies[i] = message(world, i)
        with open("/tmp/message", "rb") as f:
            world.send("-odq", "-i", "bob", input=f.read())
    return bodies, Run([BINARY, "queue", "delete", *world.queue()], "root",
                       "/dev/null", **more)


@pytest.mark.seconds(20)
def test_several_are_deleted(world):
    """With one sync for those of a turn, and no reply before it; the runner is
    killed at each call from the first removal on."""
    seen = Removals()
    assert delete_some(world, 0, watcher=seen)[1].status == 0
    assert world.queue() == []
    assert seen.names.count("unlinkat") == 4
    assert seen.names.count("fsync") < 4
    is_synced = True
    for name in seen.names:
        if name in ("unlinkat", "fsync"):
            is_synced = name == "fsync"
        assert name != "write" or is_synced
    numbers = seen.numbers if ALL or len(seen.numbers) < 20 else sorted(
        random.Random(SEED).sample(seen.numbers, 20))
    for n, at in enumerate(numbers, 1):
        bodies, run = delete_some(world, 10 * n, kill_at=at, limit=3)
        was_done = run.status == 0 and not world.queue()
        empty_the_queue(world)
        left = check_box(world, bodies, ())
        assert run.status != 0 or (was_done and not left)
        if left:
            os.unlink("/var/mail/bob")
    # The next delivery removes the dotlock of one that was killed.
    world.send("bob")
    world.wait_quiet()


@pytest.mark.parametrize("everybody", (False, True), ids=("one", "all"))
@pytest.mark.seconds(20)
def test_bounce(world, everybody):
    """Delivered, or returned: one of both, once."""
    def check(ident, n, was_ok, bodies):
        empty_the_queue(world)
        reports = [x for x in world.mailbox("alice")
                   if b"Subject: n%d\n" % n in x.text]
        assert len(reports) + delivered(world, n, bodies) == 1
        assert reports or not was_ok
        empty_boxes("alice")
    commanded(world, "bounce", 30, everybody, check)


@pytest.mark.parametrize("everybody", (False, True), ids=("one", "all"))
@pytest.mark.seconds(10)
def test_no_damaged_file_goes_without_a_notice(world, everybody):
    """Nor with more than two: a kill comes between notice and move."""
    def damage():
        world.send("-odq", "carol")
        world.send("-odq", "carol")
        names = world.queue()
        for name in names:
            with open(SPOOL + "/queue/" + name, "r+b") as f:
                f.write(b"\0" * 64)
        return names

    world.write_aliases("postmaster: bob\n")
    world.leaves("corrupt")
    damage()
    whole = Run([SENDMAIL, "-q"], "root", "/dev/null", limit=5)
    world.wait_quiet()
    for n in points(whole.calls, 30):
        names = damage()
        Run([SENDMAIL, "-q"], "root", "/dev/null", kill_at=n,
            everybody=everybody, limit=5)
        world.stop()
        world.flush()
        world.wait_until(lambda: world.queue() == [])
        world.wait_quiet()
        assert set(names) <= set(os.listdir(SPOOL + "/corrupt")), n
        for name in names:
            notices = sum(name.encode() in x.body
                          for x in world.mailbox("bob"))
            assert 1 <= notices <= 2, (n, name)
            os.unlink("%s/corrupt/%s" % (SPOOL, name))
        empty_boxes("bob")
    assert world.mailbox("root") == world.mailbox("carol") == []
