#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Runs a command as on a kernel that takes no filter of system calls: without_filter.py COMMAND ARGUMENT...

It does so with such a filter, which refuses seccomp(2) and prctl(PR_SET_SECCOMP).
"""
import ctypes
import errno
import os
import platform
import struct
import sys

PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 22, 2
LOAD, IF_EQUAL, RETURN = 0x20, 0x15, 0x06
ALLOW, FAIL = 0x7FFF0000, 0x00050000
NUMBER, FIRST_ARGUMENT = 0, 16  # offsets in struct seccomp_data

seccomp, prctl = {"x86_64": (317, 157), "aarch64": (277, 167)}[platform.machine()]

PROGRAM = [
    (LOAD, 0, 0, NUMBER),
    (IF_EQUAL, 3, 0, seccomp),
    (IF_EQUAL, 0, 4, prctl),
    (LOAD, 0, 0, FIRST_ARGUMENT),
    (IF_EQUAL, 1, 2, PR_SET_SECCOMP),
    (RETURN, 0, 0, FAIL | errno.ENOSYS),
    (RETURN, 0, 0, FAIL | errno.EINVAL),
    (RETURN, 0, 0, ALLOW),
]

code = b"".join(struct.pack("HBBI", *instruction) for instruction in PROGRAM)
instructions = ctypes.create_string_buffer(code, len(code))
filter_program = struct.pack("HP", len(PROGRAM), ctypes.addressof(instructions))
libc = ctypes.CDLL(None, use_errno=True)
if libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, filter_program, 0, 0) != 0:
    sys.exit(f"without_filter: {os.strerror(ctypes.get_errno())}")
os.execvp(sys.argv[1], sys.argv[1:])
