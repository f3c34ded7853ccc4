"""memory.py - private memory and peaks of each process, and whether it grows.

Runs in the world of a system, for agent.py.
"""
import collections
import os
import re
import threading
import time

import systems

DEFERRED = "defer@smart.test"   # which the relay always refuses for now
SETTLED = 3                     # looks without CPU time in between


def role(pid, root):
    """The name that a process has in the results, or None."""
    with open("/proc/%d/cmdline" % pid, "rb") as f:
        words = f.read().split(b"\0")
    with open("/proc/%d/status" % pid) as f:
        lines = dict(x.split(":\t", 1) for x in f.read().splitlines()
                     if ":\t" in x)
    name = lines["Name"]
    uid, parent = int(lines["Uid"].split()[1]), int(lines["PPid"])
    if name == "dma-smtpd":
        return "parent" if parent == root else "child"
    if name == "dma-remote":
        return "remote"
    if name != "dma" or b"--runner" not in words:
        return None
    if uid == 0:
        return "helper"
    # The short-lived child of a helper is the user's.
    return "runner" if parent == root else None


def of(pid, key):
    """Kilobytes: "private" now, or "peak" of the resident pages."""
    if key == "peak":
        with open("/proc/%d/status" % pid) as f:
            return sum(int(x.split()[1]) for x in f if x.startswith("VmHWM"))
    with open("/proc/%d/smaps" % pid) as f:
        return sum(own_kb(x) for x in f.read().split("VmFlags:"))


def own_kb(mapping):
    """What is neither shared nor a page of a file.  A page of a library is
    private by chance, while no other process happens to use it."""
    kb = collections.Counter()
    for name, size in re.findall(r"^(\w+): +(\d+) kB", mapping, re.M):
        kb[name.split("_")[0]] += int(size)
    return min(kb["Anonymous"], kb["Private"])


def look(agent, key):
    """{role: the most that one process of it has}."""
    found = {}
    for pid in agent.left():
        try:
            name = role(pid, os.getpid())
            if name:
                found[name] = max(found.get(name, 0), of(pid, key))
        except (OSError, KeyError):
            continue
    return found


class Peaks(threading.Thread):
    """The most that one process of each role has, while something goes on."""
    def __init__(self, agent):
        super().__init__(daemon=True)
        self.agent = agent
        self.private, self.peak = {}, {}
        self.most = 0           # the peak of any process, in kB
        self.over = threading.Event()
        agent.samplers.append(self)
        self.start()

    def run(self):
        pause = 0.02
        while not self.over.wait(pause):
            began = time.monotonic()
            for key, most in (("private", self.private),
                              ("peak", self.peak)):
                for name, kb in look(self.agent, key).items():
                    most[name] = max(most.get(name, 0), kb)
            for pid in self.agent.left():
                try:
                    self.most = max(self.most, of(pid, "peak"))
                except OSError:
                    continue
            pause = max(0.02, 10 * (time.monotonic() - began))

    def stop(self):
        self.over.set()
        self.join()


def settle(agent):
    """Waits until nothing that is left uses the processor."""
    quiet, before = 0, None
    end = time.monotonic() + 60
    while quiet < SETTLED and time.monotonic() < end:
        time.sleep(0.1)
        agent.reap()
        now = sum(x[0] for x in agent.left().values())
        quiet = quiet + 1 if now == before else 0
        before = now


def deferred_message(agent):
    """As long as it is queued, the runner stays."""
    agent.callers(agent.system.command([DEFERRED]), 1, 1)
    agent.wait_until(lambda: look(agent, "private").get("runner"), 20,
                     "a runner")
    settle(agent)


def figures(idle, peaks, turns, main):
    # The most that was ever under way at once leaves its mark: the halves are
    # compared, not the ends.
    half = len(turns) // 2
    first, last = max(turns[:half]), max(turns[half:])
    out = {"growth_kb": last - first, "first_half_kb": first,
           "last_half_kb": last}
    for name, kb in idle.items():
        out[name + "_idle_kb"] = kb
    for name, kb in peaks.private.items():
        out[name + "_busy_kb"] = kb
    for name, kb in peaks.peak.items():
        out[name + "_peak_kb"] = kb
    return {k: v for k, v in out.items() if v is not None or k == main}


def memory(agent, messages, turns):
    """The runner and its helpers; messages in equal turns, and one turn
    more, to the relay and to mailboxes."""
    agent.prepare("remote")
    agent.relay(0)
    agent.system.start()
    deferred_message(agent)
    idle = look(agent, "private")
    peaks, sizes = Peaks(agent), []
    for _ in range(turns + 1):
        for names in ([systems.REMOTE], ["u%d"]):
            said = agent.callers(agent.system.command(names),
                                 max(1, messages // turns // 2), 8, 10)
            if said["failed"]:
                raise systems.Trouble("callers failed: %s" % said["why"])
        agent.wait_until(lambda: agent.system.queued() <= 1, 150,
                         "one message queued")
        settle(agent)
        sizes.append(look(agent, "private")["runner"])
        agent.empty_mailboxes()
    peaks.stop()
    agent.end_all(0)
    return figures(idle, peaks, sizes, "growth_kb")


def intake_memory(intake, messages, turns):
    """dma-smtpd, which stores without a sync, so that it is not the disk that
    is measured."""
    agent = intake.agent
    intake.server.start("files")
    try:
        settle(agent)
        idle = look(agent, "private")
        peaks, sizes = Peaks(agent), []
        for _ in range(turns + 1):
            intake.send(max(20, messages // turns), 20, True)
            intake.server.clear()
            settle(agent)
            sizes.append(look(agent, "private")["child"])
        peaks.stop()
    finally:
        intake.server.stop()
    return figures(idle, peaks, sizes, "growth_kb")
