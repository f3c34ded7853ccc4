"""report.py - what was measured, as text, as plots and as a document."""
import os
import re
import shutil
import statistics
import subprocess

import plot
from cells import CLIENTS
from goals import Figures, goals

HERE = os.path.dirname(os.path.abspath(__file__))
TREE = os.path.dirname(os.path.dirname(HERE))
DOCUMENT = os.path.join(TREE, "docs", "performance.md")
BEGIN, END = "<!-- figures: begin -->\n", "<!-- figures: end -->\n"
MOVED_MOST = 0.3                # of a floor, else nothing is concluded
# Of the machine, and of the program that does only what is needed.
PROCESSOR = ("processor_ms",)
FLOORS = PROCESSOR + ("disk_ms", "rate", "seconds")
BAR = 40                        # columns of the longest bar of a text plot
UNITS = {"rate": "messages a second", "p50_ms": "ms, median",
         "whole_ms": "ms",
         "growth_kb": "kB grown", "kb_per_session": "kB for each client",
         "calls": "system calls", "syncs": "sync calls a message"}
# The peer that a goal names, where it is not dma.
PEERS = {"P3": "exim", "P5": "postfix", "P7": "nullmailer", "P9": "postfix"}
MEANINGS = {"P1": "submission", "P1k": "submission to 1000 recipients",
            "P2": "delivery to mailboxes",
            "P3": "one message to 1000 recipients through a relay",
            "P4": "a burst of 1000 messages", "P5": "flush of a queue",
            "P6": "a long queue", "P7": "one message of 100 MB",
            "P8": "a call that does nothing", "P9": "intake by SMTP",
            "P10": "the mail of another user", "memory": "memory"}


def number(value):
    if value is None:
        return "-"
    if value == int(value) and abs(value) < 1e7:
        return "%d" % value
    return "%.4g" % value


def ratio(value, base):
    return "%.2f" % (value / base) if value is not None and base else "-"


def moved(values):
    """How far apart the ends of a series are, as a share of the least."""
    return max(values) / min(values) - 1 if values and min(values) > 0 else 0


def floor_moved(results, places, metrics=FLOORS):
    """The worst of all floors of these cells, or None if there was none."""
    worst = []
    for metric in metrics:
        worst.append(moved([v for place in places for v in
                            results.values.get((*place, "floor", metric), ())]))
        worst += [moved(results.values.get((*place, "limit", metric)))
                  for place in places]
    return max(worst) if any((*place, "floor", "disk_ms") in results.values
                             for place in places) else None


def measured(cells, results):
    """Those that have a figure; some may have failed."""
    return [c for c in cells if any(
        results.median(c.scenario, c.variant, s, c.main) is not None
        for s in c.systems)]


