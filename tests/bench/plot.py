"""plot.py - bars and curves out of the results, as SVG files of our own making.

One panel for each measurement; the bar of each system is its median, as a
multiple of what dma 0.13 does.
"""
import collections
import html
import math
import re
import statistics

COLOURS = {"ours": "#1b6ca8", "limit": "#999999"}
PEER = "#d9a441"
WIDTH, PANEL, BAR, LABEL = 380, 30, 16, 90


def text(x, y, words, **more):
    style = "".join(' %s="%s"' % (k.replace("_", "-"), v)
                    for k, v in more.items())
    return '<text x="%g" y="%g"%s>%s</text>' % (x, y, style,
                                                html.escape(words))


def panel(x, y, title, systems):
    out = [text(x, y + 14, title, font_weight="bold")]
    most = max(systems.values())
    base = systems.get("dma")
    y += 22
    for name, value in systems.items():
        length = max(0, (WIDTH - LABEL - 130) * value / most)
        out.append(text(x + LABEL - 6, y + 12, name, text_anchor="end"))
        out.append('<rect x="%g" y="%g" width="%.1f" height="%d" fill="%s"/>'
                   % (x + LABEL, y, max(length, 1), BAR - 3,
                      COLOURS.get(name, PEER)))
        out.append(text(x + LABEL + length + 4, y + 12, "%.3g%s" % (
            value, " (%.2f)" % (value / base) if base else "")))
        y += BAR
    return out


def draw(results, target, cells, units):
    """A panel for each cell, in order; whether there was anything to draw."""
    values = {c.variant: {s: v for s, v in (
        (s, results.median(c.scenario, c.variant, s, c.main))
        for s in c.systems) if v is not None} for c in cells}
    columns, out, heights = 3, [], [10]
    shown = [c for c in cells if max(values[c.variant].values(), default=0) > 0]
    if not shown:
        return False
    for i in range(0, len(shown), columns):
        row = shown[i:i + columns]
        for j, c in enumerate(row):
            out += panel(10 + j * WIDTH, heights[-1], "%s: %s" % (
                c.variant, units.get(c.main, c.main)), values[c.variant])
        heights.append(heights[-1] + PANEL + 10 +
                       BAR * max(len(values[c.variant]) for c in row))
    with open(target, "w") as f:
        f.write('<svg xmlns="http://www.w3.org/2000/svg" width="%d" '
                'height="%d" font-family="sans-serif" font-size="11">\n'
                '<rect width="100%%" height="100%%" fill="white"/>\n' % (
                    columns * WIDTH + 20, heights[-1] + 20))
        f.write("\n".join(out))
        f.write("\n" + text(10, heights[-1] + 10, "in brackets: as a multiple "
                            "of dma 0.13; medians") + "\n</svg>\n")
    return True


CURVES = ("#d9a441", "#7a9e3a", "#a0522d", "#8060a8")
PLOT_W, PLOT_H, EDGE = 330, 220, 50


def series(results, scenario, word):
    """{title: {system: [(x, rate)]}} of the variants "TITLE, WORD: X REST"."""
    found = collections.defaultdict(lambda: collections.defaultdict(list))
    pattern = re.compile(r"(.*), %s: (\d+)(.*)" % re.escape(word))
    for (name, variant, system, metric), values in results.values.items():
        match = pattern.fullmatch(variant)
        if name == scenario and metric == "rate" and match:
            found[match.group(1) + match.group(3)][system].append(
                (int(match.group(2)), statistics.median(values)))
    return found


def curves(x, y, title, systems, word):
    """One panel, both axes logarithmic."""
    points = [p for line in systems.values() for p in line]
    low = 10 ** math.floor(math.log10(min(r for _, r in points)))
    high = 10 ** math.ceil(math.log10(max(r for _, r in points) + 1))
    right = max(2, max(n for n, _ in points))

    def at(n, rate):
        return (x + EDGE + PLOT_W * math.log(n) / math.log(right),
                y + 24 + PLOT_H * (1 - math.log(rate / low) /
                                   math.log(high / low)))
    out = [text(x, y + 14, title + ": messages a second",
                font_weight="bold")]
    rate = low
    while rate <= high:
        _, line = at(1, rate)
        out.append('<path d="M%g %gh%g" stroke="#ddd"/>' % (
            x + EDGE, line, PLOT_W))
        out.append(text(x + EDGE - 4, line + 4, "%g" % rate,
                        text_anchor="end"))
        rate *= 10
    for n in sorted({n for n, _ in points}):
        out.append(text(at(n, low)[0], y + PLOT_H + 38, "%d" % n,
                        text_anchor="middle"))
    out.append(text(x + EDGE + PLOT_W / 2, y + PLOT_H + 52, word,
                    text_anchor="middle"))
    spare = iter(CURVES * 3)
    for name, line in systems.items():
        colour = COLOURS.get(name) or next(spare)
        places = [at(*p) for p in sorted(line)]
        out.append('<polyline fill="none" stroke="%s" stroke-width="2" '
                   'points="%s"/>' % (colour, " ".join(
                       "%.1f,%.1f" % p for p in places)))
        out.append(text(places[-1][0] + 5, places[-1][1] + 4, name,
                        fill=colour))
    return out


def draw_curves(results, scenario, word, target):
    """Rates against a number that the variants name, a panel for each kind."""
    found = series(results, scenario, word)
    if not found:
        return False
    out, step = [], PLOT_W + EDGE + 90
    for i, (title, systems) in enumerate(sorted(found.items())):
        out += curves(10 + i % 2 * step, 10 + i // 2 * (PLOT_H + 80), title,
                      systems, word)
    with open(target, "w") as f:
        f.write('<svg xmlns="http://www.w3.org/2000/svg" width="%d" '
                'height="%d" font-family="sans-serif" font-size="11">\n'
                '<rect width="100%%" height="100%%" fill="white"/>\n%s\n'
                '</svg>\n' % (2 * step + 20, (len(found) + 1) // 2 *
                              (PLOT_H + 80) + 20, "\n".join(out)))
    return True
