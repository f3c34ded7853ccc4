"""The power goes off: what nobody synced is lost, or half there, in any mix.
What was acknowledged comes once and whole; what was not, once or not at all.

Each disk that a cut can leave, at any system call, is put back and a runner
started on it.  All are tried with DMA_CRASH_ALL=1; else a sample, by
DMA_CRASH_SEED.
"""
import os
import pwd
import random
import shutil
import signal
import stat

import pytest

import power
from tracer import Run
from world import BINARY, MAIL, SENDMAIL, SPOOL, messages

SEED = int(os.environ.get("DMA_CRASH_SEED", "1"))
ALL = os.environ.get("DMA_CRASH_ALL") == "1"
SAMPLE = 12
OLD = b"From x Thu Jan  1 00:00:00 1970\nSubject: old\n\nold\n\n"
BOX = MAIL + "/bob"


def text_of(n, lines=60):
    body = "".join("%d line %d\n" % (n, i) for i in range(lines))
    return ("Subject: n%d\n\n%send of %d\n" % (n, body, n)).encode()


def body_of(n, lines=60):
    return text_of(n, lines).partition(b"\n\n")[2]


def chosen(disks):
    print("seed %d, %d disks, %s tried" % (
        SEED, len(disks), "all" if ALL or len(disks) <= SAMPLE else SAMPLE))
    if ALL or len(disks) <= SAMPLE:
        return disks
    return random.Random(SEED).sample(disks, SAMPLE)


def recover(world):
    """A new boot: the next runner finds what it finds."""
    for _ in range(5):
        world.flush()
        if os.path.isdir(SPOOL + "/queue") and not world.queue():
            break
    world.wait_quiet()
    assert world.spool_litter() == []


def check_disks(world, disks, check, when=""):
    for label, is_acknowledged, files in disks:
        world.stop()
        power.put_back(files)
        try:
            recover(world)
            check(is_acknowledged)
        except AssertionError as e:
            raise AssertionError("%scut at %s\n%s" % (
                when, label, e)) from e


def power_off(world, trace, check, before=lambda: None):
    """Traces once, then tries each disk.  trace: argv, user, input."""
    argv, user, data = trace
    with open("/tmp/message", "wb") as f:
        f.write(data)
    os.chmod("/tmp/message", 0o644)
    disk = power.Disk()
    run = Run(argv, user, "/tmp/message", watcher=disk)
    assert run.status == 0
    disk.take_down("the end", run)
    world.wait_quiet() if "-odq" not in argv else None
    disks = chosen(disk.disks())
    check_disks(world, disks, check)
    return len(disks)


def numbers_in(data, lines=60):
    """The messages of an mbox; each is whole."""
    seen = []
    for x in messages(data):
        n = int(x["Subject"][1:])
        assert x.body == body_of(n, lines), "message %d is not whole" % n
        seen.append(n)
    return seen


def give_box(data):
    bob = pwd.getpwnam("bob")
    with open(BOX, "wb") as f:
        f.write(data)
    os.chown(BOX, bob.pw_uid, bob.pw_gid)
    os.chmod(BOX, 0o600)


def box(path=BOX):
    try:
        with open(path, "rb") as f:
            return f.read()
    except FileNotFoundError:
        return b""


def check_box(path=BOX, old=b"", wanted=(0,), lines=60):
    def check(is_acknowledged):
        data = box(path)
        assert data.startswith(old), "old mail is spoilt"
        seen = numbers_in(data[len(old):].lstrip(b"\n"), lines)
        assert len(seen) == len(set(seen)), "doubled: %s" % seen
        if is_acknowledged:
            assert set(seen) == set(wanted), "lost"
        assert set(seen) <= set(wanted)
        check_locks(os.path.dirname(path))
    return check


def check_locks(folder):
    """Ours only, and known as such without its text: the next goes by it."""
    for name in os.listdir(folder):
        if name.endswith(".lock"):
            path = folder + "/" + name
            assert stat.S_IMODE(os.stat(path).st_mode) == 0o1600
            os.unlink(path)


# ---- submission ----


@pytest.mark.parametrize("lines", (60, 12000), ids=("small", "large"))
def test_submission(world, lines):
    power_off(world, ([SENDMAIL, "-odq", "-i", "bob"], "alice",
                      text_of(0, lines)), check_box(lines=lines))


def test_first_submission(world):
    """The folder of the queue is made by it."""
    shutil.rmtree(SPOOL + "/queue")
    power_off(world, ([SENDMAIL, "-odq", "-i", "bob"], "alice",
                      text_of(0)), check_box())


def test_submission_and_delivery(world):
    give_box(OLD)
    power_off(world, ([SENDMAIL, "-i", "bob"], "alice", text_of(0)),
              check_box(old=OLD))


# ---- local delivery ----

FLUSH = ([SENDMAIL, "-q"], "root", b"")


def queued(world, n=3, to=("bob",), lines=60):
    for i in range(n):
        world.send("-odq", "-i", *to, input=text_of(i, lines))
    given = check_box

    def acknowledged(**more):
        check = given(wanted=range(n), lines=lines, **more)
        return lambda _: check(True)
    return acknowledged


@pytest.mark.parametrize("old", (OLD, OLD[:-2], b""),
                         ids=("old", "no-newline", "empty"))
def test_mbox(world, old):
    give_box(old)
    power_off(world, FLUSH, queued(world)(old=old))


