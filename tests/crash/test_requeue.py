"""dma queue requeue, stopped at every system call in turn: the message is
in one place, and is delivered once by the time that it is told so.

All calls are tried with DMA_CRASH_ALL=1; else a sample, by DMA_CRASH_SEED.
"""
import os

import pytest

from test_every_call import check_box, empty_the_queue, message, points
from test_queue_front import commit, put_aside
from tracer import Run
from world import BINARY, SPOOL


def damage(data):
    return data + b"?\n"


def deliver(world):
    """A delivery that was killed, too, may take another attempt."""
    for _ in range(10):
        world.flush()
        if not world.queue():
            break


def put_back(world, ident):
    """Again, if it was not put back."""
    for folder in "dead", "corrupt":
        if os.path.exists("%s/%s/%s" % (SPOOL, folder, ident)):
            done = world.run([BINARY, "queue", "requeue", ident])
            assert done.returncode == 0, done


@pytest.mark.parametrize("folder", ("dead", "corrupt"))
@pytest.mark.seconds(20)
def test_requeue(world, folder):
    def prepare(n):
        bodies[n] = message(world, n)
        with open("/tmp/message", "rb") as f:
            text = f.read()
        return put_aside(commit(world, "-i", "bob", input=text), folder,
                         damage if folder == "corrupt" else None)

    bodies = {}
    whole = Run([BINARY, "queue", "requeue", prepare(0)], "root", "/dev/null")
    assert whole.status == 0
    for n in points(whole.calls, 60):
        ident = prepare(n)
        run = Run([BINARY, "queue", "requeue", ident], "root", "/dev/null",
                  kill_at=n, limit=5)
        places = [p for p in ("queue", folder)
                  if os.path.exists("%s/%s/%s" % (SPOOL, p, ident))]
        assert len(places) < 2, "two names at %d" % n
        assert run.status != 0 or places != [folder]
        deliver(world)
        if places != [folder]:
            check_box(world, bodies, [n])
            # Read, and removed by its reader: it must not come again.
            os.unlink("/var/mail/bob")
        put_back(world, ident)
        empty_the_queue(world)
        if places == [folder]:
            check_box(world, bodies, [n])
            os.unlink("/var/mail/bob")
        assert not world.mailbox("bob"), "doubled at %d" % n
