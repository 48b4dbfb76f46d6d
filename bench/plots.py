# SPDX-License-Identifier: Apache-2.0
"""The plots of a report, drawn by gnuplot as SVG: ringway and of each other program its better
configuration. A plot whose cells were not measured is not drawn."""

import re
import shutil
import subprocess

from cells import AIMS, KINDS
from report import OWN, best

COLOURS = {"ringway": "#0a6ebd", "nginx": "#3c9d4e", "haproxy": "#e08a1e"}
LINE = 2.5


def draw(report, folder):
    """Writes NAME.svg for each plot into the folder; the names of those written."""
    if not shutil.which("gnuplot"):
        return []
    drawn = []
    for name, plot in PLOTS.items():
        script = plot(report)
        if script:
            (folder / f"{name}.svg").write_text(svg(script))
            drawn.append(name)
    return drawn


def svg(script):
    done = subprocess.run(["gnuplot"], input=script, capture_output=True, text=True, check=False)
    if done.returncode or not done.stdout:
        raise SystemExit(f"bench/run: gnuplot failed: {done.stderr}")
    return lean(done.stdout)


def lean(text):
    """A third of it: without gnuplot's empty groups, symbols that are not used, and what is the
    default or the same everywhere."""
    for same in (' stroke-linecap="butt" stroke-linejoin="miter"', ' stroke-width="1.00"',
                 ' class="gridline"', ' font-family="sans-serif" font-size="13.00" ', "\t"):
        text = text.replace(same, "")
    text = re.sub(r"<filter .*?</filter>\s*", "", text, flags=re.DOTALL)
    text = re.sub(r"<\w+ [^>]*id='(gpPt\d+)'[^>]*>\s*",
                  lambda symbol: symbol[0] if f"'#{symbol[1]}'" in text else "", text)
    text = re.sub(r"(<g [^>]*>\s*</g>|<a [^>]*>\s*</a>)\s*", "", text)
    return text.replace("<svg ", '<svg font-family="sans-serif" font-size="13"', 1)


def terminal(width, height):
    return (f"set terminal svg size {width},{height} noenhanced font 'sans-serif,13' "
            "background '#ffffff'\n"
            "set border 3 linecolor '#555555'\nset tics nomirror textcolor '#333333'\n"
            "set grid ytics linecolor '#dddddd'\n")


def cells_of(report, *kinds):
    return [cell for cell in report["cells"] if cell["kind"] in kinds and cell.get("medians")]


def shown(cell, gateway):
    """Of whom this program's figure is, or None."""
    name = OWN if gateway == OWN else best(cell, gateway)
    return name if name in cell["medians"] and name not in cell["failed"] else None


def block(name, rows):
    """A named block of inline data."""
    lines = ["\t".join(f'"{each}"' if isinstance(each, str) else f"{each:.6g}" for each in row)
             for row in rows]
    return "\n".join([f"${name} << END", *lines, "END", ""])


# --- bars ---------------------------------------------------------------------------------------


def bars(name, title, y_label, groups):
    """Clusters of a bar for each program. `groups`: label, and figure by program."""
    if not groups:
        return ""
    rows = [[label, *(figures.get(gateway, float("nan")) for gateway in COLOURS)]
            for label, figures in groups]
    parts = ", ".join(
        f"${name} using {2 + number}:xtic(1) title '{gateway}' linecolor rgb '{colour}'"
        for number, (gateway, colour) in enumerate(COLOURS.items()))
    return (block(name, rows)
            + "set style data histograms\nset style histogram clustered gap 1\n"
              "set style fill solid 0.9 noborder\nset boxwidth 0.95\n"
              f"set title '{title}'\nset ylabel '{y_label}'\nset yrange [0:*]\n"
              "set xtics rotate by -35 scale 0\nset key above samplen 1\n"
              f"plot {parts}\n")


def by_gateway(cell, scale=1):
    names = {gateway: shown(cell, gateway) for gateway in COLOURS}
    return {gateway: cell["medians"][name] * scale for gateway, name in names.items() if name}


def cpu(report):
    small, large = [], []
    for cell in sorted(cells_of(report, "relay", "bulk"),
                       key=lambda cell: (cell["scheme"], cell["size"], cell["connections"])):
        if cell["kind"] == "bulk":
            large.append((cell["name"], by_gateway(cell)))
        elif cell["size"] > 4096:
            large.append((cell["name"], by_gateway(cell, 1e3 / cell["size"])))
        elif cell["connections"] > 1:  # a message of one alone costs five times as much
            small.append((cell["name"], by_gateway(cell)))
    return panels(1000, 430, [
        bars("small", "CPU for each relayed message, 64 connections and more", "µs", small),
        bars("large", "CPU for each GB relayed", "s", large)])


def handshakes(report):
    labels = {"wss-connect": "full TLS 1.3", "wss-connect-resumed": "resumed TLS 1.3",
              "ws-connect": "no TLS"}
    groups = [(labels[cell["name"]], by_gateway(cell)) for cell in cells_of(report, "storm")]
    return panels(560, 400, [bars("storm", "Accept, handshake, upgrade, close: CPU for each "
                                  "connection", "µs", groups)])


