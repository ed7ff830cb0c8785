# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The interface by which an accepted TCP connection came in. Which one answers it is another question: routes need not be symmetric.

The kernel keeps it with the socket, and tells whoever has the socket open: so another process's socket is borrowed for a moment.
"""

from __future__ import annotations

import ctypes
import os
import socket
import struct
from contextlib import closing
from typing import Optional

# The same numbers on every architecture; from Linux 5.6 on.
_PIDFD_OPEN, _PIDFD_GETFD = 434, 438
# Of Linux; Python knows only some of them.
_IP_PKTINFO, _IP_PKTOPTIONS = 8, 9
_IPV6_2292PKTOPTIONS, _IPV6_RECVPKTINFO, _IPV6_PKTINFO = 6, 49, 50
_CONTROL = struct.Struct("@Nii")
_ROOM = 256


def came_in_by(pid: int, descriptor: int) -> Optional[str]:
    """The name of the interface; None where the kernel does not tell."""
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
    """The interface's number. The option that makes the kernel tell it says nothing to a stream's reader, and is put back."""
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
