#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Does one kind of harm to every entry of a tree: scribble.py contents|attributes|names|delete|all DIR"""
import os
import shutil
import stat
import sys

MARK = b"scribbled"


def entries(root):
    for directory, below, files in os.walk(root, topdown=False):
        for name in files + below:
            yield os.path.join(directory, name)


def contents(root):
    for path in entries(root):
        mode = os.lstat(path).st_mode
        if stat.S_ISREG(mode):
            size = os.path.getsize(path)
            with open(path, "r+b") as file:
                file.write(MARK)
                file.truncate(size // 2)
                file.seek(0, os.SEEK_END)
                file.write(MARK)
        elif stat.S_ISDIR(mode):
            with open(os.path.join(path, MARK), "wb") as file:
                file.write(MARK)


def attributes(root):
    for path in [*entries(root), root]:
        kind = stat.S_IFMT(os.lstat(path).st_mode)
        os.chown(path, 54321, 12345, follow_symlinks=False)
        for name in os.listxattr(path, follow_symlinks=False):
            os.removexattr(path, name, follow_symlinks=False)
        os.setxattr(path, "trusted.scribbled", MARK, follow_symlinks=False)
        if kind != stat.S_IFLNK:
            os.chmod(path, 0o700)
        os.utime(path, ns=(5, 5), follow_symlinks=False)


def names(root):
    """Every name moves: directories with what is in them, files over one another, links away from their targets."""
    for path in entries(root):
        os.rename(path, os.path.join(os.path.dirname(path), b"moved-" + os.path.basename(path)[:200]))
    top = sorted(os.listdir(root))
    directories = [name for name in top if os.path.isdir(os.path.join(root, name))]
    for name in directories[1:]:
        os.rename(os.path.join(root, name), os.path.join(root, directories[0], name))


def delete(root):
    for name in os.listdir(root):
        path = os.path.join(root, name)
        if os.path.isdir(path) and not os.path.islink(path):
            shutil.rmtree(path)
            os.mkdir(path)  # as an empty directory that must hide what was there
        else:
            os.unlink(path)


def everything(root):
    for step in (contents, attributes, names, delete):
        step(root)


KINDS = {"contents": contents, "attributes": attributes, "names": names, "delete": delete, "all": everything}

if __name__ == "__main__":
    KINDS[sys.argv[1]](os.fsencode(sys.argv[2]))
