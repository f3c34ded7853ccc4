"""cells.py - what is measured: one cell for each scenario and variant."""
import collections

NAMES = ("ours", "dma", "nullmailer", "msmtp", "postfix", "opensmtpd", "exim",
         "limit", "smtp-sink")
# quick: the rounds with BENCH=quick; 0: left out.
# The main metric is a rate (more is better), or less of it is better.
Cell = collections.namedtuple(
    "Cell", "scenario variant order systems rounds quick main more")
QUEUES = ("ours", "dma", "nullmailer", "postfix", "limit")
CLIENTS = tuple(x for x in NAMES if x != "smtp-sink")
INTAKE = ("ours", "postfix", "opensmtpd", "limit")
EACH = ", a connection each"
OWN = ", own file system"
SESSIONS = ((1, 1500), (20, 6000), (100, 6000))     # and messages
WAYS = ("submit", "plain", "TLS")
FAIR = ("10000 messages", "20000 names", "100 silent hosts")
# What more than one process has: private and peak memory, in kB.
ROLES = ("runner", "helper", "remote", "parent", "child")


def submit_cells():
    more = ("p50_ms", "p99_ms", "cpu_ms", "faults", "files", "failed")
    for callers, messages in ((1, 100), (8, 200), (64, 200)):
        yield Cell("P1", "submit, callers: %d" % callers,
                   {"do": "submit", "messages": messages, "callers": callers},
                   QUEUES, 5, 3, "rate", more)
    counts = ("syncs", "folder_syncs", "files", "processes", "faults",
              "instructions")
    yield Cell("P1", "counts", {"do": "counts"}, QUEUES, 1, 1, "calls", counts)
    yield Cell("P1k", "submit, 1 recipient",
               {"do": "submit", "messages": 5, "callers": 1},
               QUEUES, 3, 2, "p50_ms", ("cpu_ms", "files", "failed"))
    yield Cell("P1k", "submit, 1000 recipients",
               {"do": "submit", "messages": 1, "callers": 1,
                "recipients": 1000},
               QUEUES, 3, 2, "p50_ms", ("cpu_ms", "files", "failed"))
    yield Cell("P1k", "counts", {"do": "counts", "recipients": 1000},
               QUEUES, 1, 1, "calls", counts)


def local_cells():
    for boxes in (1, 10):
        for callers, messages in ((1, 100), (8, 150), (64, 150)):
            yield Cell("P2", "mailboxes: %d, callers: %d" % (boxes, callers),
                       {"do": "local", "messages": messages,
                        "callers": callers, "boxes": boxes},
                       ("ours", "dma", "postfix", "limit"), 3, 2, "rate",
                       ("cpu_ms", "p99_ms", "processes", "failed", "lost",
                        "doubled"))
    for messages in (1, 10, 100):
        yield Cell("P2", "counts, flush of %d" % messages,
                   {"do": "local_counts", "messages": messages},
                   # Its 100 processes wait for one lock, for minutes.
                   ("ours", "dma") if messages < 100 else ("ours",),
                   1, 1, "syncs", ())


def remote_cells():
    more = ("cpu_ms", "connections", "handshakes", "resumed", "transactions",
            "flights", "doubled", "lost", "failed", "processes", "memory_mb")
    for rtt in (20, 0):
        yield Cell("P3", "1000 recipients, %d ms" % rtt,
                   {"do": "remote", "messages": 1, "callers": 1,
                    "recipients": 1000, "rtt_ms": rtt},
                   CLIENTS, 3, 2 if rtt else 1, "seconds", more)
    yield Cell("P4", "burst of 1000",
               {"do": "remote", "messages": 1000, "callers": 50,
                "recipients": 1, "rtt_ms": 20}, CLIENTS, 3, 1, "seconds", more)
    queues = tuple(x for x in CLIENTS if x != "msmtp")
    for most in (0, 20, 50):
        yield Cell("P5", "flush of 2000%s" % (
                       ", at most %d connections" % most if most else ""),
                   {"do": "flush", "messages": 2000, "rtt_ms": 20,
                    "most": most},
                   ("ours",) if most else queues, 3, 1, "seconds", more)
    for messages, quick in ((10000, 1), (100000, 0)):
        yield Cell("P5", "flush of %d" % messages,
                   {"do": "flush", "messages": messages, "rtt_ms": 20},
                   ("ours",), 1, quick, "seconds", more)


def queue_cells(million):
    sizes = [(10000, 3, 2), (100000, 2, 1)] + [(1000000, 1, 1)] * million
    for messages, rounds, quick in sizes:
        yield Cell("P6", "%d queued" % messages,
                   {"do": "backlog", "messages": messages},
                   ("ours", "dma", "limit") if messages == 10000 else
                   ("ours",), rounds, quick, "whole_ms",
                   ("first_ms", "cpu_ms", "memory_mb", "lines", "submit_ms",
                    "empty_ms", "submit_ratio", "cold_ms", "us_per_message",
                    "bytes_per_message", "runner_mb"))


