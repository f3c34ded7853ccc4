"""Every call that can fail does, one after the other, in the helpers that
are root and in what they start for a user: the message comes once and whole,
as the right user, or waits; it is never lost, cut, or sent back.

All are tried with DMA_CRASH_ALL=1; else a sample, by DMA_CRASH_SEED.
"""
import errno
import glob
import itertools
import os
import platform
import pwd
import random
import time

import pytest

from test_every_call import maildir_messages
from test_power_cut import OLD, body_of, box, give_box, text_of
from tracer import Run
from world import SENDMAIL, messages

SEED = int(os.environ.get("DMA_CRASH_SEED", "1"))
ALL = os.environ.get("DMA_CRASH_ALL") == "1"
SAMPLE = 10
SHORT = "short"                 # of a write: three bytes
FAULTS = {
    "openat": ("EMFILE", "EIO", "ENOSPC", "EACCES"),
    "read": ("EIO", "EINTR"), "pread64": ("EIO", "EINTR"),
    "write": ("ENOSPC", "EDQUOT", "EIO", "EINTR", SHORT),
    "fsync": ("EIO", "ENOSPC", "EDQUOT"), "ftruncate": ("EIO",),
    "linkat": ("EIO", "ENOSPC", "EPERM"), "unlinkat": ("EIO",),
    "renameat2": ("EINVAL", "EIO", "EDQUOT"), "mkdirat": ("ENOSPC", "EIO"),
    "fchmod": ("EPERM",), "fstat": ("EIO",), "newfstatat": ("EIO", "EACCES"),
    "faccessat": ("EIO",), "faccessat2": ("EIO",), "getdents64": ("EIO",),
    "fcntl": ("ENOLCK", "EINTR"), "flock": ("ENOLCK", "EINTR"),
    "fstatfs": ("EIO",), "mmap": ("ENOMEM",), "pipe2": ("EMFILE",),
    "clone": ("EAGAIN", "ENOMEM"), "clone3": ("EAGAIN",),
    "fork": ("EAGAIN",), "setsid": ("EPERM",),
    "setgroups": ("EPERM", "ENOMEM"), "setresuid": ("EAGAIN", "EPERM"),
    "setresgid": ("EPERM",), "getresuid": ("EFAULT",),
    "sendmsg": ("ENOBUFS", "EPIPE"), "recvmsg": ("ENOMEM", "EINTR"),
    "poll": ("EINTR", "ENOMEM"), "ppoll": ("EINTR",),
    "fdatasync": ("EIO", "ENOSPC"), "socket": ("EMFILE",),
    "lseek": ("EIO",),
    "getsockopt": ("ENOBUFS",), "chdir": ("EACCES",),
}
# Without these nothing could be as whom it should be: each is fatal.
IDENTITY = ("setgroups", "setresuid", "setresgid", "getresuid")


def text_at(call):
    """The path that a call names in its second argument."""
    with open("/proc/%d/mem" % call.pid, "rb") as f:
        f.seek(call.args[1])
        return f.read(200).partition(b"\0")[0].decode("latin-1")


