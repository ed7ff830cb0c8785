# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The interface by which an accepted TCP connection came in. Replies may leave by another one: routes need not be symmetric.

The kernel keeps the interface with the socket. Only a process that has the socket open can ask for it.
So this module briefly duplicates the other process's descriptor.
"""

from __future__ import annotations

import ctypes
import os
import socket
import struct
from contextlib import closing
from typing import Optional

# These numbers are the same on every architecture. Since Linux 5.6.
_PIDFD_OPEN, _PIDFD_GETFD = 434, 438
# Linux constants. Python has only some of them.
_IP_PKTINFO, _IP_PKTOPTIONS = 8, 9
_IPV6_2292PKTOPTIONS, _IPV6_RECVPKTINFO, _IPV6_PKTINFO = 6, 49, 50
_CONTROL = struct.Struct("@Nii")
_ROOM = 256


def came_in_by(pid: int, descriptor: int) -> Optional[str]:
    """Return the interface's name, None if the kernel does not tell it."""
    try:
        with closing(_borrowed(pid, descriptor)) as accepted:
            number = _asked(accepted)
            return socket.if_indextoname(number) if number else None
    except OSError:
        return None


def _borrowed(pid: int, descriptor: int) -> socket.socket:
    libc = ctypes.CDLL(None, use_errno=True)
    process = _checked(libc.syscall(_PIDFD_OPEN, pid, 0))
    try:
        return socket.socket(fileno=_checked(libc.syscall(_PIDFD_GETFD, process, descriptor, 0)))
    finally:
        os.close(process)


def _checked(result: int) -> int:
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def _asked(accepted: socket.socket) -> int:
    """Return the interface's number. This sets a socket option and puts it back. The option does not affect a stream's reader."""
    if accepted.family == socket.AF_INET6:
        level, option, packet, told = socket.IPPROTO_IPV6, _IPV6_RECVPKTINFO, _IPV6_2292PKTOPTIONS, (_IPV6_PKTINFO, 16)
    else:
        level, option, packet, told = socket.IPPROTO_IP, _IP_PKTINFO, _IP_PKTOPTIONS, (_IP_PKTINFO, 0)
    before = accepted.getsockopt(level, option)
    accepted.setsockopt(level, option, 1)
    try:
        answer = accepted.getsockopt(level, packet, _ROOM)
    finally:
        accepted.setsockopt(level, option, before)
    return _number(answer, level, *told)


def _number(answer: bytes, level: int, kind: int, offset: int) -> int:
    at = 0
    while at + _CONTROL.size <= len(answer):
        length, its_level, its_kind = _CONTROL.unpack_from(answer, at)
        if (its_level, its_kind) == (level, kind) and at + _CONTROL.size + offset + 4 <= len(answer):
            return int(struct.unpack_from("=i", answer, at + _CONTROL.size + offset)[0])
        at += max(length, _CONTROL.size) + -max(length, _CONTROL.size) % struct.calcsize("@N")
    return 0
