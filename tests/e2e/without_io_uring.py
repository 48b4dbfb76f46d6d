# SPDX-License-Identifier: Apache-2.0
"""Runs a command in which io_uring is forbidden, as container engines' seccomp profiles do.

Usage: without_io_uring.py EPERM|ENOSYS COMMAND..."""

import ctypes
import errno
import os
import struct
import sys

IO_URING_SETUP = 425  # the same on every architecture
PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS, SECCOMP_MODE_FILTER = 22, 38, 2
LOAD_WORD, JUMP_IF_EQUAL, RETURN = 0x20, 0x15, 0x06
ALLOW, FAIL = 0x7FFF0000, 0x00050000


def instruction(code, value, if_true=0, if_false=0):
    return struct.pack("HBBI", code, if_true, if_false, value)


def forbid(error):
    program = b"".join(
        (
            instruction(LOAD_WORD, 0),  # the number of the system call
            instruction(JUMP_IF_EQUAL, IO_URING_SETUP, 0, 1),
            instruction(RETURN, FAIL | error),
            instruction(RETURN, ALLOW),
        )
    )
    code = ctypes.create_string_buffer(program)
    head = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(code))
    filter_program = ctypes.create_string_buffer(head)
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    for arguments in (
        (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0),
        (PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.addressof(filter_program), 0, 0),
    ):
        if prctl(*(ctypes.c_ulong(value) for value in arguments)):
            raise OSError(ctypes.get_errno(), "prctl")


if __name__ == "__main__":
    forbid(getattr(errno, sys.argv[1]))
    os.execv(sys.argv[2], sys.argv[2:])