def large_cells():
    for way in WAYS:
        yield Cell("P7", "100 MB, %s" % way,
                   {"do": "large", "megabytes": 100, "way": way},
                   ("ours", "dma", "nullmailer") + (
                       ("limit",) if way == "submit" else ()),
                   3, 3, "seconds", ("cpu_ms", "memory_mb", "lost"))


def nothing_cells():
    yield Cell("P8", "-bp, empty queue", {"do": "nothing"},
               ("ours", "dma", "nullmailer", "exim"), 3, 2, "whole_ms",
               ("cpu_ms", "instructions", "faults", "calls", "libraries"))


def fair_cells():
    for variant in FAIR:
        yield Cell("P10", variant, {"do": "fair", "variant": variant},
                   ("ours",), 3, 1, "seconds",
                   ("idle_s", "local_s", "idle_local_s", "over_s", "left"))


def memory_cells():
    kb = tuple("%s_%s" % (role, what) for role in ROLES
               for what in ("idle_kb", "busy_kb", "peak_kb"))
    growth = ("first_half_kb", "last_half_kb")
    for name, do in (("dma", "memory"), ("dma-smtpd", "intake")):
        order = {"measure": "memory"} if do == "intake" else {}
        yield Cell("memory", "%s, idle and busy" % name,
                   {"do": do, "messages": 1000, "turns": 1, **order},
                   ("ours",), 1, 1, "growth_kb", kb)
        yield Cell("memory", "%s, 100000 messages" % name,
                   {"do": do, "messages": 100000, "turns": 10, **order},
                   ("ours",), 1, 0, "growth_kb", growth)
        yield Cell("memory", "%s, 5000 messages" % name,
                   {"do": do, "messages": 5000, "turns": 5, **order},
                   ("ours",), 0, 1, "growth_kb", growth)


def is_quick(sessions, way):
    """Of P9: the rounds with BENCH=quick."""
    return int(way == "" and sessions > 1 or way == OWN and sessions == 100)


def intake_cells():
    def cell(variant, order, systems, rounds, quick, main, more):
        return Cell("P9", variant, {"do": "intake", **order}, systems, rounds,
                    quick, main, more)
    more = ("cpu_ms", "client_ms", "processes", "lost", "rate_threads",
            "rate_fsync", "rate_syncfs")
    for way, is_kept, has_own, systems in (
            ("", True, False, INTAKE), (EACH, False, False, INTAKE[:2]),
            (OWN, True, True, INTAKE)):
        for sessions, messages in SESSIONS:
            yield cell("durable, sessions: %d%s" % (sessions, way),
                       {"measure": "rate", "messages": messages,
                        "sessions": sessions, "is_kept": is_kept,
                        "has_own": has_own}, systems, 3,
                       is_quick(sessions, way), "rate", more)
    for way, is_kept in (("", True), (EACH, False)):
        for sessions, messages in SESSIONS:
            yield cell("not durable, sessions: %d%s" % (sessions, way),
                       {"measure": "rate", "messages": messages,
                        "sessions": sessions, "is_kept": is_kept,
                        "mode": "files"}, ("ours", "smtp-sink"), 3,
                       int(sessions == 20 and is_kept), "rate", more)
    for sessions, messages in SESSIONS:
        yield cell("client alone, sessions: %d" % sessions,
                   {"measure": "rate", "messages": messages,
                    "sessions": sessions, "mode": "discard"},
                   ("smtp-sink",), 3, 1 if sessions == 20 else 0, "rate", more)
    for way, has_own in (("", False), (OWN, True)):
        for sessions, messages in SESSIONS:
            yield cell("counts, sessions: %d%s" % (sessions, way),
                       {"measure": "counts", "messages": messages,
                        "sessions": sessions, "has_own": has_own},
                       INTAKE[:3], 1, is_quick(sessions, way), "syncs", ())
    yield cell("10000 idle clients", {"measure": "idle", "connections": 10000},
               ("ours", "postfix", "opensmtpd", "smtp-sink"), 1, 1,
               "kb_per_session", ("memory_mb", "clients", "processes"))


def cells(million):
    yield from submit_cells()
    yield from local_cells()
    yield from remote_cells()
    yield from queue_cells(million)
    yield from large_cells()
    yield from nothing_cells()
    yield from intake_cells()
    yield from fair_cells()
    yield from memory_cells()


# Who would take minutes does a part of the work, once; its seconds are
# multiplied.
SHARES = {("nullmailer", "P3"): ("recipients", 10),
          ("nullmailer", "P4"): ("messages", 25),
          ("opensmtpd", "P4"): ("messages", 25),
          ("nullmailer", "P5"): ("messages", 25),
          ("opensmtpd", "P5"): ("messages", 10),
          ("exim", "P5"): ("messages", 10)}
# The same for rates, which need no multiplication, in every round.
SMALLER = {("postfix", "P9"): 4, ("opensmtpd", "P9"): 4}


def scaled(cell, scale):
    order = dict(cell.order)
    for key in ("messages", "recipients", "megabytes", "connections"):
        if order.get(key, 1) > 1:
            order[key] = max(2, round(order[key] * scale))
    if order["do"] == "fair":
        order["scale"] = scale
    return cell._replace(order=order)
