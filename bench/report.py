# SPDX-License-Identifier: Apache-2.0
"""The report: report.json with every figure measured, report.md with the tables that
docs/performance.md has."""

import datetime
import json
import os
import pathlib
import platform
import statistics

from cells import AIMS, KINDS
from contenders import BARE_RELAY, RINGWAY
from rounds import figures as figures_of
from rounds import median

OWN, BARE = RINGWAY.name, BARE_RELAY.name
BEGIN = "<!-- written by bench/run --docs: begin -->"
END = "<!-- written by bench/run --docs: end -->"


# --- the whole run ------------------------------------------------------------------------------


def new(versions, options):
    return {"machine": machine(), "versions": versions, "settings": dict(vars(options)),
            "began": now(), "load_average": os.getloadavg(), "is_interrupted": False,
            "cells": [], "floor": []}


def end(report):
    """What follows from the figures: it may be worked out again from a report that was read."""
    for cell in report["cells"]:
        cell["medians"] = {name: median(cell, name) for name in names(cell)}
        cell["ratios"], cell["better"] = ratios(cell)
    report["aims"] = aims(report)


def write(report, folder):
    (folder / "report.json").write_text(json.dumps(report, indent=1) + "\n")
    (folder / "report.md").write_text(markdown(report) + "\n")


def document(report, page, plots):
    """Puts the tables and plots into a page, between the two lines that say where."""
    text = page.read_text()
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"bench/run: {page} lacks the lines {BEGIN} and {END}")
    images = "\n\n".join(f"![{name}]({page.stem}/{name}.svg)" for name in plots)
    page.write_text(f"{before}{begin}\n{markdown(report)}\n\n{images}\n{end}{after}")


def now():
    return datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")


def machine():
    model = next((line.split(":", 1)[1].strip()
                  for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines()
                  if line.startswith("model name")), platform.machine())
    return {"cpu": model, "cores": os.cpu_count(), "kernel": platform.release()}


# --- ratios and aims ----------------------------------------------------------------------------


def names(cell):
    """Of those that have figures in the cell, in the order of their measurement."""
    return list(dict.fromkeys(name for each in cell["rounds"] for name in each if name != "none"))


def ratios(cell):
    """Of ringway's figure to each other's, round by round, and the name of the best other: the
    lowest median of those that were not left behind by another configuration of their program."""
    found = {}
    for name in names(cell):
        pairs = [(each[OWN][cell["figure"]], each[name][cell["figure"]])
                 for each in cell["rounds"] if OWN in each and name in each]
        if name != OWN and name not in cell["failed"] and pairs:
            found[name] = spread([own / other for own, other in pairs if other > 0])
    most = max((ratio["n"] for ratio in found.values()), default=0)
    final = [name for name, ratio in found.items() if ratio["n"] == most and name != BARE]
    return found, min(final, key=lambda name: median(cell, name), default=None)


def spread(values):
    return {"median": statistics.median(values), "min": min(values), "max": max(values),
            "n": len(values)}


def aims(report):
    """A row for each aim whose cell was measured."""
    by_name = {cell["name"]: cell for cell in report["cells"]}
    return [aim_row(aim, by_name[aim.cell]) for aim in AIMS if aim.cell in by_name]


def aim_row(aim, cell):
    row = {"cell": aim.cell, "at_most": aim.at_most, "against": aim.against, "unit": cell["unit"],
           "ours": cell["medians"].get(OWN), "figure": None, "other": None}
    if OWN in cell["failed"] or OWN not in cell["medians"]:
        return row | {"failed": cell["failed"].get(OWN) or "not measured"}
    row["other"] = best(cell, aim.against)
    if not aim.against:
        scale = KINDS[cell["kind"]].scale
        row["figure"] = spread([each * scale for each in figures_of(cell, OWN)])
    elif row["other"]:
        row["figure"] = cell["ratios"][row["other"]]
    else:
        return row | {"failed": "nobody to compare with"}
    return row | {"theirs": cell["medians"].get(row["other"]),
                  "is_reached": row["figure"]["median"] <= aim.at_most}


