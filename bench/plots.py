# SPDX-License-Identifier: Apache-2.0
"""Draws the plots of the report with gnuplot."""
import os
import subprocess

# The kernel alone, ourselves, and what we replace.
COLOURS = {"kernel": "#7f8c8d", "ours": "#2471a3", "other": "#c0392b"}


class Line:
    """One line of a plot: series against one of their circumstances."""

    def __init__(self, title, colour, all_series, key):
        self.title = title
        self.colour = COLOURS[colour]
        self.points = sorted((series.at[key], series) for series in all_series if series)

    def data(self):
        """x, median and quartiles; times in milliseconds."""
        rows = []
        for x, series in self.points:
            factor = 1000 if series.unit in ("us", "kB") else 1
            low, high = series.quartiles
            rows.append(f"{x} {series.median / factor} {low / factor} {high / factor}")
        return "\n".join(rows)


def draw(path, title, xlabel, ylabel, lines, log=""):
    """Writes one SVG; False if there is nothing to draw. `log` names the axes with a logarithmic scale."""
    lines = [line for line in lines if len(line.points) > 1]
    if not lines:
        return False
    script = [
        "set terminal svg size 640,400 background '#ffffff' font 'sans-serif,13'",
        f"set output '{path}'",
        f"set title '{title}'",
        f"set xlabel '{xlabel}'",
        f"set ylabel '{ylabel}'",
        "set key bottom right Left reverse" if "y" in log else "set key top left Left reverse",
        "set grid ytics lc rgb '#dddddd'",
        "set border 3",
        "set tics nomirror",
        "set format x '%.0s%c'",
        "set offsets graph 0.05, graph 0.05, 0, 0" if "x" not in log else "",
        f"set logscale {log}" if log else "",
        "" if "y" in log else "set yrange [0:*]",
    ]
    for number, line in enumerate(lines):
        script.append(f"$line{number} << EOD\n{line.data()}\nEOD")
    drawn = [f"$line{number} using 1:2:3:4 with yerrorlines pt 7 ps 0.5 lw 2 lc rgb '{line.colour}' title '{line.title}'"
             for number, line in enumerate(lines)]
    script.append("plot " + ", ".join(drawn))
    subprocess.run(["gnuplot"], input="\n".join(script) + "\n", text=True, check=True)
    return True


def with_files(results, name, files):
    return [series for series in results.all(name) if series.at["files"] == files]


def with_bytes(results, name, number):
    """Of as many bytes, or of the tiny files, whose number is what counts."""
    return [series for series in results.all(name) if series.at["bytes"] == number or series.at["files"] > 100_000]


def plots(results, directory):
    """Draws everything that was measured; returns the names and titles of the files, in order."""
    made = []

    def plot(name, title, *rest, **options):
        path = os.path.join(directory, name + ".svg")
        if draw(path, title, *rest, **options):
            made.append((name + ".svg", title))
        elif os.path.exists(path):
            os.remove(path)

    sizes = [series.at for series in results.all("mount")]
    if sizes:
        files = min(at["files"] for at in sizes)
        number = max((at["bytes"] for at in sizes if at["files"] > files and at["files"] <= 100_000), default=0)
        plot("bytes", f"A private copy of a snapshot, by bytes (in {files:,.0f} files)", "bytes", "ms", [
            Line("cp -a", "other", with_files(results, "cp", files), "bytes"),
            Line("Mount", "ours", with_files(results, "mount", files), "bytes"),
            Line("the kernel alone", "kernel", with_files(results, "mount.kernel", files), "bytes"),
        ], log="xy")
        plot("files", "A private copy of a snapshot, by files", "files", "ms", [
            Line("cp -a", "other", with_bytes(results, "cp", number), "files"),
            Line("Mount", "ours", with_bytes(results, "mount", number), "files"),
            Line("the kernel alone", "kernel", with_bytes(results, "mount.kernel", number), "files"),
        ], log="xy")
    plot("clones", "Mount, by clones that are held meanwhile", "clones", "ms", [
        Line("Mount", "ours", results.all("held.mount"), "clones"),
        Line("the kernel alone", "kernel", results.all("held.kernel"), "clones"),
    ])
    plot("volumes", "Mount and Get, by volumes in the pool", "volumes", "ms", [
        Line("Mount", "ours", results.all("crowd.mount"), "volumes"),
        Line("the kernel alone", "kernel", results.all("crowd.kernel"), "volumes"),
        Line("Get", "other", results.all("get"), "volumes"),
    ], log="x")
    plot("memory", "Resident memory, by Mounts and Unmounts done", "pairs", "MB", [
        Line("resident", "ours", results.all("memory.pairs"), "pairs"),
    ])
    return made
