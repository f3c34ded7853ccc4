"""run.py - all systems side by side: a world for each, one measurement at a
time, in turns.

Called by run.sh, which has prepared what is needed.
"""
import argparse
import collections
import csv
import json
import os
import select
import statistics
import subprocess
import sys
import time

import plot

HERE = os.path.dirname(os.path.abspath(__file__))
TREE = os.path.dirname(os.path.dirname(HERE))
NAMES = ("ours", "dma", "nullmailer", "msmtp", "postfix", "opensmtpd", "exim",
         "limit", "smtp-sink")
PATIENCE = 300                  # seconds for one measurement

# scenario, variant, order, systems, rounds, main metric, further metrics.
# The main metric is a rate (more is better) or seconds (less is better).
Cell = collections.namedtuple(
    "Cell", "scenario variant order systems rounds main more")
QUEUES = ("ours", "dma", "nullmailer", "postfix", "limit")
NETWORK = {"rtt_ms": 20}
INTAKE = ("ours", "postfix", "opensmtpd", "limit")
CLIENTS = tuple(x for x in NAMES if x != "smtp-sink")
EACH = ", a connection each"
OWN = ", own file system"
SESSIONS = ((1, 1500), (20, 6000), (100, 6000))     # and messages


def cells():
    for callers, messages in ((1, 100), (8, 200), (64, 200)):
        yield Cell("P1", "submit, callers: %d" % callers,
                   {"do": "submit", "messages": messages, "callers": callers},
                   QUEUES, 5, "rate",
                   ("p50_ms", "p99_ms", "cpu_ms", "files", "failed"))
    yield Cell("P1", "counts", {"do": "counts"}, QUEUES, 1, "calls",
               ("syncs", "folder_syncs", "files", "processes"))
    yield Cell("P1k", "submit, 1 recipient",
               {"do": "submit", "messages": 5, "callers": 1},
               QUEUES, 3, "p50_ms", ("cpu_ms", "files", "failed"))
    yield Cell("P1k", "submit, 1000 recipients",
               {"do": "submit", "messages": 1, "callers": 1,
                "recipients": 1000},
               QUEUES, 3, "p50_ms", ("cpu_ms", "files", "failed"))
    yield Cell("P1k", "counts", {"do": "counts", "recipients": 1000},
               QUEUES, 1, "calls",
               ("syncs", "folder_syncs", "files", "processes"))
    for boxes in (1, 10):
        for callers, messages in ((1, 100), (8, 150), (64, 150)):
            yield Cell("P2", "mailboxes: %d, callers: %d" % (boxes, callers),
                       {"do": "local", "messages": messages,
                        "callers": callers, "boxes": boxes},
                       ("ours", "dma", "postfix", "limit"), 3, "rate",
                       ("cpu_ms", "p99_ms", "processes", "failed", "lost",
                        "doubled"))
    for messages in (1, 10, 100):
        yield Cell("P2", "counts, flush of %d" % messages,
                   {"do": "local_counts", "messages": messages},
                   ("ours", "dma"), 1, "syncs", ())
    more = ("cpu_ms", "connections", "handshakes", "resumed", "transactions",
            "flights", "doubled", "lost", "failed", "processes", "memory_mb")
    for rtt in (20, 0):
        yield Cell("P3", "1000 recipients, %d ms" % rtt,
                   {"do": "remote", "messages": 1, "callers": 1,
                    "recipients": 1000, "rtt_ms": rtt},
                   CLIENTS, 3, "seconds", more)
    yield Cell("P4", "burst of 1000",
               {"do": "remote", "messages": 1000, "callers": 50,
                "recipients": 1, "rtt_ms": 20}, CLIENTS, 3, "seconds", more)

    queues = tuple(x for x in CLIENTS if x != "msmtp")
    for most in (0, 20):
        yield Cell("P5", "flush of 2000%s" % (
                       ", %d connections taken" % most if most else ""),
                   {"do": "flush", "messages": 2000, "rtt_ms": 20,
                    "most": most},
                   ("ours",) if most else queues, 3, "seconds", more)
    yield Cell("P5", "flush of 10000",
               {"do": "flush", "messages": 10000, "rtt_ms": 20},
               ("ours",), 1, "seconds", more)

    yield from intake_cells()