def best(cell, against):
    """The name of the best other, or of the best configuration of one program."""
    if against in ("", "better"):
        return cell["better"]
    found = [name for name in cell["ratios"] if name.startswith(against)]
    most = max((cell["ratios"][name]["n"] for name in found), default=0)
    return min((name for name in found if cell["ratios"][name]["n"] == most),
               key=lambda name: cell["medians"][name], default=None)


# --- Markdown -----------------------------------------------------------------------------------


def markdown(report):
    parts = [head(report), aims_table(report), *kind_tables(report), memory_table(report),
             floor_table(report), failures(report)]
    return "\n\n".join(part for part in parts if part)


def head(report):
    versions, settings = report["versions"], report["settings"]
    load = ", ".join(f"{each:.1f}" for each in report["load_average"])
    text = (f"{versions['ringway']} beside {versions['nginx']} and {versions['haproxy']}; "
            f"{report['machine']['cpu']}, {report['machine']['cores']} cores, Linux "
            f"{report['machine']['kernel']}; {report['began']} to {report['ended']}; windows of "
            f"{settings['seconds']:g} s, n = {settings['rounds']}; load average {load}.")
    if report["load_average"][0] > 1:
        text += (" **The machine was shared and busy**: absolute figures are too high, rates and "
                 "latencies say little; the ratios are what to look at.")
    if report["is_interrupted"]:
        text += " **Interrupted: not all was measured.**"
    return text


def table(title, columns, rows):
    return "\n".join([title, "", f"| {' | '.join(columns)} |", "|---" * len(columns) + "|",
                      *(f"| {' | '.join(row)} |" for row in rows)]) if rows else ""


def aims_table(report):
    rows = []
    for row in report["aims"]:
        scale = KINDS[cell_of(report, row["cell"])["kind"]].scale
        if row.get("failed"):
            rows.append([row["cell"], f"FAILED: {row['failed']}", "", "", aim_text(row), "no"])
            continue
        rows.append([
            row["cell"], f"{number(row['ours'], scale)} {row['unit']}",
            f"{number(row['theirs'], scale)} ({row['other']})" if row["other"] else "–",
            spread_text(row["figure"]), aim_text(row), "yes" if row["is_reached"] else "**no**"])
    return table("The aims. Ratio: median of paired rounds (range).",
                 ["cell", "ringway", "best other", "ratio", "aim", "reached"], rows)


def aim_text(row):
    if row["against"]:
        return f"≤ {row['at_most']:.2f}" + (f" of {row['against']}"
                                            if row["against"] != "better" else "")
    return f"≤ {row['at_most']:g} {row['unit']}"


def kind_tables(report):
    for kind, what in KINDS.items():
        cells = [cell for cell in report["cells"] if cell["kind"] == kind and cell["rounds"]]
        if kind == "memory" or not cells:
            continue
        columns = ["cell", *order(cells), "ratio to the best other", *EXTRAS[kind]]
        rows = [[cell["name"], *(contender_text(cell, name, what.scale) for name in order(cells)),
                 ratio_text(cell), *(extra(cell) for extra in EXTRAS[kind].values())]
                for cell in cells]
        yield table(f"{what.title} ({what.unit}).", columns, rows)


def order(cells):
    return list(dict.fromkeys(name for cell in cells for name in (*names(cell), *cell["failed"])))


def contender_text(cell, name, scale):
    if name in cell["failed"]:
        return "FAILED"
    value = cell["medians"].get(name)
    text = number(value, scale)
    return f"**{text}**" if name in (OWN, cell["better"]) else text


def ratio_text(cell):
    return f"{spread_text(cell['ratios'][cell['better']])}" if cell["better"] else "–"


