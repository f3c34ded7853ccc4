"""One call fails while a command about a message is obeyed, by the runner or,
for requeue, by the front end: status 0 means that it is done, and with any
other, the caller hears why; nothing is lost, and nothing is doubled.

All are tried with DMA_CRASH_ALL=1; else a sample, by DMA_CRASH_SEED.
"""
import os
import platform
import random
import re

import pytest

from test_call_fails import ALL, FAULTS, SEED, RunnerSpoiler, Spoiler
from test_every_call import empty_the_queue
from test_queue_front import put_aside
from tracer import Run
from world import BINARY, SPOOL

ERRORS = "/tmp/errors"
TEXT = b"Subject: n%d\n\nbody of %d\n"


def is_held(ident):
    """As the last record says."""
    with open("%s/queue/%s" % (SPOOL, ident), "rb") as f:
        records = [x for x in f.read().split(b"\n") if x.startswith(b"K\t")]
    return bool(records) and records[-1].split(b"\t")[1] == b"1"


def run(spoiler, *args):
    """The command; it says why it was not done."""
    done = Run([BINARY, "queue", *args], "root", "/dev/null",
               watcher=spoiler, stderr_path=ERRORS)
    with open(ERRORS) as f:
        text = f.read()
    assert done.status == 0 or re.search(r"(?m)^\S+: .*[a-z]{3}", text), text
    return done.status


class FrontSpoiler(Spoiler):
    """Fails a call of the front end."""

    def is_local(self, run, pid):
        return pid == run.pid


def command(world, name, n, spoiler):
    """A message, and a command about it that may fail."""
    world.send("-odq", "bob", input=TEXT % (n, n))
    ident, = world.queue()
    if name == "release":
        assert run(None, "hold", ident) == 0
    if name == "requeue":
        put_aside(ident, "dead")
    status = run(spoiler, name, ident)
    is_there = world.queue() == [ident]
    if name == "delete":
        # Unavailable: it is gone, and the runner ended without an answer.
        assert is_there or status in (0, os.EX_TEMPFAIL, os.EX_UNAVAILABLE)
        assert status != 0 or not is_there
    elif name == "hold":
        assert is_there and (status != 0 or is_held(ident))
    elif name == "release" and status == 0 and is_there:
        assert not is_held(ident)
    elif name == "requeue":
        is_dead = os.path.exists("%s/dead/%s" % (SPOOL, ident))
        assert not (is_there and is_dead)
        assert not (is_dead and status == 0)
    finish(world, name, ident, n, status)


def numbers(world, user):
    """Of messages, or of what reports are about."""
    found = [int(x) for m in world.mailbox(user)
             for x in re.findall(rb"(?m)^Subject: n(\d+)$", m.text)]
    if os.path.exists("/var/mail/" + user):
        os.truncate("/var/mail/" + user, 0)
    return found


def finish(world, name, ident, n, status):
    """It comes once, or comes back once, unless it was deleted."""
    world.stop()
    is_there = world.queue() == [ident]
    if os.path.exists("%s/dead/%s" % (SPOOL, ident)):
        assert run(None, "requeue", ident) == 0
    if is_there:
        Run([BINARY, "queue", "release", ident], "root", "/dev/null")
    empty_the_queue(world)
    got, reports = numbers(world, "bob"), numbers(world, "alice")
    if name == "delete":
        assert got in ([], [n]) and (not is_there or got)
        assert reports == []
    elif name == "bounce":
        assert sorted(got + reports) == [n] and (status != 0 or reports)
    else:
        assert (got, reports) == ([n], [])


@pytest.mark.skipif(platform.machine() != "x86_64",
                    reason="a call is made to fail by its registers")
@pytest.mark.parametrize("name", ("hold", "release", "delete", "bounce", "retry",
                                  "requeue"))
@pytest.mark.seconds(12)
def test_each_call_fails(world, name):
    spoil = FrontSpoiler if name == "requeue" else RunnerSpoiler
    whole = spoil()
    command(world, name, 0, whole)
    faults = whole.points(FAULTS)
    print("seed %d, %d faults" % (SEED, len(faults)))
    if not ALL:
        faults = sorted(random.Random(SEED).sample(faults, min(25,
                                                               len(faults))))
    for n, point in enumerate(faults, 1):
        spoiler = spoil(*point)
        try:
            command(world, name, n, spoiler)
        except AssertionError as e:
            raise AssertionError("%s\n%s" % (spoiler.fault, e)) from e
