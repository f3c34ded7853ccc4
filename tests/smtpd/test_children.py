"""How many children there are, and that no client is another's trouble."""
import contextlib
import os
import signal
import time

import pytest


def idle_and_all(s):
    """From the status socket: children without a session, and all."""
    return s.counters().get("idle"), len(s.children())


def test_the_default_numbers(smtpd):
    """Without a configuration it serves."""
    s = smtpd("")
    s.send()
    assert 1 <= len(s.children()) <= 64


def test_a_child_serves_its_share_and_is_replaced(smtpd):
    s = smtpd(MAX_SESSIONS="5", MIN_SPARE="1", MAX_SPARE="1",
              MAX_CHILDREN="2", DURABLE="none")
    seen = set()
    for _ in range(23):
        s.send()
        seen |= {p.split("/")[2].split("-")[0] for p in s.tree.paths()}
    by_pid = {}
    for path in s.tree.paths():
        pid = path.split("/")[2].split("-")[0]
        by_pid[pid] = by_pid.get(pid, 0) + 1
    assert max(by_pid.values()) <= 5 and len(by_pid) >= 5
    s.wait_until(lambda: len(s.children()) <= 2, "the end of the old ones")


def test_they_grow_with_demand_and_shrink(smtpd):
    """Every child that has a session is not idle: one more is forked."""
    s = smtpd(MIN_SPARE="2", MAX_SPARE="3", MAX_CHILDREN="7")
    s.wait_until(lambda: len(s.children()) == 2, "two children")
    with contextlib.ExitStack() as stack:
        for _ in range(200):
            c = stack.enter_context(s.hello())
            if len(s.children()) >= 4:
                break
        else:
            s.wait_until(lambda: len(s.children()) >= 4, "more children")
        for _ in range(60):
            stack.enter_context(s.hello())
        s.wait_until(lambda: len(s.children()) >= 4, "more children")
        assert len(s.children()) <= 7
    s.wait_until(lambda: len(s.children()) <= 3, "fewer children")
    s.wait_until(lambda: len(s.children()) >= 2, "the spare ones")
    s.send()


def test_never_more_than_max_children(smtpd):
    s = smtpd(MIN_SPARE="2", MAX_SPARE="2", MAX_CHILDREN="2",
              DURABLE="none")
    with contextlib.ExitStack() as stack:
        for _ in range(100):
            stack.enter_context(s.hello())
            assert len(s.children()) <= 2
        # All are served, although no child is idle.
        for _ in range(5):
            s.send()


def test_a_stopped_child_blocks_only_its_own(smtpd):
    s = smtpd(MIN_SPARE="2", MAX_SPARE="4", MAX_CHILDREN="6",
              DURABLE="none")
    stopped = s.children()[0]
    with s.hello():
        os.kill(stopped, signal.SIGSTOP)
        try:
            # A connection that it had been given before may hang; those that
            # come now do not.
            for _ in range(20):
                s.send()
        finally:
            os.kill(stopped, signal.SIGCONT)


def test_byte_a_second_clients(smtpd):
    """One child: slow clients at every stage, and one that is quick."""
    s = smtpd(MIN_SPARE="1", MAX_SPARE="1", MAX_CHILDREN="1",
              DURABLE="none", COMMAND_TIMEOUT="60")
    slow = []
    script = (b"EHLO a.test\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n"
              b"DATA\r\nSubject: slow\r\n\r\nx\r\n.\r\n")
    for i in range(len(script)):
        c = s.client()
        c.send(script[:i])
        slow.append(c)
    for i in range(10):
        s.send(text="quick\r\n")
        for n, c in enumerate(slow):
            c.send(script[n + i:n + i + 1])
    # Each of the slow ones ends well.
    for n, c in enumerate(slow):
        c.send(script[n + 10:])
    for c in slow:
        codes = [c.reply().code for _ in range(5)]
        assert codes == [250, 250, 250, 354, 250]
    assert len(s.tree.files()) == 10 + len(slow)


@pytest.mark.seconds(4)
def test_a_child_that_cannot_start_is_not_tried_without_end(smtpd):
    """A back-off: an init that fails in the children costs no processor."""
    s = smtpd(MIN_SPARE="1", MAX_SPARE="1", MAX_CHILDREN="1")
    s.send()
    killed = 0
    end = time.monotonic() + 2
    while time.monotonic() < end:
        for pid in s.children():
            os.kill(pid, signal.SIGKILL)
            killed += 1
        time.sleep(0.002)
    assert killed < 100, killed
    s.wait_until(s.children, "a child after all")
    s.send()
