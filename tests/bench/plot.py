"""plot.py - bars out of the results, as an SVG file of our own making.

One panel for each measurement; the bar of each system is its median, as a
multiple of what dma 0.13 does (of the greatest, where that is missing).
"""
import collections
import csv
import html
import statistics

COLOURS = {"ours": "#1b6ca8", "limit": "#999999"}
PEER = "#d9a441"
WIDTH, PANEL, BAR, LABEL = 380, 30, 16, 90


def load(path):
    values = collections.defaultdict(lambda: collections.defaultdict(list))
    with open(path, newline="") as f:
        for row in csv.DictReader(f):
            key = (row["scenario"], row["variant"], row["metric"])
            values[key][row["system"]].append(float(row["value"]))
    return {key: {s: statistics.median(v) for s, v in systems.items()}
            for key, systems in values.items()}


def text(x, y, words, **more):
    style = "".join(' %s="%s"' % (k.replace("_", "-"), v)
                    for k, v in more.items())
    return '<text x="%g" y="%g"%s>%s</text>' % (x, y, style,
                                                html.escape(words))


def panel(x, y, title, systems):
    out = [text(x, y + 14, title, font_weight="bold")]
    most = max(systems.values()) or 1
    base = systems.get("dma") or most
    y += 22
    for name, value in systems.items():
        length = (WIDTH - LABEL - 130) * value / most
        out.append(text(x + LABEL - 6, y + 12, name, text_anchor="end"))
        out.append('<rect x="%g" y="%g" width="%.1f" height="%d" fill="%s"/>'
                   % (x + LABEL, y, max(length, 1), BAR - 3,
                      COLOURS.get(name, PEER)))
        out.append(text(x + LABEL + length + 4, y + 12, "%.3g (%.2f)" % (
            value, value / base)))
        y += BAR
    return out


def draw(source, target, wanted):
    """wanted: (scenario, variant, metric) of each panel, in order."""
    values = load(source)
    columns, out, heights = 3, [], [10]
    shown = [w for w in wanted if values.get(w)]
    for i in range(0, len(shown), columns):
        row = shown[i:i + columns]
        for j, key in enumerate(row):
            unit = {"rate": "messages a second", "p50_ms": "ms"}.get(
                key[2], key[2])
            out += panel(10 + j * WIDTH, heights[-1],
                         "%s %s: %s" % (key[0], key[1], unit), values[key])
        heights.append(heights[-1] + PANEL + 10 +
                       BAR * max(len(values[k]) for k in row))
    with open(target, "w") as f:
        f.write('<svg xmlns="http://www.w3.org/2000/svg" width="%d" '
                'height="%d" font-family="sans-serif" font-size="11">\n'
                '<rect width="100%%" height="100%%" fill="white"/>\n' % (
                    columns * WIDTH + 20, heights[-1] + 20))
        f.write("\n".join(out))
        f.write("\n" + text(10, heights[-1] + 10, "in brackets: as a multiple "
                            "of dma 0.13; medians") + "\n</svg>\n")