def intake_cells():
    def cell(variant, order, systems, rounds, main, more):
        return Cell("P9", variant, {"do": "intake", **order}, systems, rounds,
                    main, more)
    more = ("cpu_ms", "client_ms", "processes", "lost", "rate_threads",
            "rate_fsync", "rate_syncfs")
    for way, is_kept, has_own, systems in (
            ("", True, False, INTAKE), (EACH, False, False, INTAKE[:2]),
            (OWN, True, True, INTAKE)):
        for sessions, messages in SESSIONS:
            yield cell("durable, sessions: %d%s" % (sessions, way),
                       {"measure": "rate", "messages": messages,
                        "sessions": sessions, "is_kept": is_kept,
                        "has_own": has_own}, systems, 3, "rate", more)
    for way, is_kept in (("", True), (EACH, False)):
        for sessions, messages in SESSIONS:
            yield cell("not durable, sessions: %d%s" % (sessions, way),
                       {"measure": "rate", "messages": messages,
                        "sessions": sessions, "is_kept": is_kept,
                        "mode": "files"}, ("ours", "smtp-sink"), 3, "rate",
                       more)
    for sessions, messages in SESSIONS:
        yield cell("client alone, sessions: %d" % sessions,
                   {"measure": "rate", "messages": messages,
                    "sessions": sessions, "mode": "discard"},
                   ("smtp-sink",), 3, "rate", more)
    for way, has_own in (("", False), (OWN, True)):
        for sessions, messages in SESSIONS:
            yield cell("counts, sessions: %d%s" % (sessions, way),
                       {"measure": "counts", "messages": messages,
                        "sessions": sessions, "has_own": has_own},
                       INTAKE[:3], 1, "syncs", ("folder_syncs",))
    yield cell("10000 idle clients", {"measure": "idle", "connections": 10000},
               ("ours", "postfix", "opensmtpd", "smtp-sink"), 1,
               "kb_per_session", ("memory_mb", "clients", "processes"))


# Who would take minutes does a part of the work, once; its seconds are
# multiplied.
SHARES = {("nullmailer", "P3"): ("recipients", 10),
          ("nullmailer", "P4"): ("messages", 25),
          ("opensmtpd", "P4"): ("messages", 5),
          ("nullmailer", "P5"): ("messages", 25),
          ("opensmtpd", "P5"): ("messages", 10),
          ("exim", "P5"): ("messages", 10)}
# The same for rates, which need no multiplication, in every round.
SMALLER = {("postfix", "P9"): 4, ("opensmtpd", "P9"): 4}


class Session:
    """A system in its world."""
    def __init__(self, name, cache):
        argv = [os.path.join(TREE, "tests", "system", "world.sh")]
        layer = os.path.join(cache, name)
        if os.path.isdir(layer):
            argv += ["-l", layer]
        env = dict(os.environ)
        env["BENCH_CACHE"] = os.path.abspath(cache)
        if name != "ours":
            env["DMA_INSTALL"] = "true"
        self.name = name
        self.process = subprocess.Popen(
            argv + ["/usr/bin/python3", os.path.join(HERE, "agent.py"), name],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env, text=True)

    def answer(self):
        if not select.select([self.process.stdout], [], [], PATIENCE)[0]:
            self.process.terminate()
            sys.exit("run.py: %s does not answer" % self.name)
        line = self.process.stdout.readline()
        if not line:
            sys.exit("run.py: %s ended" % self.name)
        return json.loads(line)

    def ask(self, order):
        print(json.dumps(order), file=self.process.stdin, flush=True)
        return self.answer()

    def close(self):
        self.process.stdin.close()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.terminate()
            self.process.wait()


