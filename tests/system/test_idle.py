"""A runner that waits costs nothing, and sees at once what happens."""
import os
import shutil
import time

import pytest

import big_queue
from world import BINARY, SPOOL


def switches(pids):
    """How often these processes were scheduled so far."""
    n = 0
    for pid in pids:
        with open("/proc/%d/status" % pid) as f:
            n += sum(int(line.split()[1]) for line in f
                     if "ctxt_switches" in line)
    return n


def private_kib(pid):
    with open("/proc/%d/smaps_rollup" % pid) as f:
        return sum(int(line.split()[1]) for line in f
                   if line.startswith("Private"))


def runner_of(world):
    spooler = [p for p in world.processes()
               if world.status_of(p, "Uid")[0] != "0"]
    return spooler[0] if len(spooler) == 1 else None


@pytest.fixture
def idle(world):
    """The processes of a runner whose only message is due in an hour."""
    world.write_conf({"SMARTHOST": "smart.test:1", "RETRY": "1h 3h 5d"})
    world.leaves("queue")
    world.send("ann@far.test")
    world.wait_tried("ann@far.test")
    world.wait_until(lambda: len(world.processes()) == 3)
    sleeping(world)
    return world.processes()


def sleeping(world):
    def is_still():
        before = switches(world.processes())
        time.sleep(1)
        return switches(world.processes()) == before
    world.wait_until(is_still, 30, "a runner that sleeps")


@pytest.mark.seconds(70)
def test_nothing_wakes_a_runner_before_something_is_due(world, idle):
    before = switches(idle)
    time.sleep(63)      # longer than the scan of old, once a minute
    assert world.processes() == idle
    assert switches(idle) == before


def test_memory_of_a_sleeping_runner_is_small(world, idle):
    if world.is_sanitized():
        pytest.skip("sanitizers need memory")
    assert sum(map(private_kib, idle)) < 2048
    assert private_kib(runner_of(world)) < 1024


@pytest.mark.seconds(12)
def test_each_queued_message_takes_150_bytes(world, idle):
    if world.is_sanitized():
        pytest.skip("sanitizers need memory")
    runner = runner_of(world)
    before = private_kib(runner)
    big_queue.fill(20000, due=int(time.time()) + 3600)
    world.send("bob")
    world.start([BINARY, "-qd"])
    world.wait_until(lambda: private_kib(runner) >
                     before + 20000 * 100 // 1024, 30)
    sleeping(world)
    assert private_kib(runner) - before < 20000 * 160 // 1024 + 400


def test_wake_socket_that_was_removed_is_made_again(world, idle):
    os.unlink(SPOOL + "/wake")
    world.wait_until(lambda: os.path.exists(SPOOL + "/wake"))
    world.send("bob")
    world.wait_mail("bob")
    assert set(idle) <= set(world.processes())


def test_mail_that_came_without_a_wake_socket_is_delivered(world, idle):
    """Its call found none; the runner looks when it makes it anew."""
    os.rename(SPOOL + "/wake", SPOOL + "/away")
    world.send("bob")
    world.wait_mail("bob")


def test_queue_that_was_moved_away_is_no_longer_the_runners(world, idle):
    """Mail that comes then is in another one."""
    os.rename(SPOOL + "/queue", SPOOL + "/queue.old")
    try:
        world.send("bob")
        world.wait_mail("bob")
        assert len(os.listdir(SPOOL + "/queue.old")) == 1
    finally:
        shutil.rmtree(SPOOL + "/queue.old")


def test_update_replaces_a_sleeping_runner(world, idle):
    shutil.copy2(BINARY, BINARY + ".new")
    os.chown(BINARY + ".new", *os.stat(BINARY)[4:6])
    os.chmod(BINARY + ".new", os.stat(BINARY).st_mode & 0o7777)
    os.rename(BINARY + ".new", BINARY)
    world.wait_until(lambda: runner_of(world) and
                     not set(idle) & set(world.processes()), 20)
