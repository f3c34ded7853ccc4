"""The runner: one, there while it is needed, gone when it is not."""
import fcntl
import os
import shutil
import signal
import subprocess
import time

import pytest

from smtp_peer import Script
from world import BINARY, SPOOL

REMOTE = "/usr/libexec/dma/dma-remote"


def lock_holders(world):
    """Processes that have the spool's lock file open.  (/proc/locks shows
    only locks whose taker lives in sight; ours is handed on.)"""
    holders = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            fds = ["/proc/%s/fd/%s" % (pid, fd)
                   for fd in os.listdir("/proc/%s/fd" % pid)]
            if any(os.readlink(fd) == SPOOL + "/lock" for fd in fds):
                holders.append(pid)
        except OSError:
            continue
    return holders


def test_nobody_is_left_when_the_queue_is_empty(world):
    world.send("bob")
    world.wait_mail("bob")
    world.wait_until(lambda: not world.processes(), 5)
    assert world.queue() == []


def test_one_runner_for_many_submissions(world, peer):
    p = peer(Script(mute_at="MAIL"))
    world.smarthost(p, CONCURRENCY="1")
    world.leaves("queue")
    running = [world.start(["sendmail", "u%d@far.test" % i], user="alice",
                           stdin=subprocess.DEVNULL) for i in range(30)]
    assert [q.wait(60) for q in running] == [0] * 30
    world.wait_until(lambda: p.connections)
    assert len(lock_holders(world)) == 1
    # runner, forward helper, deliver helper, dma-remote
    world.wait_until(lambda: len(world.processes()) <= 4)
    assert len(world.queue()) == 30


def test_new_mail_wakes_it_while_another_is_deferred(world, peer):
    p = world.defer(peer, "later@far.test")
    before = set(world.processes())
    assert before
    world.send("now@far.test", "bob")
    world.wait_mail("bob")
    world.wait_until(lambda: p.taken)
    assert [t.accepted for t in p.taken] == [["now@far.test"]]
    assert len(lock_holders(world)) == 1
    world.wait_until(lambda: len(world.queue()) == 1)
    # What was deferred is not asked for again before its time.
    assert [a for t in p.transactions for a, _ in t.rcpts].count(
        "later@far.test") == 1


def test_it_retries_when_the_time_has_come(world, peer):
    p = peer(Script(rcpt_reply="450 4.2.1 later"), Script())
    world.smarthost(p, RETRY="1s 2s 5d")
    world.send("ann@far.test")
    world.wait_quiet(20)
    assert [t.accepted for t in p.taken] == [["ann@far.test"]]


@pytest.mark.seconds(7)
def test_back_off_grows(world, peer):
    p = peer(Script(rcpt_reply="450 4.2.1 later"))
    world.smarthost(p, RETRY="1s 100s 5d")
    world.leaves("queue")
    world.send("ann@far.test")
    world.wait_until(lambda: len(p.connections) >= 4, 40)
    times = [c.began_at for c in p.connections]
    gaps = [b - a for a, b in zip(times, times[1:])]
    assert gaps[0] >= 0.4
    assert gaps[2] > gaps[0]


def test_expired_mail_comes_back_with_the_last_reply(world, peer):
    p = peer(Script(rcpt_reply="450 4.2.1 mailbox on holiday"))
    world.smarthost(p, RETRY="1s 1s 3s")
    world.send("ann@far.test")
    bounce, = world.wait_mail("alice", limit=20)
    assert b"mailbox on holiday" in bounce.text
    assert b"ann@far.test" in bounce.text


def test_flush_tries_all_and_returns_after_the_try(world, peer):
    p = world.defer(peer)
    n = len(p.connections)
    world.flush()
    assert len(p.connections) == n + 1      # tried when it returned
    assert len(world.log_lines("deferred", "ann@far.test")) == 2
    p.scripts[:] = [Script(final_delay=1)]
    world.flush()
    assert len(p.taken) == 1
    world.wait_until(lambda: not world.queue(), 2)


def test_flush_of_an_empty_queue_returns_at_once(world):
    world.flush(limit=20)
    world.wait_quiet()


def test_flush_starts_a_runner_when_there_is_none(world):
    world.send("-odq", "bob")
    assert not world.processes()
    world.flush()
    assert len(world.mailbox("bob")) == 1


def test_queue_survives_the_end_of_all_processes(world, peer):
    p = peer(Script(mute_at="MAIL"), Script())
    world.smarthost(p)
    world.send("ann@far.test")
    world.wait_until(lambda: p.connections)
    world.stop()
    assert len(world.queue()) == 1
    world.flush()
    world.wait_quiet()
    assert [t.accepted for t in p.taken] == [["ann@far.test"]]


