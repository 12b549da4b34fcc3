#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Names what the plugin left behind, a line each, when no container is there any more: leftovers.py PLUGIN_DATA

PLUGIN_DATA is the propagated mount, seen from the host. Says nothing if all is well.
"""
import json
import os
import sys


def listed(path):
    return sorted(os.listdir(path)) if os.path.isdir(path) else []


def records(pool):
    for name in listed(f"{pool}/volumes"):
        with open(f"{pool}/volumes/{name}/volume.json", encoding="utf-8") as file:
            yield json.load(file)


def below(path):
    """Two levels: the directory of each boot, and what is in it."""
    return [f"{boot}/{name}" for boot in listed(path) for name in listed(f"{path}/{boot}")]


def mounts(path):
    with open("/proc/self/mountinfo", encoding="utf-8") as file:
        return sorted({fields[4] for fields in map(str.split, file) if fields[4].startswith(path + "/")})


def leftovers(data):
    pool, points = f"{data}/pool", f"{data}/mnt"
    volumes = list(records(pool))
    named = {layer for volume in volumes for layer in [*volume["stack"], volume.get("upper")]}
    present = listed(f"{pool}/layers")
    yield from (f"mount {path}" for path in mounts(points))
    yield from (f"mount point {kind}/{name}" for kind in listed(points) for name in listed(f"{points}/{kind}"))
    yield from (f"clone {name}" for name in below(f"{pool}/clones"))
    yield from (f"mount count {name}" for name in below(f"{pool}/mounts"))
    yield from (f"staging {name}" for name in listed(f"{pool}/staging"))
    yield from (f"trash {name}" for name in listed(f"{pool}/trash"))
    yield from (f"layer {name}, which no volume names" for name in present if name not in named)
    yield from (f"no layer {name}, though a volume names it" for name in sorted(named - {None}) if name not in present)


if __name__ == "__main__":
    for leftover in leftovers(os.path.realpath(sys.argv[1])):
        print(leftover)