def panels(width, height, plots):
    """Side by side, those that there are."""
    plots = [plot for plot in plots if plot]
    if not plots:
        return ""
    return (terminal(width, height) + f"set multiplot layout 1,{len(plots)}\n"
            + "".join(plots) + "unset multiplot\n")


# --- ratios -------------------------------------------------------------------------------------


def ratios(report):
    """A point and its range for each cell, against the best other; its aim as a bar."""
    aims = {aim.cell: aim for aim in AIMS}
    rows, goals = [], []
    cells = [cell for cell in cells_of(report, *KINDS)
             if cell.get("better") and cell["kind"] not in ("neighbours", "workers")]
    for place, cell in enumerate(reversed(cells)):
        ratio = cell["ratios"][cell["better"]]
        rows.append([f"{cell['name']}  ({cell['better']})", place, ratio["median"], ratio["min"],
                     ratio["max"]])
        aim = aims.get(cell["name"])
        if aim and aim.against and best(cell, aim.against) == cell["better"]:
            goals.append([aim.at_most, place])
    if not rows:
        return ""
    most = min(max(row[4] for row in rows), 2)
    return (terminal(760, 110 + 22 * len(rows)) + block("ratios", rows)
            + (block("goals", goals) if goals else "")
            + "set title 'ringway / best other (named): median and range of paired rounds'\n"
              "set xlabel 'below 1: ringway is better'\n"
              f"set xrange [0:{max(most * 1.05, 1.2):.3g}]\nset yrange [-0.7:{len(rows) - 0.3}]\n"
              "unset grid\nset grid xtics linecolor '#dddddd'\n"
              "set arrow from 1, graph 0 to 1, graph 1 nohead linewidth 2 linecolor '#999999'\n"
              "set key above\nset ytics scale 0\n"
              "plot $ratios using 3:2:4:5:ytic(1) with xerrorbars pointtype 7 pointsize 0.9 "
              f"linewidth 1.8 linecolor rgb '{COLOURS[OWN]}' notitle"
            + (", $goals using 1:2 with points pointtype 2 pointsize 0.9 linewidth 2 linecolor rgb "
               "'#c0392b' title 'aim'" if goals else "") + "\n")


# --- lines --------------------------------------------------------------------------------------


def memory(report):
    return panels(1000, 400, [memory_lines(cell) for cell in cells_of(report, "memory")])


def memory_lines(cell):
    series = [(gateway, [[each["connections"], each["user_bytes"] / 1e6]
                         for each in cell["points"][name]])
              for gateway, name in ((each, shown(cell, each)) for each in COLOURS) if name]
    return lines(cell["scheme"], series,
                 "linespoints pointtype 7 pointsize 0.6",
                 f"User memory with idle {cell['scheme']} connections",
                 "set xlabel 'connections'\nset ylabel 'MB'\nset yrange [0:*]\n"
                 "set key top left\n")


def latency(report):
    return panels(1000, 400, [latency_lines(cell) for cell in cells_of(report, "latency")])


def latency_lines(cell):
    series = [(gateway, quantiles(merged(cell, name)))
              for gateway, name in ((each, shown(cell, each)) for each in COLOURS) if name]
    tics = ", ".join(f"'{label}' {place}" for label, place in
                     (("0", 1), ("90 %%", 10), ("99 %%", 100), ("99.9 %%", 1000),
                      ("99.99 %%", 10000)))
    return lines(cell["scheme"], series, "lines",
                 f"Latency, {cell['scheme']}, {cell['connections']} × {cell['size']} B, "
                 f"{cell.get('rate', 0)} messages/s",
                 f"set xlabel 'share of the messages'\nset ylabel 'ms'\nset logscale xy\n"
                 f"set xrange [1:20000]\nset xtics ({tics})\nset key bottom right\n")


def lines(name, series, style, title, settings):
    if not series:
        return ""
    data = "".join(block(f"{name}{number}", rows) for number, (_, rows) in enumerate(series))
    parts = ", ".join(
        f"${name}{number} using 1:2 with {style} linewidth {LINE} "
        f"linecolor rgb '{COLOURS[gateway]}' title '{gateway}'"
        for number, (gateway, _) in enumerate(series))
    return data + f"set title '{title}'\n{settings}plot {parts}\n"


def merged(cell, name):
    """One histogram, [lower bound in ns, count], of all rounds."""
    sums = {}
    for each in cell["rounds"]:
        for bound, count in each.get(name, {}).get("buckets_ns", []):
            sums[bound] = sums.get(bound, 0) + count
    return sorted(sums.items())


def quantiles(histogram):
    """1 / (the share that took longer), and the time in ms: each nine is as wide as the last.
    In steps that no eye can tell from a curve."""
    total = sum(count for _, count in histogram)
    rows, below = [], 0
    for bound, count in histogram:
        below += count
        if below == total:
            break
        row = [total / (total - below), bound / 1e6]
        if not rows or row[0] > 1.3 * rows[-1][0] or row[1] > 1.05 * rows[-1][1]:
            rows.append(row)
    return rows


PLOTS = {"cpu": cpu, "ratios": ratios, "memory": memory, "handshakes": handshakes,
         "latency": latency}
