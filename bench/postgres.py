#!/usr/bin/python3 -B
# SPDX-License-Identifier: Apache-2.0
"""Measures fresh databases for PostgreSQL: clones of a snapshot, and what people use without them. The server runs in
containers, from an image of this machine's own programs; its clients run outside, on a socket that both see.

usage: bench/postgres.py [--quick]        prints one JSON object a series; bench/run calls it
"""
import glob
import os
import re
import subprocess
import sys
import time

from containers import docker, make_image, ms, progress, publish, run_in, settle, volume

IMAGE = "bench-postgres"
USER = "999"
QUERY = "select abalance from pgbench_accounts where aid = 4711"
SOCKETS = os.path.join(os.environ["BENCH_DIR"], "sockets")


def newest():
    """The version that is installed: 15."""
    found = [os.path.basename(path) for path in glob.glob("/usr/lib/postgresql/*") if os.path.exists(path + "/bin/postgres")]
    if not found:
        sys.exit("bench: there is no PostgreSQL server here: scripts/install-packages postgres")
    return max(found, key=float)


VERSION = newest()
BIN = f"/usr/lib/postgresql/{VERSION}/bin"


def client(program, *arguments, check=True):
    """One of PostgreSQL's clients, on the host."""
    done = subprocess.run([f"{BIN}/{program}", "-h", SOCKETS, "-U", "postgres", *arguments], check=False, text=True,
                          capture_output=True)
    if check and done.returncode != 0:
        raise RuntimeError(f"{program}: {done.stderr.strip()}")
    return done.stdout if done.returncode == 0 else None


def ask(database):
    return client("psql", "-X", "-At", "-d", database, "-c", QUERY, check=False) is not None


def start(name, where):
    """A server on a volume, until it answers a query."""
    docker("run", "-d", "--network", "none", "--user", USER, "--shm-size", "256m", "--name", name, "-v", f"{where}:/data",
           "-v", f"{SOCKETS}:/sockets", IMAGE, f"{BIN}/postgres", "-D", "/data/pg", "-c", "unix_socket_directories=/sockets",
           "-c", "listen_addresses=", "-c", "jit=off")
    deadline = time.monotonic() + 120
    while not ask("bench"):
        if time.monotonic() > deadline:
            raise RuntimeError("the server does not answer: " + docker("logs", name))
        time.sleep(0.005)


def stop(name):
    """As politely as a person would, so that the next one need not recover."""
    docker("stop", "--time", "60", name)
    docker("rm", name)


def copy(source, target, driver="local"):
    """What is done without clones: a container whose only work is to copy a volume."""
    volume(target, driver=driver)
    docker("run", "--rm", "--network", "none", "-v", f"{source}:/from:ro", "-v", f"{target}:/to", IMAGE, "/usr/bin/cp", "-a",
           "/from/.", "/to/")


def make_seed(scale):
    """A snapshot `seed` and a local volume `plain` with the same database; returns its size in bytes."""
    progress(f"making a PostgreSQL {VERSION} database of about {15 * scale} MB")
    volume("seed-source")
    run_in("seed-source", IMAGE, "chown", USER, "/data")
    docker("run", "--rm", "--network", "none", "--user", USER, "-v", "seed-source:/data", IMAGE, f"{BIN}/initdb", "-D",
           "/data/pg", "-U", "postgres", "-A", "trust", "--no-locale", "-E", "UTF8")
    docker("run", "-d", "--network", "none", "--user", USER, "--name", "seeder", "-v", "seed-source:/data", "-v",
           f"{SOCKETS}:/sockets", IMAGE, f"{BIN}/postgres", "-D", "/data/pg", "-c", "unix_socket_directories=/sockets")
    while client("psql", "-X", "-d", "postgres", "-c", "select 1", check=False) is None:
        time.sleep(0.05)
    client("createdb", "bench")
    client("pgbench", "-i", "-q", "-s", str(scale), "bench")
    size = int(client("psql", "-X", "-At", "-d", "bench", "-c", "select pg_database_size('bench')"))
    stop("seeder")
    volume("seed", "snapshot-of=seed-source")
    copy("seed", "plain")
    return size


def from_clone():
    start("fresh", "seed")


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
    times = {name: [] for name in ("clone", "copy", "template", "template-files", "dump")}
    for _ in range(rounds):
        settle()
        times["clone"].append(ms(from_clone))
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
    """As many transactions as pgbench gets done, the first writes to every file included."""
    progress(f"pgbench, {rounds} times {seconds} s in a clone and on a local volume")
    rates = {"clone": [], "local": []}
    for _ in range(rounds):
        for name, where in (("clone", "seed"), ("local", "plain")):
            start("fresh", where)
            settle()
            said = client("pgbench", "-c", "4", "-j", "2", "-T", str(seconds), "bench")
            rates[name].append(float(re.search(r"tps = ([0-9.]+)", said)[1]))
            stop("fresh")
    for name, values in rates.items():
        publish("pgbench." + name, "per second", values)


def used(disk):
    """Kilobytes, of the whole file system."""
    settle()
    found = os.statvfs(disk)
    return (found.f_blocks - found.f_bfree) * found.f_frsize / 1000


def wait_for_deletion(disk, before):
    """Of a clone that has ended. Logs of containers may have grown by some kilobytes."""
    deadline = time.monotonic() + 120
    while used(disk) > before + 10_000:
        if time.monotonic() > deadline:
            raise RuntimeError("a clone is not deleted")
        time.sleep(0.2)


def measure_disk(size, rounds):
    """What a clone takes until a server is started on it and has read one row by its index. Nobody else writes to these
    disks meanwhile."""
    progress(f"the disk that a clone takes for its first query, {rounds} times on ext4 and on xfs")
    copy("seed", "xfs-source", driver="snapclone-xfs")
    volume("xfs-seed", "snapshot-of=xfs-source", driver="snapclone-xfs")
    for kind, where, path in (("ext4", "seed", "engine/data"), ("xfs", "xfs-seed", "disk-xfs")):
        disk = os.path.join(os.environ["BENCH_DIR"], path)
        before = used(disk)
        taken = []
        for _ in range(rounds):
            start("fresh", where)
            taken.append(used(disk) - before)
            stop("fresh")
            wait_for_deletion(disk, before)
        publish("database.disk." + kind, "kB", taken, bytes=size)


def main():
    quick = sys.argv[1:] == ["--quick"]
    os.makedirs(SOCKETS)
    os.chmod(SOCKETS, 0o1777)
    make_image(IMAGE, ["/usr/bin/cp"],
               [f"/usr/lib/postgresql/{VERSION}", f"/usr/share/postgresql/{VERSION}", "/usr/share/zoneinfo"],
               passwd=f"postgres:x:{USER}:{USER}::/tmp:/bin/sh")
    size = make_seed(4 if quick else 45)
    measure_fresh(size, 1 if quick else 5)
    measure_commits(5 if quick else 30, 1 if quick else 3)
    measure_disk(size, 1 if quick else 3)


if __name__ == "__main__":
    main()