def test_dead_remote_defers_and_loses_nothing(world, peer):
    p = peer(Script(mute_at="MAIL"), Script())
    world.smarthost(p)
    world.send("ann@far.test")
    world.wait_until(lambda: p.connections and
                     "MAIL" in p.connections[0].verbs)
    for pid in world.processes():
        if os.readlink("/proc/%d/exe" % pid).endswith("dma-remote"):
            os.kill(pid, signal.SIGKILL)
    world.wait_tried("ann@far.test")
    world.flush()
    world.wait_quiet()
    assert [t.accepted for t in p.taken] == [["ann@far.test"]]


def test_corrupt_queue_file_blocks_nobody(world):
    world.send("-odq", "bob")
    ident, = world.queue()
    path = "%s/queue/%s" % (SPOOL, ident)
    with open(path, "r+b") as f:
        f.write(b"\0" * 64)
    world.leaves("corrupt")
    world.send("carol")
    world.flush()
    world.wait_mail("carol")
    assert os.listdir(SPOOL + "/corrupt") == [ident]
    assert world.log_lines(ident)
    os.unlink("%s/corrupt/%s" % (SPOOL, ident))


def test_postmaster_has_one_notice_of_damaged_files(world):
    world.write_aliases("postmaster: bob\n")
    for _ in range(30):
        world.send("-odq", "carol")
    idents = world.queue()
    for ident in idents:
        with open("%s/queue/%s" % (SPOOL, ident), "r+b") as f:
            f.write(b"\0" * 64)
    world.leaves("corrupt")
    world.send("-odq", "alice")
    world.flush()
    notice, = world.wait_mail("bob")
    world.wait_quiet()
    assert sorted(os.listdir(SPOOL + "/corrupt")) == idents
    assert notice["Return-Path"] == "<>" and "Damaged" in notice["Subject"]
    assert notice["Auto-Submitted"] == "auto-generated"
    for words in (*idents, "queue file is damaged", SPOOL + "/corrupt"):
        assert words.encode() in notice.text
    assert len(world.mailbox("bob")) == 1 and world.mailbox("carol") == []
    assert world.log_lines(idents[0], "corrupt notice=")


def test_a_damaged_notice_of_damage_is_only_logged(world):
    world.send("-odq", "carol")
    ident, = world.queue()
    os.rename("%s/queue/%s" % (SPOOL, ident),
              "%s/queue/%sz" % (SPOOL, ident))
    with open("%s/queue/%sz" % (SPOOL, ident), "r+b") as f:
        f.write(b"\0" * 64)
    world.leaves("corrupt")
    world.flush()
    world.wait_quiet()
    assert world.log_lines(ident + "z", "notice=none")
    assert world.mailbox("root") == []


def test_foreign_files_in_the_queue_do_no_harm(world):
    os.mkdir(SPOOL + "/queue/folder")
    os.mkfifo(SPOOL + "/queue/fifo")
    os.symlink("/etc/passwd", SPOOL + "/queue/link")
    try:
        world.send("bob")
        world.wait_mail("bob")
        world.flush()
        assert os.path.exists("/etc/passwd")
    finally:
        world.stop()
        for folder in ("queue", "corrupt"):
            for name in ("fifo", "link"):
                path = "%s/%s/%s" % (SPOOL, folder, name)
                if os.path.lexists(path):
                    os.unlink(path)
            if os.path.isdir("%s/%s/folder" % (SPOOL, folder)):
                os.rmdir("%s/%s/folder" % (SPOOL, folder))


def test_runner_and_remote_are_unprivileged(world, peer):
    import pwd
    uid = str(pwd.getpwnam("_dma").pw_uid)
    p = peer(Script(mute_at="MAIL"))
    world.smarthost(p)
    world.leaves("queue")
    world.send("ann@far.test")
    world.wait_until(lambda: p.connections and
                     "MAIL" in p.connections[0].verbs)
    world.wait_until(lambda: len(world.processes()) == 4)
    kinds = sorted(tuple(world.status_of(pid, "Uid"))
                   for pid in world.processes())
    assert kinds == sorted([("0",) * 4] * 2 + [(uid,) * 4] * 2)
    for pid in world.processes():
        assert os.getsid(pid) != os.getsid(0)
        assert os.readlink("/proc/%d/cwd" % pid) == "/"
        if world.status_of(pid, "Uid")[0] == uid:
            assert world.status_of(pid, "CapPrm") == ["0" * 16]
            assert world.status_of(pid, "NoNewPrivs") == ["1"]
            assert world.status_of(pid, "Groups") == []


def update(world):
    """Puts another copy of dma in the place of the one that is installed."""
    new = BINARY + ".new"
    shutil.copy(BINARY, new)
    os.chmod(new, 0o4755)
    os.rename(new, BINARY)


