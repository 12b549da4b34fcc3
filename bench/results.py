# SPDX-License-Identifier: Apache-2.0
"""What was measured, as the parts of bench/run have left it: one JSON object a line, in one file for each part."""
import json
import os
import statistics

# In order: a part that ran again replaces what it measured before.
PARTS = ["socket", "engine", "image", "postgres", "databases"]


class Series:
    """Values of one thing, measured under the same circumstances ("at")."""

    def __init__(self, name, unit, at):
        self.name = name
        self.unit = unit
        self.at = at
        self.values = []

    @property
    def n(self):
        return len(self.values)

    @property
    def median(self):
        return statistics.median(self.values)

    @property
    def quartiles(self):
        if self.n == 1:
            return self.values[0], self.values[0]
        low, _, high = statistics.quantiles(self.values, n=4, method="inclusive")
        return low, high

    def as_json(self):
        low, high = self.quartiles
        return {"name": self.name, "unit": self.unit, "at": self.at, "n": self.n, "median": self.median,
                "q1": low, "q3": high, "values": self.values}


class Results:
    def __init__(self):
        self.series = {}
        self.machines = {}  # by part: what it was measured on

    def add(self, part, line):
        if "machine" in line:
            self.machines.setdefault(part, []).append(line["machine"])
            return
        key = (line["name"], tuple(sorted(line["at"].items())))
        series = self.series.setdefault(key, Series(line["name"], line["unit"], line["at"]))
        series.values += line["values"]

    def all(self, name):
        """Every series of that name, in the order of measuring."""
        return [series for (own, _), series in self.series.items() if own == name]

    def find(self, name, at=None):
        """The series of that name measured there, or None."""
        for series in self.all(name):
            if at is None or series.at == at:
                return series
        return None


def load(directory):
    results = Results()
    for part in PARTS:
        path = os.path.join(directory, part + ".jsonl")
        if os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                for line in file:
                    results.add(part, json.loads(line))
    return results


def shown(value, unit):
    """A measured value for people: 0.71 ms, 38 ms, 2.7 s, 3.4 MB, 512 per second."""
    if unit in ("us", "ms"):
        seconds = value / (1e6 if unit == "us" else 1e3)
        for factor, name in ((1, "s"), (1e3, "ms"), (1e6, "us")):
            if seconds * factor >= 1 or name == "us":
                return f"{short(seconds * factor)} {name}"
    if unit == "kB":
        return f"{short(value / 1000)} MB" if value >= 1000 else f"{short(value)} kB"
    return f"{short(value)} {unit}"


def short(number):
    """Three digits are all that a noisy machine has to say."""
    if abs(number) >= 100:
        return f"{number:,.0f}"
    return f"{number:.1f}" if abs(number) >= 10 else f"{number:.2f}"


def size(at):
    """Of a data set: 600 MB in 60 files."""
    return f"{at['bytes'] / 1e6:,.0f} MB in {at['files']:,.0f} file{'s' if at['files'] != 1 else ''}"
