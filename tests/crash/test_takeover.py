"""The queue of upstream dma is taken over by a runner that is stopped at each
of its system calls, or for which one of them fails: each recipient has the
message once, and it is whole.

All are tried with DMA_CRASH_ALL=1; else a sample, by DMA_CRASH_SEED.
"""
import os
import platform
import random

import pytest

from test_call_fails import ALL, FAULTS, SEED, RunnerSpoiler
from test_every_call import empty_the_queue, points
from tracer import Run
from upstream_queue import Queue
from world import SENDMAIL

RECIPIENTS = ("alice", "bob", "carol")
BODY = "".join("line %d\n" % i for i in range(300))


@pytest.fixture
def old(world):
    queue = Queue()
    yield queue
    queue.clear()


def check(world, old, n):
    world.flush()
    if world.queue():
        # A file of root that could not be read is tried again in a minute.
        world.stop()
    empty_the_queue(world)
    for _ in range(5):
        if not old.left():
            break
        world.flush()
    world.wait_quiet()
    # An M file without its Q file is no message, to upstream neither.
    assert not [x for x in old.left() if x.startswith("Q")]
    old.clear()
    for name in RECIPIENTS:
        got = world.mailbox(name)
        assert [x["Subject"] for x in got] == ["n%d" % n], name
        assert got[0].body == BODY.encode(), "not whole"
        os.unlink("/var/mail/" + name)


def submit(old, n):
    old.submit(*RECIPIENTS, subject="n%d" % n, body=BODY, login="bob")


@pytest.mark.parametrize("everybody", (False, True), ids=("one", "all"))
@pytest.mark.seconds(12)
def test_killed_at_each_call(world, old, everybody):
    submit(old, 0)
    whole = Run([SENDMAIL, "-q"], "root", "/dev/null")
    check(world, old, 0)
    for n in points(whole.calls, 60):
        submit(old, n)
        Run([SENDMAIL, "-q"], "root", "/dev/null", kill_at=n,
            everybody=everybody, limit=3)
        check(world, old, n)


@pytest.mark.skipif(platform.machine() != "x86_64",
                    reason="a call is made to fail by its registers")
@pytest.mark.seconds(12)
def test_each_call_fails(world, old):
    submit(old, 0)
    whole = RunnerSpoiler()
    Run([SENDMAIL, "-q"], "root", "/dev/null", watcher=whole)
    check(world, old, 0)
    faults = whole.points(FAULTS)
    print("seed %d, %d calls, %d faults" % (SEED, len(whole.seen),
                                            len(faults)))
    if not ALL:
        faults = sorted(random.Random(SEED).sample(faults, 40))
    for n, point in enumerate(faults, 1):
        submit(old, n)
        spoiler = RunnerSpoiler(*point)
        run = Run([SENDMAIL, "-q"], "root", "/dev/null", watcher=spoiler)
        assert run.status in (0, os.EX_TEMPFAIL), spoiler.fault
        try:
            check(world, old, n)
        except AssertionError as e:
            raise AssertionError("%s\n%s" % (spoiler.fault, e)) from e
