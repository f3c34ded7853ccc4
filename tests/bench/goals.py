"""goals.py - what is to be reached, and what was.

A goal is (scenario, name, figure, sign, bound); the figure is None where it was
not measured.
"""
from cells import EACH, FAIR, OWN, SESSIONS

TIMED = ("rate", "seconds", "us_per_message", "submit_ratio")
# Whose floor does the same work as a mail system; of P2, P9 it does a part.
LIKE_FLOORS = ("P1", "P3", "P4", "P5", "P6", "P7")
GROWTH_KB = 100                 # a byte for each of 100,000 messages
WORDS = {"calls": "system calls", "faults": "page faults",
         "syncs": "syncs, file and directory",
         "folder_syncs": "syncs of the directory", "cpu_ms": "ms of CPU",
         "memory_mb": "MB", "libraries": "shared libraries"}


def is_timed(metric):
    """Depends on what else the machine does."""
    return metric in TIMED or metric.endswith(("_ms", "_s"))


class Figures:
    """Medians, with a note of which cells were asked for times: (scenario,
    variant), and whether for processor time alone, which no disk prolongs."""
    def __init__(self, results):
        self.results = results
        self.timed = set()
        self.floor = None       # what the limit has instead of the figure

    def get(self, scenario, variant, metric, system="ours"):
        if is_timed(metric):
            self.timed.add((scenario, variant, metric == "cpu_ms"))
        return self.results.median(scenario, variant, system, metric)

    def over(self, scenario, variant, metric, base):
        if base != "limit" and scenario in LIKE_FLOORS:
            self.floor = quotient(self.get(scenario, variant, metric, "limit"),
                                  self.get(scenario, variant, metric, base))
        return quotient(self.get(scenario, variant, metric),
                        self.get(scenario, variant, metric, base))

    def over_best(self, scenario, variant, metric, peers):
        got = [x for x in (self.get(scenario, variant, metric, p)
                           for p in peers) if x]
        self.floor = quotient(self.get(scenario, variant, metric, "limit"),
                              min(got) if got else None)
        return quotient(self.get(scenario, variant, metric),
                        min(got) if got else None)

    def take(self):
        """The timed cells since the last call, and the floor."""
        taken = self.timed, self.floor
        self.timed, self.floor = set(), None
        return taken


def quotient(a, b):
    return a / b if a is not None and b else None


def at_most(f, scenario, variant, name="%s", **bounds):
    """Goals about metrics of one cell, that have a bound each."""
    for metric, most in bounds.items():
        yield scenario, name % WORDS.get(metric, metric), \
            f.get(scenario, variant, metric), "<=", most


def submit_goals(f):
    for callers in (1, 8, 64):
        v = "submit, callers: %d" % callers
        name = "callers: %d: " % callers
        yield "P1", name + "rate / limit", f.over("P1", v, "rate", "limit"), \
            ">=", 0.85
        yield "P1", name + "rate / dma", f.over("P1", v, "rate", "dma"), \
            ">=", 2
        yield "P1", name + "CPU / dma", f.over("P1", v, "cpu_ms", "dma"), \
            "<=", 0.45
        yield "P1", name + "p99 / dma", f.over("P1", v, "p99_ms", "dma"), \
            "<=", 0.5
        yield "P1", name + "failed", f.get("P1", v, "failed"), "<=", 0
    yield from at_most(f, "P1", "counts", processes=1, faults=85, calls=100,
                       syncs=2, folder_syncs=1)
    many, single = (f.get("P1k", "submit, %s" % x, "p50_ms")
                    for x in ("1000 recipients", "1 recipient"))
    yield "P1k", "ms more than one recipient", \
        many - single if many and single else None, "<=", 5
    yield from at_most(f, "P1k", "counts", files=1, calls=300, syncs=2)


def local_goals(f):
    for boxes in (1, 10):
        for callers in (1, 8, 64):
            v = "mailboxes: %d, callers: %d" % (boxes, callers)
            yield "P2", v + ": rate / dma", f.over("P2", v, "rate", "dma"), \
                ">=", 1.5
            yield "P2", v + ": CPU / dma", f.over("P2", v, "cpu_ms", "dma"), \
                "<=", 0.5
            yield from at_most(f, "P2", v, v + ": %s", lost=0, doubled=0)
    for n in (1, 10, 100):
        yield "P2", "syncs a message, flush of %d" % n, \
            f.get("P2", "counts, flush of %d" % n, "syncs"), "<=", 1 + 2 / n


def remote_goals(f, peers):
    v = "1000 recipients, 20 ms"
    yield "P3", "seconds / limit", f.over("P3", v, "seconds", "limit"), \
        "<=", 1.1
    yield "P3", "seconds / exim", f.over("P3", v, "seconds", "exim"), \
        "<=", 0.5
    yield "P3", "seconds / exim, 0 ms", \
        f.over("P3", "1000 recipients, 0 ms", "seconds", "exim"), "<=", 0.5
    yield from at_most(f, "P3", v, connections=1, flights=9, cpu_ms=15,
                       memory_mb=12)
    v = "burst of 1000"
    yield "P4", "seconds / best peer", \
        f.over_best("P4", v, "seconds", peers), "<=", 0.25
    yield "P4", "CPU / dma", f.over("P4", v, "cpu_ms", "dma"), "<=", 0.2
    yield from at_most(f, "P4", v, connections=20, handshakes=20, processes=4,
                       lost=0, doubled=0)