class Results:
    def __init__(self):
        self.rows = []          # scenario, variant, system, round, metric, v
        self.values = collections.defaultdict(list)

    def add(self, cell, system, turn, answer):
        for metric, value in answer.items():
            self.rows.append((cell.scenario, cell.variant, system, turn,
                              metric, value))
            self.values[cell.scenario, cell.variant, system,
                        metric].append(value)

    def median(self, scenario, variant, system, metric):
        got = self.values.get((scenario, variant, system, metric))
        return statistics.median(got) if got else None

    def save(self, path):
        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
        with open(path, "w", newline="") as f:
            out = csv.writer(f)
            out.writerow(("scenario", "variant", "system", "round", "metric",
                          "value"))
            out.writerows(self.rows)


def scaled(cell, scale):
    order = dict(cell.order)
    for key in ("messages", "recipients"):
        if order.get(key, 1) > 1:
            order[key] = max(2, round(order[key] * scale))
    return cell._replace(order=order)


def one(session, cell, turn):
    """One measurement; None where there is none to take."""
    key, part = SHARES.get((session.name, cell.scenario), ("messages", 1))
    smaller = SMALLER.get((session.name, cell.scenario))
    if smaller and key in cell.order:
        return session.ask({**cell.order, key: cell.order[key] // smaller})
    if part == 1:
        return session.ask(cell.order)
    if turn:
        return None
    order = dict(cell.order)
    order[key] = max(2, order[key] // part)
    factor = cell.order[key] / order[key]
    answer = session.ask(order)
    if "seconds" in answer:
        answer["seconds"] *= factor
        answer["part"] = 1 / factor
    return answer


def measure(cell, sessions, rounds, results):
    names = [x for x in cell.systems if x in sessions]
    for turn in range(min(rounds, cell.rounds) if rounds else cell.rounds):
        # Who comes first changes from round to round.
        at = turn % len(names) if names else 0
        for name in names[at:] + names[:at]:
            answer = one(sessions[name], cell, turn)
            if answer is None:
                continue
            if "error" in answer:
                print("run.py: %s %s: %s: %s" % (
                    cell.scenario, cell.variant, name, answer["error"]),
                    file=sys.stderr)
                continue
            results.add(cell, name, turn, answer)


def number(value):
    if value is None:
        return "-"
    if value == int(value) and abs(value) < 1e6:
        return "%d" % value
    return "%.4g" % value


def ratio(value, base):
    return "%.2f" % (value / base) if value is not None and base else "-"


def table(cell, results):
    """The medians of one cell, with ratios to dma 0.13 and to the limit."""
    def get(system, metric):
        return results.median(cell.scenario, cell.variant, system, metric)
    shown = [m for m in cell.more
             if any(get(s, m) is not None for s in cell.systems)]
    rows = [["", cell.main, "/dma", "/limit"] + shown]
    for name in cell.systems:
        value = get(name, cell.main)
        if value is None:
            continue
        part = get(name, "part")
        rows.append([name + ("*" if part else ""), number(value),
                     ratio(value, get("dma", cell.main)),
                     ratio(value, get("limit", cell.main))] +
                    [number(get(name, m)) for m in shown])
    widths = [max(map(len, column)) for column in zip(*rows)]
    print("\n%s  %s" % (cell.scenario, cell.variant))
    for row in rows:
        print("  " + "  ".join(
            [row[0].ljust(widths[0])] +
            [x.rjust(w) for x, w in zip(row[1:], widths[1:])]))
    sys.stdout.flush()


def intake_goals(get, over):
    for sessions, _ in SESSIONS:
        for way in ("", OWN):
            v = "durable, sessions: %d%s" % (sessions, way)
            for peer, least in (("limit", 0.8), ("postfix", 3),
                                ("opensmtpd", 3)):
                yield "P9 rate / %s, %s" % (peer, v), \
                    over("P9", v, "rate", peer), ">=", least
            yield "P9 CPU / postfix, " + v, \
                over("P9", v, "cpu_ms", "postfix"), "<=", 0.15
            v = "counts, sessions: %d%s" % (sessions, way)
            yield "P9 syncs a message, " + v, get("P9", v, "syncs"), "<=", \
                0.3 if way and sessions >= 100 else \
                1.2 if sessions > 1 else 2
        v = "durable, sessions: %d%s" % (sessions, EACH)
        yield "P9 rate / postfix, " + v, over("P9", v, "rate", "postfix"), \
            ">=", 3
        yield "P9 CPU / postfix, " + v, over("P9", v, "cpu_ms", "postfix"), \
            "<=", 0.15
        v = "not durable, sessions: %d" % sessions
        yield "P9 rate / smtp-sink, " + v, \
            over("P9", v, "rate", "smtp-sink"), ">=", 1
    yield "P9 MB with 10000 clients", \
        get("P9", "10000 idle clients", "memory_mb"), "<=", 210
    yield "P9 lost", max(get("P9", c.variant, "lost") or 0
                         for c in intake_cells()), "<=", 0


def goals(results):
    """What is to be reached, and what was: (name, figure, bound)."""
    def get(scenario, variant, metric, system="ours"):
        return results.median(scenario, variant, system, metric)

    def over(scenario, variant, metric, base):
        a = get(scenario, variant, metric)
        b = get(scenario, variant, metric, base)
        return a / b if a is not None and b else None

    for callers, least in ((1, 2), (8, 2.3), (64, 2.3)):
        v = "submit, callers: %d" % callers
        yield "P1 rate / dma, %d callers" % callers, \
            over("P1", v, "rate", "dma"), ">=", least
        yield "P1 p99 / dma, %d callers" % callers, \
            over("P1", v, "p99_ms", "dma"), "<=", 0.5
        yield "P1 CPU / dma, %d callers" % callers, \
            over("P1", v, "cpu_ms", "dma"), "<=", 0.35
        if callers > 1:
            yield "P1 rate / limit, %d callers" % callers, \
                over("P1", v, "rate", "limit"), ">=", 0.65
    yield from intake_goals(get, over)
    yield "P1 system calls", get("P1", "counts", "calls"), "<=", 100
    yield "P1 syncs, file and folder", get("P1", "counts", "syncs"), "<=", 2
    many, single = (get("P1k", "submit, %s" % x, "p50_ms")
                    for x in ("1000 recipients", "1 recipient"))
    yield "P1k ms more than one recipient", \
        many - single if many and single else None, "<=", 5
    yield "P1k files", get("P1k", "counts", "files"), "<=", 1
    yield "P1k system calls", get("P1k", "counts", "calls"), "<=", 300
    yield "P1k syncs", get("P1k", "counts", "syncs"), "<=", 2
    for boxes in (1, 10):
        for callers in (1, 8, 64):
            v = "mailboxes: %d, callers: %d" % (boxes, callers)
            yield "P2 rate / dma, " + v, over("P2", v, "rate", "dma"), ">=", 1.5
            yield "P2 CPU / dma, " + v, over("P2", v, "cpu_ms", "dma"), "<=", .5
    for n in (1, 10, 100):
        yield "P2 syncs a message, flush of %d" % n, \
            get("P2", "counts, flush of %d" % n, "syncs"), "<=", 1 + 2 / n
    v = "1000 recipients, 20 ms"
    yield "P3 seconds / limit", over("P3", v, "seconds", "limit"), "<=", 1.25
    yield "P3 seconds / exim", over("P3", v, "seconds", "exim"), "<=", 0.65
    yield "P3 seconds / exim, 0 ms", \
        over("P3", "1000 recipients, 0 ms", "seconds", "exim"), "<=", 0.8
    for metric, most in (("connections", 1), ("flights", 10), ("cpu_ms", 40),
                         ("memory_mb", 15)):
        yield "P3 " + metric, get("P3", v, metric), "<=", most
    v = "burst of 1000"
    peers = [x for x in NAMES if x not in ("ours", "limit")]
    best = [get("P4", v, "seconds", s) for s in peers]
    best = [x for x in best if x]
    mine = get("P4", v, "seconds")
    yield "P4 seconds / best peer", \
        mine / min(best) if best and mine else None, "<=", 0.4
    yield "P4 CPU / dma", over("P4", v, "cpu_ms", "dma"), "<=", 0.3
    for metric, most in (("connections", 20), ("handshakes", 20),
                         ("processes", 4)):
        yield "P4 " + metric, get("P4", v, metric), "<=", most
    v = "flush of 2000"
    best = [x for x in (get("P5", v, "seconds", s) for s in peers) if x]
    mine = get("P5", v, "seconds")
    yield "P5 seconds / best peer", \
        mine / min(best) if best and mine else None, "<=", 0.3
    yield "P5 CPU / dma", over("P5", v, "cpu_ms", "dma"), "<=", 0.08
    few = get("P5", v + ", 20 connections taken", "seconds")
    yield "P5 seconds, 20 connections taken / own", \
        few / mine if few and mine else None, "<=", 1.1
    many = get("P5", "flush of 10000", "seconds")
    yield "P5 seconds, 10000 / 2000", \
        many / mine if many and mine else None, "<=", 5.5
    for v in ("flush of 2000", "flush of 10000"):
        for metric, most in (("connections", 20), ("memory_mb", 20)):
            yield "P5 %s, %s" % (metric, v), get("P5", v, metric), "<=", most


def show_goals(results):
    print("\ngoals")
    for name, figure, sign, bound in goals(results):
        if figure is None:
            continue
        met = figure <= bound if sign == "<=" else figure >= bound
        print("  %-60s %9s  %s %-6s %s" % (
            name, number(round(figure, 3)), sign, number(bound),
            "" if met else "MISSED"))


def main():
    ap = argparse.ArgumentParser(prog="tests/bench/run.sh")
    ap.add_argument("--cache", help=argparse.SUPPRESS)
    ap.add_argument("-r", "--rounds", type=int, default=0,
                    help="at most so many rounds")
    ap.add_argument("-s", "--scale", type=float, default=1,
                    help="share of messages and recipients, for trials")
    ap.add_argument("-x", "--without", action="append", default=[],
                    choices=NAMES, help="leave a system out")
    ap.add_argument("-k", "--only", default="", metavar="WORDS",
                    help="only variants that have these words")
    ap.add_argument("-o", "--output", help="CSV file; the plot gets .svg",
                    default=os.path.join(HERE, "results", "bench.csv"))
    ap.add_argument("scenario", nargs="*", help="P1 P1k P2 P3 P4 P5 P9; all")
    args = ap.parse_args()
    todo = [scaled(c, args.scale) for c in cells()
            if (not args.scenario or c.scenario in args.scenario) and
            args.only in c.variant]
    needed = {s for c in todo for s in c.systems} - set(args.without)
    began = time.monotonic()
    results = Results()
    sessions = {}
    try:
        for name in NAMES:
            if name in needed:
                sessions[name] = Session(name, args.cache)
        for session in sessions.values():
            session.answer()
        for cell in todo:
            measure(cell, sessions, args.rounds, results)
            table(cell, results)
    finally:
        for session in sessions.values():
            session.close()
        results.save(args.output)
    if any(key[3] == "part" for key in results.values):
        print("\n* measured with a part of the work, and multiplied")
    if args.scale == 1 and not args.only:
        show_goals(results)
    plot.draw(args.output, os.path.splitext(args.output)[0] + ".svg",
              [(c.scenario, c.variant, c.main) for c in todo])
    plot.draw_curves(args.output, "P9", "sessions",
                     os.path.splitext(args.output)[0] + "-intake.svg")
    print("\n%d s; %s" % (time.monotonic() - began,
                          os.path.relpath(args.output)))


main()
