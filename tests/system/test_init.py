"""Runners that an init starts, by RUNDIR/start; here a small one of ours."""
import os
import pwd
import shutil
import socket
import subprocess
import threading
import time

import pytest

from smtp_peer import Script
from test_runner import send_during_hand_overs

RUNDIR = "/run/dma"
START = RUNDIR + "/start"


class Inetd:
    """Starts a runner for a connection, in the manner of inetd: "wait" with
    the listening socket as standard input, or "nowait" with the connection."""

    def __init__(self, style="wait", backlog=128):
        self.style = style
        self.runners = []
        self.stopped = False
        shutil.rmtree(RUNDIR, ignore_errors=True)
        os.mkdir(RUNDIR, 0o755)
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.bind(START)
        who = pwd.getpwnam("_dma")
        os.chown(START, who.pw_uid, who.pw_gid)
        os.chmod(START, 0o600)
        self.sock.listen(backlog)
        self.sock.settimeout(0.05)
        self.thread = threading.Thread(target=self.serve)

    def start(self):
        self.thread.start()
        return self

    def serve(self):
        while not self.stopped:
            try:
                if self.style == "wait":
                    self.run_one(self.sock)
                else:
                    one, _ = self.sock.accept()
                    with one:
                        self.run_one(one, wait=False)
            except TimeoutError:
                continue

    def run_one(self, sock, wait=True):
        if wait:
            import select
            if not select.select([sock], [], [], 0.05)[0]:
                return
        status = os.EX_TEMPFAIL
        # 75: stopped while mail is queued.  Init starts another one then.
        while status == os.EX_TEMPFAIL and not self.stopped:
            runner = subprocess.Popen(["/usr/sbin/dma", "--runner"],
                                      stdin=sock)
            self.runners.append(runner)
            status = runner.wait() if wait else 0

    def close(self):
        self.stopped = True
        for runner in self.runners:
            runner.kill()
        if self.thread.is_alive():
            self.thread.join()
        self.sock.close()
        for runner in self.runners:
            runner.wait()
        shutil.rmtree(RUNDIR, ignore_errors=True)


@pytest.fixture
def inetd(world):
    made = []

    def make(*args, **more):
        made.append(Inetd(*args, **more))
        return made[-1]
    yield make
    for one in made:
        one.close()


@pytest.mark.parametrize("style", ["wait", "nowait"])
def test_init_starts_the_runner(world, inetd, style):
    init = inetd(style).start()
    for i in range(5):
        world.send("bob")
        world.wait_mail("bob", i + 1)
    assert 1 <= len(init.runners) <= 5
    world.send("carol")
    world.wait_mail("carol")
    world.flush()


def test_nobody_waits_for_an_init_that_is_busy(world, inetd):
    """Not even where no more connections are accepted."""
    init = inetd(backlog=0)
    for _ in range(5):
        world.send("bob")
    assert not world.processes()
    init.start()
    world.wait_mail("bob", 5)
    world.wait_until(lambda: not world.queue())


def test_a_socket_without_a_listener_is_no_init(world, inetd):
    inetd().close()
    os.mkdir(RUNDIR)
    stale = socket.socket(socket.AF_UNIX)
    stale.bind(START)
    os.chmod(START, 0o666)
    stale.close()
    world.send("bob")
    world.wait_mail("bob")
    shutil.rmtree(RUNDIR)


def test_no_wake_up_is_lost_while_a_runner_of_init_leaves(world, inetd):
    init = inetd().start()
    for i in range(60):
        world.send("bob")
        world.wait_mail("bob", i + 1)
        # As early as a runner can leave; by then the next one is asked for.
        init.runners[-1].terminate()
        time.sleep(i / 3000)


def test_a_flush_starts_one_and_sees_the_whole_attempt(world, inetd, peer):
    p = peer(Script(rcpt_reply="450 4.2.1 later"))
    world.smarthost(p)
    world.leaves("queue")
    world.send("-odq", "ann@far.test")
    inetd().start()
    done = world.run(["sendmail", "-q", "-v"])
    assert done.returncode == 0 and b"EHLO" in done.stderr, done.stderr
    assert len(p.connections) == 1


def test_users_can_not_pretend_to_be_init(world):
    """What --runner takes as its socket counts only from root."""
    sock = socket.socket(socket.AF_UNIX)
    sock.bind("/tmp/mine")
    sock.listen(1)
    done = world.run(["/usr/sbin/dma", "--runner"], user="alice")
    assert done.returncode == 64
    os.unlink("/tmp/mine")


def test_no_wake_up_is_lost_while_a_runner_of_init_hands_over(world, inetd,
                                                              peer):
    init = inetd().start()
    send_during_hand_overs(world, peer)
    assert len(init.runners) > 20