def flush_goals(f):
    v = "flush of 2000"
    yield "P5", "seconds / postfix", f.over("P5", v, "seconds", "postfix"), \
        "<=", 0.12
    yield "P5", "seconds / limit", f.over("P5", v, "seconds", "limit"), \
        "<=", 1.05
    for most in (20, 50):
        few = f.get("P5", "%s, at most %d connections" % (v, most), "seconds")
        yield "P5", "seconds with at most %d connections / own" % most, \
            quotient(few, f.get("P5", v, "seconds")), "<=", 1.1
    for few, many in ((2000, 10000), (10000, 100000)):
        yield "P5", "seconds, %d / %d" % (many, few), quotient(*(
            f.get("P5", "flush of %d" % n, "seconds") for n in (many, few))), \
            "<=", 1.1 * many / few
    for n in (2000, 10000, 100000):
        v = "flush of %d" % n
        yield from at_most(f, "P5", v, v + ": %s", connections=20,
                           memory_mb=20, lost=0, doubled=0)


def queue_goals(f):
    for n in (10000, 100000, 1000000):
        v = "%d queued" % n
        if n == 10000:
            yield "P6", "mailq / dma, %d" % n, \
                f.over("P6", v, "whole_ms", "dma"), "<=", 0.5
        yield "P6", "ms to the first line, %d" % n, \
            f.get("P6", v, "first_ms"), "<=", 20
        yield "P6", "MB of mailq, %d" % n, f.get("P6", v, "memory_mb"), \
            "<=", 3
        yield "P6", "submit / empty queue, %d" % n, \
            f.get("P6", v, "submit_ratio"), "<=", 1.1
        yield "P6", "cold start, us a message, %d" % n, \
            f.get("P6", v, "us_per_message"), "<=", 10
        yield "P6", "bytes a message, %d" % n, \
            f.get("P6", v, "bytes_per_message"), "<=", 150


def single_goals(f):
    for way, most, memory in (("submit", 0.5, 4), ("plain", 0.7, 4),
                              ("TLS", 0.5, 8)):
        v = "100 MB, %s" % way
        yield "P7", way + ": seconds / nullmailer", \
            f.over("P7", v, "seconds", "nullmailer"), "<=", most
        yield "P7", way + ": MB", f.get("P7", v, "memory_mb"), "<=", memory
    yield from at_most(f, "P8", "-bp, empty queue", instructions=250000,
                       faults=75, libraries=1)


def intake_goals(f):
    for sessions, _ in SESSIONS:
        for way in ("", OWN):
            v = "durable, sessions: %d%s" % (sessions, way)
            yield "P9", v + ": rate / limit", \
                f.over("P9", v, "rate", "limit"), ">=", 0.8
            yield "P9", v + ": rate / postfix", \
                f.over("P9", v, "rate", "postfix"), ">=", 3
            yield "P9", v + ": CPU / postfix", \
                f.over("P9", v, "cpu_ms", "postfix"), "<=", 0.15
            v = "counts, sessions: %d%s" % (sessions, way)
            yield "P9", v + ": syncs a message", f.get("P9", v, "syncs"), \
                "<=", 0.3 if way and sessions >= 100 else \
                1.2 if sessions > 1 else 2
        v = "durable, sessions: %d%s" % (sessions, EACH)
        yield "P9", v + ": rate / postfix", \
            f.over("P9", v, "rate", "postfix"), ">=", 3
        v = "not durable, sessions: %d" % sessions
        yield "P9", v + ": rate / smtp-sink", \
            f.over("P9", v, "rate", "smtp-sink"), ">=", 1
    v = "dma-smtpd, idle and busy"
    for role in ("parent", "child"):
        yield "P9", "private kB, " + role, \
            f.get("memory", v, role + "_busy_kb"), "<=", 1000


def other_goals(f):
    for v in FAIR:
        yield "P10", v + ": seconds over 3 times idle", \
            f.get("P10", v, "over_s"), "<=", 1
    for name in ("dma", "dma-smtpd"):
        for n in (5000, 100000):
            v = "%s, %d messages" % (name, n)
            yield "memory", v + ": kB grown", \
                f.get("memory", v, "growth_kb"), "<=", GROWTH_KB


def goals(f, peers):
    yield from submit_goals(f)
    yield from local_goals(f)
    yield from remote_goals(f, peers)
    yield from flush_goals(f)
    yield from queue_goals(f)
    yield from single_goals(f)
    yield from intake_goals(f)
    yield from other_goals(f)