class Spoiler:
    """The watcher: the n-th call of that name in the local helpers fails;
    those in also fail from then on."""

    def __init__(self, name="", at=0, which=0, also=()):
        self.name, self.at, self.which, self.also = name, at, which, also
        self.seen = []          # their calls
        self.fault = None       # what was done: "write ENOSPC"
        self.victim = None      # who could not become somebody

    def runners(self, run):
        """On a busy machine, the flush starts a second one; either may be the
        one that delivers."""
        return run.children.get(run.pid, [])

    def is_local(self, run, pid):
        """The forward and the delivery helper, and their children."""
        helpers = [b for r in self.runners(run)
                   for b in run.children.get(r, [])[:2]]
        return pid in helpers or any(
            pid in run.children.get(b, []) for b in helpers)

    def before(self, run, call):
        if not self.is_local(run, call.pid):
            return
        self.seen.append(call.name)
        if self.victim == call.pid:
            assert call.name not in ("openat", "linkat", "execve") or \
                text_at(call) == "/etc/localtime", "goes on, as root"
        if self.fault and call.name in self.also:
            call.error = errno.EIO
        elif call.name == self.name and not self.fault and \
                self.seen.count(call.name) == self.at:
            self.spoil(run, call, FAULTS[call.name][self.which])

    def points(self, names):
        """(name, n-th, which fault) of all that could have failed here."""
        return [(name, at + 1, which) for name in FAULTS if name in names
                for at in range(self.seen.count(name))
                for which in range(len(FAULTS[name]))]

    def spoil(self, run, call, fault):
        self.fault = "%s %d: %s" % (call.name, self.at, fault)
        # From here on it goes its way untraced when the call itself is over.
        run.killed = True
        if fault == SHORT:
            call.most = 3
        else:
            call.error = getattr(errno, fault)

    def after(self, run, call, result):
        pass


# ---- where mail goes: (prepare, what is there: number -> how often) ----


def mbox_numbers(path):
    def numbers(world):
        data = box(path)
        old = OLD if path.startswith("/var") else b""
        assert data.startswith(old), "old mail is spoilt"
        seen = {}
        for x in messages(data[len(old):]):
            n = int(x["Subject"][1:])
            assert x.body == body_of(n, 300), "message %d is not whole" % n
            seen[n] = seen.get(n, 0) + 1
        if path.startswith("/var") and data:
            assert os.stat(path).st_uid == pwd.getpwnam("bob").pw_uid
        return seen
    return numbers


def to_mbox(world):
    give_box(OLD)


def to_new_mbox(world):
    """Its reader has emptied and removed it each time."""


def to_maildir(world):
    world.write_conf({"MAILBOX": "maildir"})


def to_file(world):
    world.forward("bob", "/home/bob/box\n")


def to_pipe(world):
    os.mkdir("/home/bob/in")
    os.chown("/home/bob/in", pwd.getpwnam("bob").pw_uid, -1)
    world.forward("bob", "|id -u >>/home/bob/ids; cat >/home/bob/in/$$\n")


def pipe_numbers(world):
    """A command may have run for one that then had to wait: at least once."""
    ids = set(world.read_home("bob", "ids").split())
    assert ids <= {b"%d" % pwd.getpwnam("bob").pw_uid}, "as %s" % ids
    seen = {}
    for name in os.listdir("/home/bob/in"):
        with open("/home/bob/in/" + name, "rb") as f:
            data = f.read()
        n = int(data.partition(b"Subject: n")[2].split()[0])
        assert data.endswith(b"\n\n" + body_of(n, 300)), "not whole"
        seen[n] = 1
    return seen


def remover(pattern):
    def remove():
        for path in glob.glob(pattern):
            os.unlink(path)
    return remove


# and: the owner has read it all
PLACES = {
    "mbox": (to_mbox, mbox_numbers("/var/mail/bob"), lambda: give_box(OLD)),
    "maildir": (to_maildir, lambda world: maildir_messages(),
                remover("/home/bob/Maildir/*/*")),
    "file": (to_file, mbox_numbers("/home/bob/box"),
             remover("/home/bob/box")),
    "pipe": (to_pipe, pipe_numbers, remover("/home/bob/in/*")),
}


def commit(world, n):
    world.send("-odq", "-i", "bob", input=text_of(n, 300))


def flush_all(world):
    for i in range(20):
        world.flush()
        if not world.queue():
            break
        time.sleep(i * 0.05)    # one without a helper is about to leave
    world.wait_quiet()
    assert world.spool_litter() == []
    assert world.mailbox("alice") == [], "it came back"


def spoilt_run(world, place, n, spoiler):
    """One message, one fault; then all is well again."""
    commit(world, n)
    run = Run([SENDMAIL, "-q"], "root", "/dev/null", watcher=spoiler)
    try:
        flush_all(world)
        assert PLACES[place][1](world) == {n: 1}
        PLACES[place][2]()
    except AssertionError as e:
        raise AssertionError("%s\n%s" % (spoiler.fault, e)) from e
    return run


