"""run.py - all systems side by side: a world for each, one measurement at a
time, in turns.

Called by run.sh, which has prepared what is needed.
"""
import argparse
import collections
import csv
import itertools
import json
import os
import select
import signal
import statistics
import subprocess
import sys
import time

import machine
import report
from cells import NAMES, SHARES, SMALLER, cells, scaled
from goals import is_timed

HERE = os.path.dirname(os.path.abspath(__file__))
TREE = os.path.dirname(os.path.dirname(HERE))
PATIENCE = 1500                 # seconds for one measurement
KEPT = ("quick", "million", "rounds", "scale", "only", "scenario")
FLOOR = {"do": "floor", "files": 40}
# Rounds that are repeated because the floor moved: of a cell, and the seconds
# that one of them, and all, may take.
REPEATS = 3
REPEAT_MOST_S = 30
REPEAT_S = {True: 100, False: 1800}     # with BENCH=quick, without


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
        try:
            self.process.stdin.close()
        except BrokenPipeError:
            pass                # it was ended, too
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

    def load(self, path):
        with open(path, newline="") as f:
            for row in csv.DictReader(f):
                self.values[row["scenario"], row["variant"], row["system"],
                            row["metric"]].append(float(row["value"]))

    def save(self, path):
        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
        with open(path, "w", newline="") as f:
            out = csv.writer(f)
            out.writerow(("scenario", "variant", "system", "round", "metric",
                          "value"))
            out.writerows(self.rows)


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


class Round:
    """What a round found: (system, answer), with the floors around it."""
    def __init__(self, turn, before):
        self.turn = turn
        self.floors = [before]
        self.answers = []

    def floor_values(self, metric):
        return [f[metric] for f in self.floors if metric in f] + [
            answer[metric] for name, answer in self.answers
            if name == "limit" and metric in answer]


def calmest(rounds, n):
    """The n rounds whose floors are closest, and how far they moved.  What was
    measured above the floors has no say in it."""
    def by(some):
        return max(report.moved([v for r in some
                                 for v in r.floor_values(metric)])
                   for metric in report.FLOORS)
    best = min(itertools.combinations(rounds, n), key=by)
    return best, by(best)


def measure(cell, sessions, results, budget):
    """Takes the rounds of a cell, and some again while the floor moves."""
    floor = take_floor(sessions)
    rounds, kept = [], []
    while len(rounds) < cell.rounds + REPEATS:
        began = time.monotonic()
        rounds.append(take_round(cell, len(rounds), sessions, floor))
        floor = take_floor(sessions)
        rounds[-1].floors.append(floor)
        took = time.monotonic() - began
        if len(rounds) > cell.rounds:
            budget.left_s -= took
        if len(rounds) < cell.rounds:
            continue
        kept, by = calmest(rounds, cell.rounds)
        if by <= report.MOVED_MOST or not is_timed(cell.main) or \
           took > min(budget.left_s, REPEAT_MOST_S):
            break
    budget.repeated += len(rounds) - cell.rounds
    for taken in rounds:
        for name, answer in taken.answers:
            # A part of the work is measured once.
            if taken in kept or "part" in answer:
                results.add(cell, name, taken.turn, answer)
    for taken in kept:
        for floor in taken.floors:
            results.add(cell, "floor", taken.turn, floor)


def take_round(cell, turn, sessions, floor):
    taken = Round(turn, floor)
    names = [x for x in cell.systems if x in sessions]
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
        taken.answers.append((name, answer))
    return taken


def take_floor(sessions):
    """What the machine does just now, without any mail system."""
    answer = sessions["limit"].ask(FLOOR) if "limit" in sessions else {}
    return {} if "error" in answer else answer


class Budget:
    """The time for repeated rounds, and how many there were."""
    def __init__(self, is_quick):
        self.left_s = REPEAT_S[is_quick]
        self.repeated = 0


def chosen(args):
    """The cells to measure."""
    found = [c._replace(rounds=c.quick if args.quick else c.rounds)
             for c in cells(args.million)]
    return [scaled(c._replace(rounds=min(args.rounds or c.rounds, c.rounds)),
                   args.scale) for c in found
            if c.rounds and args.only in c.variant and
            (not args.scenario or c.scenario in args.scenario)]