def test_deleted(world):
    """What was deleted does not come back, and the rest is whole."""
    queued(world)
    delete = [BINARY, "queue", "delete", *world.queue()]

    def check(is_acknowledged):
        seen = numbers_in(box())
        assert len(seen) == len(set(seen))
        assert not (is_acknowledged and seen), "it came back"
    power_off(world, (delete, "root", b""), check)


def test_large_into_mbox(world):
    give_box(OLD)
    power_off(world, FLUSH, queued(world, 1, lines=110000)(old=OLD))


def test_new_mbox(world):
    power_off(world, FLUSH, queued(world)())


def test_file(world):
    world.forward("bob", "/home/bob/box\n")
    power_off(world, FLUSH, queued(world)(path="/home/bob/box"))


def check_maildir(wanted):
    def check(_):
        top = "/home/bob/Maildir/"
        seen = []
        for folder in ("new", "cur"):
            for name in os.listdir(top + folder):
                with open(top + folder + "/" + name, "rb") as f:
                    data = f.read()
                n = int(data.partition(b"Subject: n")[2].split()[0])
                assert data.endswith(b"\n\n" + body_of(n)), "not whole"
                seen.append(n)
        assert sorted(seen) == sorted(wanted)
        assert os.listdir(top + "tmp") == []
    return check


@pytest.mark.parametrize("is_new", (False, True), ids=("old", "new"))
def test_maildir(world, is_new):
    world.write_conf({"MAILBOX": "maildir"})
    if not is_new:
        world.send("bob", input=text_of(99))
        world.wait_quiet()
    queued(world)
    power_off(world, FLUSH, check_maildir([0, 1, 2] + [99] * (not is_new)))


def test_report(world):
    """Told once, and only once delivered to the other."""
    world.write_aliases("both: bob, nosuchuser\n")
    good = queued(world, 1, to=("both",))()

    def check(is_acknowledged):
        good(is_acknowledged)
        assert len(world.mailbox("alice")) == 1
    power_off(world, FLUSH, check)


# ---- a kill, and then the power cut ----


@pytest.mark.parametrize("way", ("mbox", "maildir"))
def test_after_a_kill(world, way):
    """What the killed one had not synced is no more durable for the next."""
    world.write_conf({"MAILBOX": way})
    numbers = range(150, 420, 15) if ALL else (250, 270, 290)
    for kill_at in numbers:
        world.reset()
        world.write_conf({"MAILBOX": way})
        check = queued(world, 2)() if way == "mbox" else None
        if check is None:
            queued(world, 2)
            check = check_maildir([0, 1])
        disk = power.Disk()
        Run([SENDMAIL, "-q"], "root", "/dev/null", kill_at=kill_at,
            everybody=True, limit=5, watcher=disk)
        world.stop()
        run = Run([SENDMAIL, "-q"], "root", "/dev/null", watcher=disk)
        disk.take_down("the end", run)
        disks = chosen(disk.disks())
        check_disks(world, disks[:None if ALL else 8],
                    lambda _: check(True), "killed at %d, " % kill_at)


# ---- a sync that failed ----


@pytest.mark.parametrize("n", (1, 3))
@pytest.mark.parametrize("target", ("mbox", "file"))
def test_t15_a_failed_sync_then_a_kill(world, target, n):
    """The next one finds the text in memory, where it counts as written: it
    is written again, and only then counts as delivered."""
    path = BOX if target == "mbox" else "/home/bob/box"
    if target == "mbox":
        give_box(OLD)
    else:
        world.forward("bob", path + "\n")
    check = queued(world, n)(path=path, old=OLD if target == "mbox" else b"")
    disk = power.FailingDisk(path)
    run = Run([SENDMAIL, "-q"], "root", "/dev/null", watcher=disk)
    assert disk.victim
    world.wait_quiet()
    disk.cuts.clear()
    disk.take_down("the end", run)
    check_disks(world, disk.disks(), lambda _: check(True))


class KilledInWrite:
    """The watcher: all end when some bytes of a message are in the file."""

    def __init__(self, world, path):
        self.world, self.path, self.is_torn = world, path, False

    def is_it(self, call):
        return call.name == "write" and self.path == os.readlink(
            "/proc/%d/fd/%d" % (call.pid, call.args[0]))

    def before(self, run, call):
        if self.is_it(call):
            call.most = 150

    def after(self, run, call, result):
        if self.is_it(call):
            self.is_torn = True
            for pid in self.world.processes():
                os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("target", ("mbox", "file"))
def test_t15_an_interrupted_message_comes_before_older_ones(world, target):
    """What a kill left at the end of the file can be taken away only as long
    as it is the end."""
    path = BOX if target == "mbox" else "/home/bob/box"
    if target == "file":
        world.forward("bob", path + "\n")
    queued(world, 3)
    names = sorted(os.listdir(SPOOL + "/queue"))
    for name in names[:2]:
        os.rename(SPOOL + "/queue/" + name, SPOOL + "/" + name)
    watcher = KilledInWrite(world, path)
    Run([SENDMAIL, "-q"], "root", "/dev/null", watcher=watcher)
    assert watcher.is_torn and 0 < len(box(path)) <= 150
    for name in names[:2]:
        os.rename(SPOOL + "/" + name, SPOOL + "/queue/" + name)
    recover(world)
    assert numbers_in(box(path)) == [2, 0, 1]