def aligned(rows):
    """The first column to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows)]
    return ["  " + "  ".join([row[0].ljust(widths[0])] + [
        x.rjust(w) for x, w in zip(row[1:], widths[1:])]).rstrip()
            for row in rows]


def table(cell, results):
    """The medians of one cell, with ratios to dma 0.13, to the peer that the
    goals name and to the limit."""
    def get(system, metric):
        return results.median(cell.scenario, cell.variant, system, metric)
    shown = [m for m in cell.more
             if any(get(s, m) is not None for s in cell.systems)]
    bases = [b for b in ("dma", PEERS.get(cell.scenario), "limit")
             if b and get(b, cell.main)]
    rows = [["", cell.main, "spread"] + ["/" + b for b in bases] + shown]
    for name in cell.systems:
        value = get(name, cell.main)
        if value is None:
            continue
        all_of_them = results.values[cell.scenario, cell.variant, name,
                                     cell.main]
        part = get(name, "part")
        rows.append([name + ("*" if part else ""), number(value),
                     "%.0f%%" % (100 * moved(all_of_them))
                     if len(all_of_them) > 1 else "-",
                     *(ratio(value, get(b, cell.main)) for b in bases)] +
                    [number(get(name, m)) for m in shown])
    by = floor_moved(results, [(cell.scenario, cell.variant)])
    return ["%s  %s  (floor moved by %s)" % (
        cell.scenario, cell.variant, "?" if by is None else
        "%.0f %%" % (100 * by))] + aligned(rows)


def bars(cell, results):
    """A plot of the main metric, in text."""
    values = [(s, results.median(cell.scenario, cell.variant, s, cell.main))
              for s in cell.systems]
    values = [(s, v) for s, v in values if v is not None]
    most = max((v for _, v in values), default=0)
    if most <= 0:
        return []
    return ["%s: %s" % (cell.variant, UNITS.get(cell.main, cell.main))] + [
        "  %-11s|%s %s" % (s, "#" * round(BAR * max(v, 0) / most), number(v))
        for s, v in values]


def scenarios(cells):
    return list(dict.fromkeys(c.scenario for c in cells))


def verdicts(results):
    """(scenario, name, figure, floor, bound, verdict) of all that was
    measured."""
    figures = Figures(results)
    peers = [x for x in CLIENTS if x not in ("ours", "limit")]
    for scenario, name, figure, sign, bound in goals(figures, peers):
        timed, floor = figures.take()
        if figure is None:
            continue
        is_met = figure <= bound if sign == "<=" else figure >= bound
        is_processor = all(t[2] for t in timed)
        by = floor_moved(results, [t[:2] for t in timed], PROCESSOR
                         if is_processor else FLOORS) if timed else 0
        verdict = "met" if is_met else "missed"
        if by is None:
            verdict = "no floor"
        elif by > MOVED_MOST:
            verdict = "no conclusion (floor moved %.0f %%)" % (100 * by)
        yield scenario, name, number(round(figure, 3)), \
            "-" if floor is None else number(round(floor, 3)), \
            "%s %s" % (sign, number(bound)), verdict


def summary(results):
    rows = list(verdicts(results))
    count = {word: sum(r[5].startswith(word) for r in rows)
             for word in ("met", "missed", "no ")}
    return ["goals; floor: the same figure of the floor program"] + aligned(
        [("", "ours", "floor", "goal", "")] +
        [("%-6s %s" % r[:2],) + r[2:] for r in rows]) + [
        "%d met, %d missed, %d without a conclusion" % (
            count["met"], count["missed"], count["no "])] if rows else []


def plots(cells, results, folder):
    """SVG of each scenario, and PNG where rsvg-convert is installed."""
    os.makedirs(folder, exist_ok=True)
    made = []
    for scenario in scenarios(cells):
        path = os.path.join(folder, scenario + ".svg")
        if plot.draw(results, path, [c for c in cells
                                     if c.scenario == scenario], UNITS):
            made.append(path)
    path = os.path.join(folder, "P9-sessions.svg")
    if plot.draw_curves(results, "P9", "sessions", path):
        made.append(path)
    if shutil.which("rsvg-convert"):
        for path in made:
            subprocess.run(["rsvg-convert", "-o", path[:-4] + ".png", path],
                           check=True)
    return made


def document_text(cells, results, facts):
    out = ["Measured with `%s`.\n" % facts["command"], "```"]
    out += facts["lines"] + ["```", ""]
    out += ["| | figure | measured | floor | goal | |",
            "|---|---|---|---|---|---|"]
    out += ["| %s |" % " | ".join(row) for row in verdicts(results)]
    for scenario in scenarios(measured(cells, results)):
        out += ["", "### %s: %s" % (scenario, MEANINGS[scenario]), ""]
        out += ["![%s](performance/%s.svg)" % (scenario, scenario), ""]
        if scenario == "P9":
            out += ["![rates by sessions](performance/P9-sessions.svg)", ""]
        out.append("```")
        for cell in measured(cells, results):
            if cell.scenario == scenario:
                out += table(cell, results) + [""]
        out[-1] = "```"
    return "\n".join(out) + "\n"


def document(cells, results, facts):
    """Puts the figures into docs/performance.md, and the plots beside it."""
    with open(DOCUMENT) as f:
        text = f.read()
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    with open(DOCUMENT, "w") as f:
        f.write(head + BEGIN + "\n" + document_text(cells, results, facts) +
                "\n" + END + tail)
    folder = os.path.splitext(DOCUMENT)[0]
    plots(cells, results, folder)
    for name in os.listdir(folder):
        if re.search(r"\.png$", name):
            os.unlink(os.path.join(folder, name))


def spread(results):
    """The median of how far rounds of ours lie apart."""
    found = [moved(v) for (_, _, system, metric), v in results.values.items()
             if system == "ours" and metric in ("rate", "seconds") and
             len(v) > 1]
    return "rounds of the same lie %.0f %% apart (median)" % (
        100 * statistics.median(found)) if found else "one round"
