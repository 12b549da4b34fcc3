#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Fills a directory with everything a file system can hold that somebody has lost in a copy: make_tree.py DIR"""
import os
import stat
import struct
import sys

ODD_NAMES = [
    b"with space", b" leading and trailing ", b"new\nline", b"tab\tand\x01control", b"'single'", b'"double"',
    b"back\\slash", b"colon:comma,equals=", b".hidden", b"-rf", b"*?[glob]",
    "Gr\u00fc\u00dfe \u65e5\u672c\u8a9e \U0001f40b".encode(),
    b"invalid\xff\xfe\x80utf8", b"~", b"#hash", b"%41", b"...", b"x" * 255, b".wh.looks-like-a-whiteout",
]
NS = 1_000_000_000


def write(path, data=b"", mode=0o644, owner=(0, 0)):
    with open(path, "wb") as file:
        file.write(data)
    os.chown(path, *owner)
    os.chmod(path, mode)


def acl(*entries):
    """A POSIX ACL as the kernel stores it: version 2, then tag, permissions and id of each entry."""
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


NOBODY = 0xFFFFFFFF
ACL = acl((1, 7, NOBODY), (2, 5, 1234), (4, 5, NOBODY), (8, 4, 5678), (16, 7, NOBODY), (32, 0, NOBODY))
CAP_NET_RAW = struct.pack("<IIIII", 0x02000001, 1 << 13, 0, 0, 0)


def plain_files():
    write(b"greeting", b"hello\n")
    write(b"empty")
    write(b"binary", bytes(range(256)) * 512, 0o600, (1000, 1000))
    for i in range(20):
        write(b"file%d" % i, b"%d\n" % i * (i * 37))
    os.mkdir(b"odd names")
    for name in ODD_NAMES:
        write(os.path.join(b"odd names", name), name)
        os.makedirs(os.path.join(b"odd names", b"d" + name[:200], b"deeper"))


def modes_and_owners():
    os.mkdir(b"modes")
    for mode in (0o000, 0o444, 0o777, 0o4755, 0o2755, 0o6711, 0o1644):
        write(b"modes/file%04o" % mode, b"mode", mode, (mode, 65534))
        os.mkdir(b"modes/dir%04o" % mode)
        os.chown(b"modes/dir%04o" % mode, 4_000_000_000, mode)
        os.chmod(b"modes/dir%04o" % mode, mode)


def deep():
    path = b"deep"
    for i in range(40):
        path = os.path.join(path, b"level%d" % i)
    os.makedirs(path)
    write(path + b"/bottom", b"here")
    os.makedirs(b"emptydir/inner")


def links():
    os.mkdir(b"links")
    os.symlink(b"../greeting", b"links/relative")
    os.symlink(b"/etc/passwd", b"links/absolute")
    os.symlink(b"nowhere\xff at all", b"links/dangling")
    os.symlink(b"../links", b"links/loop")
    os.symlink(b"t" * 1000, b"links/long")
    os.lchown(b"links/relative", 77, 88)
    write(b"links/one", b"one inode\n")
    os.link(b"links/one", b"links/two")
    os.link(b"links/one", b"deep/three")
    os.link(b"links/absolute", b"links/absolute again", follow_symlinks=False)


def attributes():
    os.mkdir(b"xattrs")
    for name in (b"user", b"acl", b"capability", b"trusted", b"big"):
        write(b"xattrs/" + name, name, 0o755)
    os.setxattr(b"xattrs/user", "user.text", b"some text")
    os.setxattr(b"xattrs/user", "user.empty", b"")
    os.setxattr(b"xattrs/user", "user.binary", bytes(range(256)))
    os.setxattr(b"xattrs/big", "user.big", b"b" * 2000)
    os.setxattr(b"xattrs/acl", "system.posix_acl_access", ACL)
    os.setxattr(b"xattrs/capability", "security.capability", CAP_NET_RAW)
    os.setxattr(b"xattrs/trusted", "trusted.note", b"root only")
    os.symlink(b"user", b"xattrs/symlink")
    os.setxattr(b"xattrs/symlink", "trusted.note", b"on a symlink", follow_symlinks=False)
    os.mkdir(b"xattrs/dir")
    os.setxattr(b"xattrs/dir", "user.dir", b"of a directory")
    os.setxattr(b"xattrs/dir", "system.posix_acl_default", ACL)


def holes():
    os.mkdir(b"sparse")
    mib = 1 << 20
    for name, size, places in (
        (b"all hole", mib, ()), (b"middle", mib, (mib // 2,)), (b"ends", mib, (0, mib - 5)),
        (b"odd size", 99_999, (8192,)),
    ):
        with open(b"sparse/" + name, "wb") as file:
            for place in places:
                file.seek(place)
                file.write(b"data")
            file.truncate(size)


def special_files():
    os.mkdir(b"special")
    os.mkfifo(b"special/fifo", 0o620)
    os.mknod(b"special/socket", stat.S_IFSOCK | 0o755)
    os.mknod(b"special/null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    os.mknod(b"special/block", stat.S_IFBLK | 0o600, os.makedev(7, 200))


def times():
    """Last, and from the bottom up: every other change would move them."""
    seconds = [-150_000_000, 0, 981_173_106, 1_700_000_000, 4_102_444_800]
    count = 0
    for directory, below, files in os.walk(b".", topdown=False):
        for name in sorted(files) + sorted(below):
            moment = seconds[count % len(seconds)] * NS + 123_456_789 + count
            os.utime(os.path.join(directory, name), ns=(0, moment), follow_symlinks=False)
            count += 1


def root():
    os.chown(b".", 12, 34)
    os.chmod(b".", 0o1751)
    os.setxattr(b".", "user.root", b"of the root")
    os.setxattr(b".", "system.posix_acl_default", ACL)
    os.utime(b".", ns=(0, 1_234_567_890 * NS + 987_654_321))


def main():
    os.chdir(sys.argv[1])
    os.umask(0o022)
    for step in (plain_files, modes_and_owners, deep, links, attributes, holes, special_files, times, root):
        step()


if __name__ == "__main__":
    main()