def take_all(todo, args, results, loads, budget):
    """Measures each cell, and notes the load of the machine after each."""
    needed = ({s for c in todo for s in c.systems} | {"limit"}) - set(
        args.without)
    sessions = {}
    try:
        for name in NAMES:
            if name in needed:
                sessions[name] = Session(name, args.cache)
        for session in sessions.values():
            session.answer()
        for cell in todo:
            began = time.monotonic()
            measure(cell, sessions, results, budget)
            loads.append(machine.load())
            print("%-6s %-44s %4.0f s" % (
                cell.scenario, cell.variant, time.monotonic() - began),
                flush=True)
    finally:
        results.save(args.output)
        for session in sessions.values():
            session.close()


def show(lines):
    print("\n".join(lines), flush=True)


def options():
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
    ap.add_argument("-m", "--million", action="store_true",
                    help="P6 also with 1000000 messages")
    ap.add_argument("-o", "--output", help="CSV file; plots go beside it",
                    default=os.path.join(HERE, "results", "bench.csv"))
    ap.add_argument("-l", "--last", action="store_true",
                    help="measure nothing: report the last run again")
    ap.add_argument("--document", action="store_true",
                    help="write the figures into docs/performance.md")
    ap.add_argument("scenario", nargs="*", help="P1 P1k P2 P3 P4 P5 P6 P7 P8 "
                    "P9 P10 memory; all.  quick: as BENCH=quick")
    args = ap.parse_intermixed_args()
    args.quick = os.environ.get("BENCH") == "quick" or \
        "quick" in args.scenario
    args.scenario = [x for x in args.scenario if x != "quick"]
    if args.document and (args.scenario or args.only or args.scale != 1):
        ap.error("--document needs all scenarios in full")
    return args


def measured(todo, args, results):
    """The facts about a run, which are kept beside its results, also of one
    that is interrupted."""
    about = machine.about(args.cache, os.environ.get("DMA_WORLD_DIR",
                                                     "/var/tmp"))
    loads, began = [machine.load()], time.monotonic()
    budget = Budget(args.quick)
    try:
        take_all(todo, args, results, loads, budget)
    finally:
        facts = {"command": "%stests/bench/run.sh%s" % (
                     "BENCH=quick " if args.quick else "",
                     " -m" if args.million else ""),
                 **{key: getattr(args, key) for key in KEPT},
                 "lines": about + [
                     "load:    %.1f before, %.1f to %.1f meanwhile" % (
                         loads[0], min(loads), max(loads)),
                     "spread:  " + report.spread(results),
                     "rounds:  %d repeated because the floor moved" %
                     budget.repeated,
                     "time:    %.0f s" % (time.monotonic() - began)]}
        with open(args.output + ".json", "w") as f:
            json.dump(facts, f)
    return facts


def reported_again(args, results):
    results.load(args.output)
    with open(args.output + ".json") as f:
        facts = json.load(f)
    for key in KEPT:
        setattr(args, key, facts[key])
    if args.document and (facts["scale"] != 1 or facts["only"] or
                          facts["scenario"]):
        sys.exit("run.py: the last run was not one of all scenarios in full")
    return facts


def whole_report(todo, args, results, facts):
    """All tables, plots and goals, as lines."""
    lines = []
    todo = report.measured(todo, results)
    for scenario in report.scenarios(todo):
        lines += ["", "%s: %s" % (scenario, report.MEANINGS[scenario])]
        mine = [c for c in todo if c.scenario == scenario]
        for cell in mine:
            lines += [""] + report.table(cell, results)
        for bars in filter(None, (report.bars(c, results) for c in mine)):
            lines += [""] + bars
    lines += [""] + facts["lines"]
    if any(key[3] == "part" for key in results.values):
        lines.append("* measured with a part of the work, and multiplied")
    if args.scale == 1:
        lines += [""] + report.summary(results)
    return lines


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    args = options()
    results = Results()
    if args.last:
        facts = reported_again(args, results)
        todo = chosen(args)
    else:
        todo = chosen(args)
        facts = measured(todo, args, results)
    lines = whole_report(todo, args, results, facts)
    made = report.plots(todo, results, os.path.dirname(args.output))
    text = os.path.splitext(args.output)[0] + ".txt"
    with open(text, "w") as f:
        f.write("\n".join(lines).lstrip("\n") + "\n")
    show(lines + ["", "written: %s %s %s" % (args.output, text, " ".join(
        os.path.basename(x) for x in made))])
    if args.document:
        report.document(todo, results, facts)


main()