@pytest.mark.skipif(platform.machine() != "x86_64",
                    reason="a call is made to fail by its registers")
@pytest.mark.parametrize("place", PLACES)
def test_each_call_fails(world, place):
    PLACES[place][0](world)
    whole = Spoiler()
    spoilt_run(world, place, 0, whole)
    points = whole.points(FAULTS)
    print("seed %d, %d calls, %d faults" % (SEED, len(whole.seen),
                                            len(points)))
    if not ALL:
        points = sorted(random.Random(SEED).sample(points, SAMPLE))
    for n, point in enumerate(points, 1):
        spoilt_run(world, place, n, Spoiler(*point))
    # A lock whose removal failed goes with the next message.
    spoilt_run(world, place, len(points) + 1, Spoiler())


@pytest.mark.skipif(platform.machine() != "x86_64",
                    reason="a call is made to fail by its registers")
@pytest.mark.parametrize("place", ("mbox", "file"))
@pytest.mark.parametrize("fault", ("write", "fsync"))
def test_what_can_not_be_cut_back_is_found(world, place, fault):
    """A message that is half there, on a disk that takes no more orders."""
    PLACES[place][0](world)
    whole = Spoiler()
    spoilt_run(world, place, 0, whole)
    points = whole.points((fault,))
    for n, point in enumerate(points if ALL else points[-4:], 1):
        spoilt_run(world, place, n,
                   Spoiler(*point, also=("write", "ftruncate", "fsync")))


@pytest.mark.skipif(platform.machine() != "x86_64",
                    reason="a call is made to fail by its registers")
@pytest.mark.parametrize("place", PLACES)
def test_who_can_not_become_the_user_does_nothing(world, place):
    PLACES[place][0](world)
    messages = itertools.count(0)
    # A runner that is not traced may have been the one to deliver.
    for _ in range(4):
        whole = Spoiler()
        spoilt_run(world, place, next(messages), whole)
        points = whole.points(IDENTITY)
        if points:
            break
    assert points
    for point in points if ALL else points[::3]:
        # A helper may have been asked in another order this time.
        for _ in range(4):
            spoiler = Spoiler(*point)

            def spoil(run, call, fault, spoiler=spoiler):
                Spoiler.spoil(spoiler, run, call, fault)
                # Those of -1 try to get back, and must fail.
                if call.args[0] & 0xffffffff != 0xffffffff:
                    spoiler.victim = call.pid
            spoiler.spoil = spoil
            spoilt_run(world, place, next(messages), spoiler)
            if spoiler.fault:
                break
        assert spoiler.fault


# ---- the runner, from the monitor that it was ----


class RunnerSpoiler(Spoiler):
    """The same, in the runner."""

    def is_local(self, run, pid):
        return pid in self.runners(run)


@pytest.mark.skipif(platform.machine() != "x86_64",
                    reason="a call is made to fail by its registers")
@pytest.mark.seconds(5)
def test_each_call_of_the_runner_fails(world):
    """The flush ends, and says whether all was tried; the mail comes once."""
    give_box(OLD)
    whole = RunnerSpoiler()
    spoilt_run(world, "mbox", 0, whole)
    points = whole.points(FAULTS)
    print("seed %d, %d calls, %d faults" % (SEED, len(whole.seen),
                                            len(points)))
    assert {"write", "fdatasync", "unlinkat", "getdents64", "flock",
            "openat", "socket"} <= {name for name, _, _ in points}
    if not ALL:
        points = sorted(random.Random(SEED).sample(points, 3 * SAMPLE))
    for n, point in enumerate(points, 1):
        spoiler = RunnerSpoiler(*point)
        run = spoilt_run(world, "mbox", n, spoiler)
        assert run.status in (0, os.EX_TEMPFAIL), spoiler.fault
