#!/usr/bin/python3 -B
# SPDX-License-Identifier: Apache-2.0
"""Writes the report of what bench/run has measured.

usage: bench/report.py DIR          the table to the terminal; DIR/results.json, DIR/index.html and plots beside it
       bench/report.py --docs DIR   the same table and plots into docs/performance.md and docs/performance/
       bench/report.py --machine    a line about this machine for a part's file
"""
import html
import json
import os
import platform
import subprocess
import sys
import time

from plots import plots
from results import load, shown
from rows import rows

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
BEGIN, END = "<!-- what make bench-docs writes begins -->", "<!-- what make bench-docs writes ends -->"


def first(path, key):
    with open(path, encoding="utf-8") as file:
        for line in file:
            if line.startswith(key):
                return line.split(":", 1)[1].strip()
    return "unknown"


def output(*command):
    try:
        return subprocess.run(command, check=True, text=True, capture_output=True, cwd=ROOT).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def machine():
    return {
        "processor": first("/proc/cpuinfo", "model name"),
        "cores": os.cpu_count(),
        "memory_gb": round(int(first("/proc/meminfo", "MemTotal").split()[0]) / 1e6),
        "system": platform.freedesktop_os_release().get("PRETTY_NAME", "unknown"),
        "kernel": platform.release(),
        "engine": output("dockerd", "--version"),
        "disk": output("findmnt", "-n", "-o", "FSTYPE", "-T", "/var/tmp"),
        "revision": output("git", "describe", "--always", "--dirty"),
        "time": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "load": os.getloadavg()[0],
    }


def about(results):
    """Sentences that name the machine, and how busy it was."""
    parts = list(results.machines.items())
    if not parts:
        return []
    one = parts[-1][1][0]
    lines = [f"{one['processor']}, {one['cores']} cores, {one['memory_gb']} GB, {one['system']}, kernel {one['kernel']}, "
             f"{one['engine']}. Disks are images on {one['disk']} in /var/tmp, behind loop devices."]
    for part, seen in parts:
        loads = " to ".join(f"{machine['load']:.1f}" for machine in seen)
        lines.append(f"{part}: revision {seen[0]['revision']}, {seen[0]['time']}, load average {loads}.")
    return lines


HEAD = ["what", "measured", "baseline", "result", "target", ""]


def value(series):
    if series is None:
        return "-"
    low, high = (shown(quartile, series.unit) for quartile in series.quartiles)
    spread = f" ({low} to {high}, n={series.n})" if series.n > 1 else ""
    return shown(series.median, series.unit) + spread


def cells(row):
    verdict = {None: "", True: "met", False: "MISSED"}[row.met]
    return [row.what, value(row.measured), value(row.baseline), row.result, row.target, verdict]


def for_terminal(table):
    widths = [max(len(line[column]) for line in [HEAD, *table]) for column in range(len(HEAD))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in [HEAD, *table])


def for_markdown(table):
    lines = ["| " + " | ".join(line) + " |" for line in [HEAD, *table]]
    return "\n".join([lines[0], "|" + "---|" * len(HEAD), *lines[1:]])


def for_browser(results, table, pictures, directory):
    def line(cell, texts):
        return "<tr>" + "".join(f"<{cell}>{html.escape(text)}</{cell}>" for text in texts) + "</tr>"

    style = "body{font:15px sans-serif;margin:2em}td,th{padding:3px 12px 3px 0;text-align:left;vertical-align:top}"
    parts = ["<!doctype html><meta charset=utf-8><title>snapclone: measured</title>", f"<style>{style}</style>",
             "<h1>snapclone: measured</h1>", *(f"<p>{html.escape(text)}</p>" for text in about(results)),
             "<table>", line("th", HEAD), *(line("td", row) for row in table), "</table>"]
    for name, _ in pictures:
        with open(os.path.join(directory, name), encoding="utf-8") as file:
            parts.append(file.read()[len('<?xml version="1.0" encoding="utf-8"  standalone="no"?>'):])
    return "\n".join(parts) + "\n"


def write(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def report(directory):
    results = load(directory)
    found = list(rows(results))
    table = [cells(row) for row in found]
    pictures = plots(results, directory)
    document = {"machines": results.machines, "rows": [row.as_json() for row in found],
                "series": [series.as_json() for series in results.series.values()]}
    write(os.path.join(directory, "results.json"), json.dumps(document, indent=1) + "\n")
    write(os.path.join(directory, "index.html"), for_browser(results, table, pictures, directory))
    print(*about(results), "", for_terminal(table), "", sep="\n")
    print(summary(found))
    print(f"The same as a page with plots: {directory}/index.html, and as JSON: {directory}/results.json")


def summary(found):
    met, missed = (sum(row.met is verdict for row in found) for verdict in (True, False))
    return f"Of {met + missed} targets {met} are met and {missed} missed. Values are medians, with quartiles."


def write_docs(directory, page=os.path.join(ROOT, "docs", "performance.md")):
    results = load(directory)
    found = list(rows(results))
    with open(page, encoding="utf-8") as file:
        before, rest = file.read().split(BEGIN)
    after = rest.split(END)[1]
    beside = os.path.splitext(page)[0]
    os.makedirs(beside, exist_ok=True)
    pictures = [f"![{title}]({os.path.basename(beside)}/{name})" for name, title in plots(results, beside)]
    block = "\n\n".join([BEGIN, *about(results), for_markdown([cells(row) for row in found]), summary(found), *pictures, END])
    write(page, before + block + after)
    print(f"written: {os.path.relpath(page)} and {os.path.relpath(beside)}/")


def main():
    arguments = sys.argv[1:]
    if arguments == ["--machine"]:
        print(json.dumps({"machine": machine()}))
    elif len(arguments) == 2 and arguments[0] == "--docs":
        write_docs(arguments[1])
    elif len(arguments) == 1 and not arguments[0].startswith("-"):
        report(arguments[0])
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
