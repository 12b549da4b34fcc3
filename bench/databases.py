#!/usr/bin/python3 -B
# SPDX-License-Identifier: Apache-2.0
"""Measures PostgreSQL on a pool in an image, in turns with local volumes on the same disk: how long a server takes to its
first row and what disk, by the size of the database; and how many transactions it gets done.

usage: bench/databases.py [--quick]        prints one JSON object a series; bench/run calls it
"""
import os
import sys
import time

from containers import docker, ms, progress, publish, settle, volume
from server import (DISK, IMAGE, begin, copy, create, make_database, prepare, start, stop, transactions, used,
                    used_at_rest)

DRIVER = "snapclone-image"
CLONES = 10
# Opens every file for writing, as servers do, and goes on as they do.
OPEN_ALL = 'find /data -type f | while read -r file; do : <>"$file" || exit 1; done && echo opened && exec sleep 600'


def make_sizes(scales):
    """Snapshots in the image and local volumes with the same, the middle one as a snapshot on ext4 too; returns their
    names and sizes. Tables with a tenth of their pages filled are made in a tenth of the time."""
    sizes = []
    for scale in scales:
        progress(f"making a PostgreSQL database of about {140 * scale} MB")
        name = f"size-{scale}"
        size = make_database(name + "-source", DRIVER, "-s", str(scale), "-F", "10")
        volume(name, f"snapshot-of={name}-source", driver=DRIVER)
        copy(name, name + "-local")
        sizes.append((name, size))
    middle = sizes[1][0]
    copy(middle, "on-ext4-source", driver="snapclone")
    volume("on-ext4", "snapshot-of=on-ext4-source")
    return sizes


def measure_first_rows(sizes, rounds):
    """From the start of a container that was created before: it begins with the Mount."""
    progress(f"to the first row, {rounds} times with each kind of volume")
    cases = [(kind, name + suffix, size) for name, size in sizes for kind, suffix in (("image", ""), ("local", "-local"))]
    cases.append(("ext4", "on-ext4", sizes[1][1]))
    times = {case: [] for case in cases}
    for number in range(rounds + 1):
        for case in cases:
            create("fresh", case[1])
            settle()
            taken = ms(begin, "fresh")
            if number > 0:  # the first ones find nothing in any cache
                times[case].append(taken)
            stop("fresh")
    for (kind, _, size), values in times.items():
        publish("first-row." + kind, "ms", values, bytes=size)


def measure_first_rows_disk(sizes, rounds):
    progress(f"the disk that is taken for the first row, {rounds} times")
    cases = [("image", *one) for one in sizes] + [("ext4", "on-ext4", sizes[1][1])]
    for kind, name, size in cases:
        taken = []
        for _ in range(rounds):
            before = used_at_rest()
            start("fresh", name)
            taken.append(used() - before)
            stop("fresh")
        publish(f"first-row.disk.{kind}", "kB", taken, bytes=size)


def measure_many_clones(name, size):
    progress(f"{CLONES} clones of about {size / 1e6:,.0f} MB, with every file opened for writing")
    before = used_at_rest()
    names = [f"clone-{number}" for number in range(CLONES)]
    for clone in names:
        docker("run", "-d", "--network", "none", "--name", clone, "-v", f"{name}:/data", IMAGE, "sh", "-c", OPEN_ALL)
    deadline = time.monotonic() + 300
    while not all(docker("logs", clone) == "opened" for clone in names):
        if time.monotonic() > deadline:
            raise RuntimeError("files cannot be opened: " + docker("logs", names[0]))
        time.sleep(0.2)
    publish("clones.disk", "kB", [used() - before], bytes=size, clones=CLONES)
    docker("rm", "-f", *names)


def disk_work():
    """Flushes of the engine's disk so far, and kilobytes written to it."""
    device = os.stat(DISK).st_dev
    with open(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}/stat", encoding="ascii") as file:
        fields = [int(field) for field in file.read().split()]
    return fields[15], fields[6] * 512 / 1000


def measure_commits(scale, seconds, rounds):
    """Every round of "frozen" begins with a new snapshot of that volume."""
    progress(f"pgbench, {rounds} times {seconds} s with each kind of volume")
    make_database("commits-source", DRIVER, "-s", str(scale))
    volume("commits", "snapshot-of=commits-source", driver=DRIVER)
    for kind, driver in (("local", "local"), ("volume", DRIVER), ("frozen", DRIVER)):
        copy("commits", "commits-" + kind, driver=driver)
    cases = {"clone": "commits", "local": "commits-local", "volume": "commits-volume", "frozen": "commits-frozen"}
    rates, flushes, written = ({kind: [] for kind in cases} for _ in range(3))
    for number in range(rounds):
        volume(f"commits-frozen-{number}", "snapshot-of=commits-frozen", driver=DRIVER)
        for kind, where in cases.items():
            start("fresh", where)
            settle()
            before = disk_work()
            rates[kind].append(transactions(seconds))
            done = rates[kind][-1] * seconds
            flushed, kilobytes = (after - earlier for after, earlier in zip(disk_work(), before))
            flushes[kind].append(flushed / done)
            written[kind].append(kilobytes / done)
            stop("fresh")
    for kind in cases:
        publish("pgbench.image." + kind, "per second", rates[kind])
        publish("pgbench.image.flushes." + kind, "each", flushes[kind])
        publish("pgbench.image.written." + kind, "kB", written[kind])


def main():
    quick = sys.argv[1:] == ["--quick"]
    prepare()
    sizes = make_sizes((1, 2, 3) if quick else (7, 29, 58))
    measure_first_rows(sizes, 1 if quick else 4)
    measure_first_rows_disk(sizes, 1 if quick else 2)
    measure_many_clones(*sizes[1])
    measure_commits(4 if quick else 45, 5 if quick else 10, 1 if quick else 3)


if __name__ == "__main__":
    main()
