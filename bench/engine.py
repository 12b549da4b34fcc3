#!/usr/bin/python3 -B
# SPDX-License-Identifier: Apache-2.0
"""Measures what has an engine in it: the copies that a clone replaces, and whole containers.

usage: bench/engine.py [--quick]        prints one JSON object a series; bench/run calls it
"""
import shutil
import subprocess
import sys

from containers import clones_held, docker, make_image, mount_times, ms, progress, publish, run_in, settle, volume

IMAGE = "bench"


def fill(name, megabytes, files):
    """Files of one size with content that cannot be compressed, a hundred in a directory."""
    size = megabytes * 1_000_000 // files
    script = f"""
      head -c {size} /dev/urandom >/tmp/file
      i=0
      while [ $i -lt {files} ]; do
        [ $((i % 100)) -ne 0 ] || mkdir /data/dir-$((i / 100))
        cat /tmp/file >/data/dir-$((i / 100))/file-$i
        i=$((i + 1))
      done"""
    run_in(name, IMAGE, "sh", "-c", script)


def copy_in_helper():
    """What a restore is without clones: a container whose only work is to copy one volume into a new one."""
    docker("volume", "create", "copy")
    docker("create", "--name", "helper", "--network", "none", "-v", "plain:/from:ro", "-v", "copy:/to", IMAGE,
           "/usr/bin/cp", "-a", "/from/.", "/to/")
    docker("start", "helper")
    if docker("wait", "helper") != "0":
        raise RuntimeError("the helper container has failed")
    docker("rm", "helper")


def copy_through_archive():
    """The same by the engine's archive API, out of one container and into another."""
    out = subprocess.Popen(["docker", "cp", "from:/data/.", "-"], stdout=subprocess.PIPE)
    docker("cp", "-", "to:/data", stdin=out.stdout)
    if out.wait() != 0:
        raise RuntimeError("docker cp has failed")


def measure_copies(megabytes, rounds):
    progress(f"a helper container and the archive API: {megabytes} MB in 60 files")
    volume("seed-source")
    fill("seed-source", megabytes, 60)
    volume("seed", "snapshot-of=seed-source")
    docker("volume", "create", "plain")
    fill("plain", megabytes, 60)
    mounts, helper, archive = [], [], []
    for _ in range(rounds):
        mounts += mount_times("seed", 20)
        settle()
        helper.append(ms(copy_in_helper) * 1000)
        docker("volume", "rm", "copy")
        for name, source in (("from", "plain"), ("to", "copy")):
            docker("create", "--name", name, "--network", "none", "-v", f"{source}:/data", IMAGE, "true")
        settle()
        archive.append(ms(copy_through_archive) * 1000)
        docker("rm", "-v", "from", "to")
        docker("volume", "rm", "copy")
    at = {"bytes": megabytes * 1_000_000, "files": 60}
    publish("engine.mount", "us", mounts, **at)
    publish("engine.helper", "us", helper, **at)
    publish("engine.archive", "us", archive, **at)


def measure_runs(rounds):
    """One container after the other with each kind of volume; both have the same content."""
    progress(f"docker run, {rounds} times with each kind of volume")
    ways = {
        "run.snapshot": ["-v", "seed:/data"],
        "run.local": ["-v", "plain:/data"],
        "run.none": [],
    }
    times = {name: [] for name in ways}
    order = list(ways)
    for number in range(rounds + 2):
        for name in order:
            taken = ms(docker, "run", "--rm", "--network", "none", *ways[name], IMAGE, "true")
            if number >= 2:  # the first ones find nothing in any cache
                times[name].append(taken)
        order = order[1:] + order[:1]
    for name, values in times.items():
        publish(name, "ms", values)


def measure_runs_in_a_crowd(rounds, clones):
    progress(f"docker run while {clones} clones live, {rounds} times")
    with clones_held("seed", clones):
        run = ["run", "--rm", "--network", "none", IMAGE, "true"]
        docker(*run)
        publish("run.crowd", "ms", [ms(docker, *run) for _ in range(rounds)], clones=clones)


def main():
    quick = sys.argv[1:] == ["--quick"]
    make_image(IMAGE, [shutil.which("cp", path="/usr/bin:/bin")])
    measure_copies(60 if quick else 600, 2 if quick else 7)
    measure_runs(10 if quick else 40)
    measure_runs_in_a_crowd(5 if quick else 20, 200 if quick else 1000)


if __name__ == "__main__":
    main()
