"""kill -9 of processes of ours at random while users command their messages.

What a command printed is held against what the recipients have: nothing is
lost, and nothing is doubled in a mailbox; a deleted or bounced message goes
nowhere after that was printed, nor does one that is held; a bounced one is
reported once.
"""
import os
import random
import re
import subprocess
import threading
import time

import pytest

from smtp_peer import Script
from test_random_kill import Killer
from world import BINARY, MAIL, SENDMAIL

SEED = int(os.environ.get("DMA_CRASH_SEED", "1"))
MESSAGES = int(os.environ.get("DMA_CRASH_MESSAGES", "300"))
CALLERS = 6
COMMANDS = ("hold", "hold", "release", "delete", "bounce", "retry", "retry")
REMOTE = "ann@far.test"


class Fate:
    """What was commanded about a message, and what the replies promise."""
    def __init__(self, n, ident, to):
        self.n, self.ident, self.to = n, ident, to
        self.frozen = None          # what they had when "on hold" was printed
        self.gone = None            # "deleted" or "bounced": that was printed
        self.in_doubt = set()       # commands without a clear reply


class Storm:
    def __init__(self, world, relay):
        self.world, self.relay = world, relay
        self.wrong = []

    def counts(self, fate):
        """How often bob has it now, and the relay has had its whole text: that
        of a dma-remote which is gone may not be answered yet."""
        mark = b"Subject: n%d\n" % fate.n
        try:
            with open(MAIL + "/bob", "rb") as f:
                bob = f.read().count(mark)
        except FileNotFoundError:
            bob = 0
        mark = mark.replace(b"\n", b"\r\n")
        return bob, sum(mark in t.data for t in self.relay.transactions
                        if t.data is not None)

    def is_taken(self, fate):
        mark = b"Subject: n%d\r\n" % fate.n
        return any(mark in t.data for t in self.relay.taken)

    def check_frozen(self, fate, when):
        if fate.frozen is None:
            return
        counts = self.counts(fate)
        if counts != fate.frozen:
            self.wrong.append("n%d (%s): %s %s: had %s, has %s" % (
                fate.n, fate.ident, "gone" if fate.gone else "held", when,
                fate.frozen, counts))

    def command(self, name, fates):
        """Obeys; takes what is printed for each."""
        for fate in fates:
            self.check_frozen(fate, "before " + name)
            if name == "release":
                fate.frozen = None
        done = subprocess.run(
            [BINARY, "queue", name, *(f.ident for f in fates)],
            capture_output=True, timeout=60, text=True,
            **self.world.identity("alice"))
        done, refused = (dict(re.findall(r"^(?:dma: )?(\w+): (.*)$", text,
                                         re.M))
                         for text in (done.stdout, done.stderr))
        for fate in fates:
            self.take(name, fate, done.get(fate.ident),
                      refused.get(fate.ident))

    def take(self, name, fate, text, refusal):
        if text is None:
            # Without a reply; or done before the runner was killed, or done
            # to some recipients and too late for others.
            if "not in the queue" not in (refusal or ""):
                fate.in_doubt.add(name)
            if name in ("release", "delete", "bounce"):
                fate.frozen = None
        elif name == "hold":
            # What is under way goes on, and then it says so.
            if text == "on hold" and fate.frozen is None:
                fate.frozen = self.counts(fate)
        elif name in ("delete", "bounce"):
            fate.gone = text.split(";")[0]
            fate.frozen = self.counts(fate)


class Caller(threading.Thread):
    """Commands its own share of the messages, one call after the other."""
    def __init__(self, storm, fates, seed, end):
        super().__init__(daemon=True)
        self.storm, self.fates, self.end = storm, fates, end
        self.random = random.Random(seed)
        self.error, self.calls = None, 0

    def run(self):
        try:
            while time.monotonic() < self.end:
                left = [f for f in self.fates if f.gone is None]
                if not left:
                    return
                some = self.random.sample(left, min(len(left),
                                          self.random.randint(1, 4)))
                self.storm.command(self.random.choice(COMMANDS), some)
                self.calls += 1
        except Exception as e:      # shown by the test
            self.error = e


