#!/usr/bin/python3 -B
# SPDX-License-Identifier: Apache-2.0
"""Measures fresh databases for PostgreSQL: clones of a snapshot, on ext4 and in an image, and what people use without them.

usage: bench/postgres.py [--quick]        prints one JSON object a series; bench/run calls it
"""
import os
import sys

from containers import docker, ms, progress, publish, settle, volume
from server import VERSION, ask, client, copy, make_database, prepare, start, stop, transactions, used, used_at_rest


def make_seed(scale):
    """A snapshot `seed` of the plugin, another one, `image-seed`, in an image, and a local volume `plain` with the same
    database; returns its size in bytes."""
    progress(f"making a PostgreSQL {VERSION} database of about {15 * scale} MB")
    size = make_database("seed-source", "snapclone", "-s", str(scale))
    volume("seed", "snapshot-of=seed-source")
    copy("seed", "plain")
    copy("seed", "image-source", driver="snapclone-image")
    volume("image-seed", "snapshot-of=image-source", driver="snapclone-image")
    return size


def from_clone(seed):
    start("fresh", seed)


def from_copy():
    copy("plain", "fresh-copy")
    start("fresh", "fresh-copy")


def from_template(*strategy):
    client("createdb", "-T", "bench", *strategy, "fresh")
    ask("fresh")


def from_dump(dump):
    client("createdb", "fresh")
    client("pg_restore", "-j", "2", "-d", "fresh", dump)
    ask("fresh")


def measure_fresh(size, rounds):
    """Containers of their own in turns, then fresh databases of one server in turns."""
    progress(f"fresh databases, {rounds} of each kind")
    times = {name: [] for name in ("clone", "image", "copy", "template", "template-files", "dump")}
    for _ in range(rounds):
        for name, seed in (("clone", "seed"), ("image", "image-seed")):
            settle()
            times[name].append(ms(from_clone, seed))
            stop("fresh")
        settle()
        times["copy"].append(ms(from_copy))
        stop("fresh")
        docker("volume", "rm", "fresh-copy")
    dump = os.path.join(os.environ["BENCH_DIR"], "dump")
    start("server", "plain")
    client("pg_dump", "-Fc", "-Z", "0", "-f", dump, "bench")
    ways = {"template": from_template, "template-files": lambda: from_template("--strategy=file_copy"),
            "dump": lambda: from_dump(dump)}
    for _ in range(rounds):
        for name, way in ways.items():
            settle()
            times[name].append(ms(way))
            client("dropdb", "fresh")
    stop("server")
    for name, values in times.items():
        publish("database." + name, "ms", values, bytes=size)


def measure_commits(seconds, rounds):
    progress(f"pgbench, {rounds} times {seconds} s in a clone and on a local volume")
    rates = {"clone": [], "local": []}
    for _ in range(rounds):
        for name, where in (("clone", "seed"), ("local", "plain")):
            start("fresh", where)
            settle()
            rates[name].append(transactions(seconds))
            stop("fresh")
    for name, values in rates.items():
        publish("pgbench." + name, "per second", values)


def measure_disk(size, rounds):
    """What a clone takes until a server is started on it and has read one row by its index. Nobody else writes to this
    disk meanwhile."""
    progress(f"the disk that a clone takes for its first query, {rounds} times on ext4 and in an image")
    for kind, where in (("ext4", "seed"), ("image", "image-seed")):
        taken = []
        for _ in range(rounds):
            before = used_at_rest()
            start("fresh", where)
            taken.append(used() - before)
            stop("fresh")
        publish("database.disk." + kind, "kB", taken, bytes=size)


def main():
    quick = sys.argv[1:] == ["--quick"]
    prepare()
    size = make_seed(4 if quick else 45)
    measure_fresh(size, 1 if quick else 5)
    measure_commits(5 if quick else 30, 1 if quick else 3)
    measure_disk(size, 1 if quick else 3)


if __name__ == "__main__":
    main()
