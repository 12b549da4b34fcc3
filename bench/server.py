# SPDX-License-Identifier: Apache-2.0
"""PostgreSQL servers in containers, from an image of this machine's own programs. Their clients run outside, on a socket
that both see."""
import glob
import os
import re
import subprocess
import sys
import time

from containers import docker, make_image, run_in, settle, volume

IMAGE = "bench-postgres"
USER = "999"
QUERY = "select abalance from pgbench_accounts where aid = 4711"
SOCKETS = os.path.join(os.environ["BENCH_DIR"], "sockets")
DISK = os.path.join(os.environ["BENCH_DIR"], "engine", "data")


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


def create(name, where, *settings):
    """A container with a server on a volume, not started yet."""
    options = [word for setting in ("unix_socket_directories=/sockets", "listen_addresses=", "jit=off", *settings)
               for word in ("-c", setting)]
    docker("create", "--network", "none", "--user", USER, "--shm-size", "256m", "--name", name, "-v", f"{where}:/data",
           "-v", f"{SOCKETS}:/sockets", IMAGE, f"{BIN}/postgres", "-D", "/data/pg", *options)


def begin(name, answers=lambda: ask("bench")):
    """Starts a container that was created; returns when its server answers a query."""
    docker("start", name)
    deadline = time.monotonic() + 120
    while not answers():
        if time.monotonic() > deadline:
            raise RuntimeError("the server does not answer: " + docker("logs", name))
        time.sleep(0.005)


def start(name, where):
    create(name, where)
    begin(name)


def stop(name):
    """As politely as a person would, so that the next one need not recover."""
    docker("stop", "--time", "60", name)
    docker("rm", name)


def copy(source, target, driver="local"):
    """What is done without clones: a container whose only work is to copy a volume."""
    volume(target, driver=driver)
    docker("run", "--rm", "--network", "none", "-v", f"{source}:/from:ro", "-v", f"{target}:/to", IMAGE, "/usr/bin/cp", "-a",
           "/from/.", "/to/")


def make_database(source, driver, *how):
    """A volume with the database "bench", which pgbench makes as it is told; returns its size in bytes. What is made is
    durable only when the server has ended."""
    volume(source, driver=driver)
    run_in(source, IMAGE, "chown", USER, "/data")
    docker("run", "--rm", "--network", "none", "--user", USER, "-v", f"{source}:/data", IMAGE, f"{BIN}/initdb", "-D",
           "/data/pg", "-U", "postgres", "-A", "trust", "--no-locale", "-E", "UTF8")
    create("seeder", source, "fsync=off", "wal_level=minimal", "max_wal_senders=0")
    begin("seeder", lambda: client("psql", "-X", "-d", "postgres", "-c", "select 1", check=False) is not None)
    client("createdb", "bench")
    client("pgbench", "-i", "-q", *how, "bench")
    size = int(client("psql", "-X", "-At", "-d", "bench", "-c", "select pg_database_size('bench')"))
    # A server that starts near the end of a segment of its log makes the next one, of 16 MB.
    client("psql", "-X", "-d", "bench", "-c", "select pg_switch_wal()")
    stop("seeder")
    settle()
    return size


def prepare():
    """The image that the servers run in, and the directory of their sockets."""
    os.makedirs(SOCKETS)
    os.chmod(SOCKETS, 0o1777)
    make_image(IMAGE, ["/usr/bin/cp"],
               [f"/usr/lib/postgresql/{VERSION}", f"/usr/share/postgresql/{VERSION}", "/usr/share/zoneinfo"],
               passwd=f"postgres:x:{USER}:{USER}::/tmp:/bin/sh")


def transactions(seconds):
    """How many a second pgbench gets done, the first writes to every file included."""
    said = client("pgbench", "-c", "4", "-j", "2", "-T", str(seconds), "bench")
    return float(re.search(r"tps = ([0-9.]+)", said)[1])


def used():
    """Kilobytes of the engine's disk, which has the volumes of every driver."""
    settle()
    found = os.statvfs(DISK)
    return (found.f_blocks - found.f_bfree) * found.f_frsize / 1000


def used_at_rest():
    """The same, when clones are deleted and an image has given their space back: that begins after five seconds."""
    deadline = time.monotonic() + 120
    before, since = used(), time.monotonic()
    while time.monotonic() < since + 10:
        time.sleep(1)
        now = used()
        if abs(now - before) > 500:
            before, since = now, time.monotonic()
        if time.monotonic() > deadline:
            raise RuntimeError("the use of the disk does not come to rest")
    return now