def spread_text(ratio):
    return (f"**{ratio['median']:.2f}** ({ratio['min']:.2f}–{ratio['max']:.2f}, "
            f"n = {ratio['n']})")


def number(value, scale=1):
    """Three digits that count."""
    if value is None:
        return "–"
    value *= scale
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def both(key, scale=1):
    """A column: ringway's and the best other's median of this figure."""
    def text(cell):
        shown = []
        for name in (OWN, cell["better"]):
            values = [each[name][key] for each in cell["rounds"] if name in each]
            shown.append(number(statistics.median(values), scale) if values else "–")
        return " / ".join(shown)
    return text


def rates(key, scale=1):
    """As both(), and a mark when it was the load generator that had no time left."""
    def text(cell):
        return both(key, scale)(cell) + (" †" if load_was_bottleneck(cell) else "")
    return text


def load_was_bottleneck(cell):
    """In most rounds of ringway, which had time left."""
    marks = [each[OWN]["load_was_bottleneck"] and each[OWN]["cpu_cores"] < 0.95
             for each in cell["rounds"] if OWN in each]
    return sum(marks) * 2 > len(marks)


EXTRAS = {
    "relay": {"messages/s": rates("messages_per_s"), "p99 ms": both("p99_us", 1e-3),
              "CPU of the load, cores": both("load_cpu_cores")},
    "bulk": {"MB/s": rates("bytes_per_s", 1e-6), "CPU of the load, cores": both("load_cpu_cores")},
    "storm": {"connections/s": rates("connections_per_s"),
              "CPU of the load, cores": both("load_cpu_cores")},
    "latency": {"p50 ms": both("p50_us", 1e-3), "p99.9 ms": both("p99_9_us", 1e-3),
                "messages/s": both("messages_per_s")},
    "neighbours": {"p50 alone ms": both("p50_alone_us", 1e-3),
                   "p50 beside ms": both("p50_beside_us", 1e-3),
                   "p99 alone ms": both("p99_alone_us", 1e-3),
                   "p99 beside ms": both("p99_beside_us", 1e-3),
                   "bulk beside MB/s": both("bulk_bytes_per_s", 1e-6)},
    "workers": {"messages/s, × one": both("rate_ratio")},
}


def memory_table(report):
    rows = []
    for cell in report["cells"]:
        if cell["kind"] != "memory" or not cell.get("points"):
            continue
        for name, points in cell["points"].items():
            if len(points) < 2:
                continue
            least, most = points[0], points[-1]
            count = most["connections"] - least["connections"]
            kernel = (most["kernel_bytes"] - least["kernel_bytes"]) / count / 1024
            user = (most["user_bytes"] - least["user_bytes"]) / count / 1024
            steps = " / ".join(number(value, 1 / 1024) for value in figures_of(cell, name))
            rows.append([cell["scheme"], name, f"{least['connections']} to {most['connections']}",
                         f"**{user:.2f}**" if name != "none" else "–",
                         steps if name != "none" else "–", f"{kernel:.1f}"])
    return table("One more idle connection, KB. Kernel: its caches for sockets, with both ends of all "
                 "on this machine; `none` is the same without a gateway.",
                 ["", "gateway", "connections", "user", "user, from point to point", "kernel"],
                 rows)


def floor_table(report):
    rows = [[each["name"].removeprefix("ws-"), f"{each['echoes_per_s']:.0f}",
             f"{each['load_us_per_echo']:.2f}"] for each in report["floor"]]
    return table("Without a gateway: what load and backend can do on their one core.",
                 ["connections × bytes", "echoes/s", "load generator, µs for each echo"], rows)


def failures(report):
    return "\n\n".join(f"{what}: {cell['name']}, {name}: {why}" for cell in report["cells"]
                       for what, reasons in (("FAILED", cell["failed"]),
                                             ("Not measured", cell.get("left_out", {})))
                       for name, why in reasons.items())


def cell_of(report, name):
    return next(cell for cell in report["cells"] if cell["name"] == name)
