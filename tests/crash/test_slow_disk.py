"""A disk that takes for ever to sync what the runner wrote holds up only what
needs that.
"""
import multiprocessing
import os

import pytest

from smtp_peer import Script
from tracer import Run
from world import BINARY, SENDMAIL

HELD, GO = "/tmp/held", "/tmp/go"


class SlowDisk:
    """The watcher: syncs of the runner are held until GO is there."""

    def before(self, run, call):
        if call.name in ("fsync", "fdatasync") and not os.path.exists(GO) and \
                call.pid in run.children.get(run.pid, []):
            with open(HELD, "a") as f:
                f.write(call.name + "\n")
            call.is_held = lambda: not os.path.exists(GO)

    def after(self, run, call, result):
        pass


@pytest.fixture
def slow(world):
    """Starts a runner on such a disk; free() mends that."""
    for path in HELD, GO:
        if os.path.exists(path):
            os.unlink(path)
    context = multiprocessing.get_context("fork")
    process = context.Process(target=Run, args=(
        [SENDMAIL, "-q"], "root", "/dev/null"), kwargs={
            "watcher": SlowDisk()})

    def free():
        with open(GO, "w"):
            pass

    process.free = free
    yield process
    free()
    process.join()


def held():
    if not os.path.exists(HELD):
        return 0
    with open(HELD) as f:
        return len(f.readlines())


@pytest.mark.seconds(10)
def test_a_sync_of_the_runner_holds_up_nobody_else(world, peer, slow):
    p = world.smarthost(peer(Script(final_delay=4)))
    world.send("-odq", "ann@far.test")
    slow.start()
    world.wait_until(lambda: p.connections and any(
        line.startswith(b"DATA") for line in p.connections[0].lines))
    # The checkpoint of this one is what the runner syncs.
    world.send("bob", user="bob")
    world.wait_until(held)
    # The delivery that is under way ends.
    assert not p.taken
    world.wait_until(lambda: p.taken)
    for user in "alice", None:
        assert "ann@far.test" in world.mailq(user)
    done = world.run([BINARY, "status"])
    assert done.returncode == 0 and b"2 messages" in done.stdout, done
    world.send("carol", user="carol")
    assert len(world.queue()) == 3
    # All that was while one sync was under way.
    assert held() == 1 and world.mailbox("bob") == []
    slow.free()
    world.wait_mail("bob")
    world.wait_mail("carol")
    world.wait_quiet()
    assert len(p.taken) == 1