def submitted(world, rng):
    """All are on hold, so that the storm meets them."""
    fates, known = [], set()
    for n in range(MESSAGES):
        to = rng.choice((["bob"], [REMOTE], ["bob", REMOTE]))
        world.send("-odq", *to, input=b"Subject: n%d\n\nx\n" % n)
        ident, = set(world.queue()) - known
        known.add(ident)
        fates.append(Fate(n, ident, to))
    return fates


def relay_of(rng, peer, state):
    """Defers most, until it is told to take all; drops some connections."""
    lock = threading.Lock()

    def hook(_connection, verb, _argument):
        with lock:
            x = rng.random()
        if state["is_good"]:
            return None
        if verb == "RCPT" and x < 0.5:
            return "450 4.2.1 later"
        if verb in ("DATA", "BODY") and x < 0.1:
            return "RESET"
        if verb == "BODY":
            time.sleep(x * 0.02)
        return None
    return peer(Script(hook=hook))


def reports(world):
    """How many there are about each message."""
    found = {}
    for report in world.mailbox("alice"):
        ident, = re.findall(rb"(?m)^X-Dma-Queue-Id: (\S+)$", report.text)
        found[ident.decode()] = found.get(ident.decode(), 0) + 1
    return found


def drain(world, fates):
    """Without kills, all that is left is delivered."""
    for _ in range(30):
        held = [f.ident for f in fates if f.ident in world.queue()]
        if held:
            world.run([BINARY, "queue", "release", *held], limit=120)
        world.run([SENDMAIL, "-q"], limit=120)
        if not world.queue():
            break
    world.wait_quiet(60)


def check(storm, fate, told):
    """Wrong about one message, when all is over."""
    bob, _ = storm.counts(fate)
    has_all = bob == ("bob" in fate.to) and \
        storm.is_taken(fate) == (REMOTE in fate.to)
    may_be_gone = fate.gone or fate.in_doubt & {"delete", "bounce"}
    n = told.get(fate.ident, 0)
    if bob > 1 or not (has_all or may_be_gone or n):
        yield "lost or doubled"
    if n > 1 or (fate.gone == "bounced") > n:
        yield "%d reports" % n
    if n and fate.gone != "bounced" and "bounce" not in fate.in_doubt:
        yield "a report that nobody wanted"


@pytest.mark.seconds(20)
def test_what_a_command_printed_is_true_whatever_is_killed(world, peer):
    print("seed %d" % SEED)
    rng, state = random.Random(SEED), {"is_good": False}
    p = relay_of(random.Random(SEED + 1), peer, state)
    world.smarthost(p, RETRY="1s 2s 5d")
    storm = Storm(world, p)
    fates = submitted(world, rng)
    end = time.monotonic() + 8
    callers = [Caller(storm, fates[i::CALLERS], SEED + 10 + i, end)
               for i in range(CALLERS)]
    killer = Killer(world, SEED)
    for thread in (killer, *callers):
        thread.start()
    for thread in callers:
        thread.join()
    killer.over = True
    killer.join()
    print("%d kills, %d calls, %s, %d taken" % (
        killer.kills, sum(c.calls for c in callers),
        [(x, [f.gone for f in fates].count(x))
         for x in ("deleted", "bounced", None)], len(p.taken)))
    assert [c.error for c in callers] == [None] * CALLERS
    for fate in fates:
        storm.check_frozen(fate, "after the storm")
        fate.frozen = fate.frozen if fate.gone else None
    state["is_good"] = True
    drain(world, fates)
    told = reports(world)
    for fate in fates:
        storm.check_frozen(fate, "at the end")
        storm.wrong += ["n%d (%s, %s, %s, has %s): %s" % (
            fate.n, fate.ident, fate.gone, sorted(fate.in_doubt),
            storm.counts(fate), x) for x in check(storm, fate, told)]
    assert storm.wrong == []
    assert world.spool_litter() == []
