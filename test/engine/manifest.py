#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Prints everything a tree promises to keep, one line an entry: manifest.py DIR

Two trees are equal if diff(1) finds no difference between their manifests. Inode numbers, link counts and the sizes of
directories are no part of it: an overlay has its own.
"""
import hashlib
import os
import stat
import sys

TYPES = {
    stat.S_IFREG: "file", stat.S_IFDIR: "dir", stat.S_IFLNK: "symlink", stat.S_IFIFO: "fifo",
    stat.S_IFSOCK: "socket", stat.S_IFCHR: "char", stat.S_IFBLK: "block",
}
BLOCK = 4096


def shown(raw):
    """Bytes as one printable word, each in one way only."""
    return "".join(chr(b) if 0x20 < b < 0x7F and b != 0x5C else f"\\x{b:02x}" for b in raw)


def extents(fd, size):
    """Where a file has data, in whole blocks; the rest are holes."""
    found = []
    at = 0
    while at < size:
        try:
            data = os.lseek(fd, at, os.SEEK_DATA)
        except OSError:
            break  # ENXIO: a hole to the end
        at = os.lseek(fd, data, os.SEEK_HOLE)
        first, end = data // BLOCK, -(-at // BLOCK)
        if found and found[-1][1] == first:
            found[-1][1] = end
        else:
            found.append([first, end])
    return ",".join(f"{first}-{end}" for first, end in found) or "none"


def content(path):
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NOATIME | os.O_NONBLOCK)
    with os.fdopen(fd, "rb") as file:
        blocks = extents(fd, os.fstat(fd).st_size)
        digest = hashlib.sha256()
        file.seek(0)
        while piece := file.read(1 << 20):
            digest.update(piece)
    return [f"data={blocks}", f"sha256={digest.hexdigest()}"]


def xattrs(path):
    """Without those in which xfs shows its ACLs a second time."""
    names = sorted(os.listxattr(path, follow_symlinks=False))
    names = [name for name in names if not name.startswith("trusted.SGI_ACL_")]
    return [f"{shown(os.fsencode(name))}={os.getxattr(path, name, follow_symlinks=False).hex()}" for name in names]


def line(root, name, links):
    path = os.path.join(root, name) if name else root
    info = os.lstat(path)
    kind = stat.S_IFMT(info.st_mode)
    fields = [
        shown(name) or ".", TYPES[kind], f"mode={stat.S_IMODE(info.st_mode):04o}", f"owner={info.st_uid}:{info.st_gid}",
        f"mtime={info.st_mtime_ns}",
    ]
    if kind in (stat.S_IFREG, stat.S_IFLNK):
        fields.append(f"size={info.st_size}")
    if kind == stat.S_IFLNK:
        fields.append(f"to={shown(os.readlink(path))}")
    if kind in (stat.S_IFCHR, stat.S_IFBLK):
        fields.append(f"device={os.major(info.st_rdev)}:{os.minor(info.st_rdev)}")
    if kind == stat.S_IFREG:
        fields += content(path)
    fields += xattrs(path)
    others = [n for n in links.get((info.st_dev, info.st_ino), []) if n != name]
    if others:
        fields.append("linked=" + ",".join(shown(n) for n in others))
    return " ".join(fields)


def names(root):
    """Every entry below root, sorted, as bytes relative to it."""
    found = []

    def walk(directory):
        with os.scandir(os.path.join(root, directory)) as entries:
            for entry in entries:
                name = os.path.join(directory, entry.name)
                if not os.path.lexists(entry.path):
                    continue  # an overlay lists a device with the numbers 0, 0, but has none
                found.append(name)
                if entry.is_dir(follow_symlinks=False):
                    walk(name)

    walk(b"")
    return sorted(found)


def main():
    root = os.path.join(os.fsencode(sys.argv[1]), b"")  # the slash: what is mounted there
    everything = names(root)
    links = {}
    for name in everything:
        info = os.lstat(root + name)
        if not stat.S_ISDIR(info.st_mode):
            links.setdefault((info.st_dev, info.st_ino), []).append(name)
    print(line(root, b"", links))
    for name in everything:
        print(line(root, name, links))


if __name__ == "__main__":
    main()
