"""All at once: reloads, kills, stops and full limits, in any order, under load.

SMTPD_CHAOS_SEED and SMTPD_CHAOS_TURNS choose other orders, and longer ones.
"""
import contextlib
import os
import random
import signal

import pytest

from load import Load
from test_end import counted

SEED = int(os.environ.get("SMTPD_CHAOS_SEED", "1"))
TURNS = int(os.environ.get("SMTPD_CHAOS_TURNS", "12"))


def to_one(s, pids, *numbers):
    if pids:
        pid = random.choice(pids)
        for number in numbers:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)


ACTIONS = {
    "reload": lambda s: s.signal(signal.SIGHUP),
    "a bad reload": lambda s: (s.write_conf("NONSENSE 1\n"),
                               s.signal(signal.SIGHUP)),
    "a good one": lambda s: (s.write_conf({
        "MIN_SPARE": "1", "MAX_SPARE": "2", "MAX_CHILDREN": "5",
        "MAX_SESSIONS": str(random.randrange(5, 50))}),
        s.signal(signal.SIGHUP)),
    "kill a child": lambda s: to_one(s, s.children(), signal.SIGKILL),
    "drain a child": lambda s: to_one(s, s.children(), signal.SIGTERM),
    "retire a child": lambda s: to_one(s, s.children(), signal.SIGUSR1),
    "stop a child": lambda s: to_one(s, s.children(), signal.SIGSTOP,
                                     signal.SIGCONT),
    "kill a generation": lambda s: to_one(s, s.generations(),
                                          signal.SIGKILL),
    "counters": lambda s: s.signal(signal.SIGUSR1),
    "nothing": lambda s: None,
}


def go_on(s, load, n, done):
    wanted = len(load.acknowledged) + n
    s.wait_until(lambda: len(load.acknowledged) >= wanted or load.errors,
                 "more messages, after %s" % done, 60)


@pytest.mark.seconds(10)
def test_any_order_of_events(smtpd):
    random.seed(SEED)
    s = smtpd(MIN_SPARE="1", MAX_SPARE="2", MAX_CHILDREN="5",
              MAX_SESSIONS="20")
    done = []
    with Load(s.port, 8) as load:
        for _ in range(TURNS):
            go_on(s, load, random.randrange(30), done)
            done.append(random.choice(list(ACTIONS)))
            ACTIONS[done[-1]](s)
        # It serves, whatever was done to it.
        go_on(s, load, 30, done)
    counted(s, load)
    s.wait_until(lambda: len(s.generations()) == 1, "one generation")
    s.stop()
    assert s.tree.litter() == []