def test_an_update_reaches_a_runner_that_lives(world, peer):
    p = world.defer(peer)
    before = set(world.processes())
    update(world)
    world.flush()
    world.wait_until(lambda: world.processes() and
                     not before & set(world.processes()))
    # The one that took over sleeps until that is due, and delivers others.
    world.wait_until(lambda: len(lock_holders(world)) == 1)
    world.send("bob")
    world.wait_mail("bob")
    p.scripts[:] = [Script()]
    world.flush()
    world.wait_quiet()
    assert [t.accepted for t in p.taken] == [["ann@far.test"]]


def test_an_update_cuts_no_delivery_off(world):
    world.forward("bob", "\"|sh -c 'cat >in; sleep 2; mv in done'\"\n")
    world.send("bob")
    world.wait_until(lambda: world.read_home("bob", "in"))
    update(world)
    flush = world.start(["sendmail", "-q"])
    world.wait_until(lambda: world.read_home("bob", "done"))
    assert flush.wait(10) == 0
    world.wait_quiet()
    assert len(world.log_lines("status=sent")) == 1


def test_a_dma_remote_of_another_version_sends_nothing(world, peer):
    """Between the files of an update: neither could read the other's records,
    and what had been sent would be sent again."""
    p = world.smarthost(peer(Script()))
    shutil.move(REMOTE, REMOTE + ".real")
    try:
        with open(REMOTE, "w") as f:
            f.write("#!/bin/sh\nexec %s.real 1\n" % REMOTE)
        os.chmod(REMOTE, 0o755)
        world.send("ann@far.test")
        world.wait_tried("not of the same version as this runner")
    finally:
        shutil.move(REMOTE + ".real", REMOTE)
    assert p.connections == []
    world.flush()
    world.wait_quiet()
    assert len(p.taken) == 1


def test_two_flushes_at_once_share_the_runner(world, peer):
    p = peer(Script(final_delay=1))
    world.smarthost(p)
    world.send("-odq", "ann@far.test")
    flushes = [world.start(["sendmail", "-q"]) for _ in range(5)]
    assert [f.wait(30) for f in flushes] == [0] * 5
    world.wait_quiet()
    assert len(p.taken) == 1


def runners_of_flushes(world):
    """Without their helpers, which are children of them, and what waits."""
    def argv(pid):
        with open("/proc/%s/cmdline" % pid, "rb") as f:
            return f.read()
    found = {}
    for pid in world.processes():
        try:
            if argv(pid) == b"dma\0--runner=flush\0":
                found[pid] = int(world.status_of(pid, "PPid")[0])
        except (OSError, IndexError):
            continue
    return [pid for pid, parent in found.items() if parent not in found]


def test_flushes_at_once_start_one_runner(world):
    """However long it is until that answers: here, another one was killed
    and still has the lock."""
    world.flush()
    world.send("-odq", "bob")
    with open(SPOOL + "/lock", "rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        flushes = [world.start(["sendmail", "-q"]) for _ in range(20)]
        world.wait_until(lambda: runners_of_flushes(world))
        seen = set()
        for _ in range(10):     # the others have failed to reach it by then
            time.sleep(0.03)
            seen |= set(runners_of_flushes(world))
    assert len(seen) == 1
    assert [f.wait(30) for f in flushes] == [0] * 20
    world.wait_mail("bob")


def test_configuration_is_read_afresh(world, peer):
    """A relay corrected after the fact is used by the next flush."""
    p, q = peer(Script(banner="554 5.3.2 no")), peer(Script())
    world.smarthost(p)
    world.send("ann@far.test")
    world.wait_tried("ann@far.test")
    world.smarthost(q)
    world.flush()
    world.wait_quiet()
    assert len(q.taken) == 1


def runner_pid(world):
    return int(world.wait_until(lambda: lock_holders(world))[0])


def test_sigterm_lets_deliveries_end_and_begins_none(world):
    world.forward("bob", "\"|sh -c 'cat >in; sleep 1; echo >>done'\"\n")
    world.send("bob")
    world.wait_until(lambda: world.read_home("bob", "in"))
    os.kill(runner_pid(world), signal.SIGTERM)
    world.send("-odq", "carol")
    world.wait_until(lambda: not world.processes())
    assert world.read_home("bob", "done") == b"\n"
    assert len(world.log_lines("status=sent")) == 1
    assert len(world.queue()) == 1
    world.flush()
    world.wait_mail("carol")


def test_sigterm_ends_a_runner_that_sleeps(world, peer):
    world.defer(peer)
    os.kill(runner_pid(world), signal.SIGTERM)
    world.wait_until(lambda: not world.processes(), 5)


def send_during_hand_overs(world, peer):
    """Each is aimed at the moment when the runner leaves by itself."""
    world.defer(peer)
    for i in range(40):
        update(world)
        flush = world.start(["sendmail", "-q"])
        time.sleep(i / 2000)
        world.send("bob")
        world.wait_mail("bob", i + 1)
        assert flush.wait(10) == 0


def test_no_wake_up_is_lost_while_a_runner_hands_over(world, peer):
    send_during_hand_overs(world, peer)
