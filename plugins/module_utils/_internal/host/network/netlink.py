# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Netlink requests to the kernel: interfaces, namespaces, routing rules."""

from __future__ import annotations

import os
import socket
import struct
from typing import Iterator, List, Tuple

from ...errors import DrawbridgeError

REQUEST, DUMP = 0x1, 0x300
ATTRIBUTE = struct.Struct("=HH")
_NLMSG_ERROR, _NLMSG_DONE = 2, 3
_HEADER = struct.Struct("=IHHII")
_ROOM = 256 * 1024


def ask(kind: int, flags: int, payload: bytes) -> List[bytes]:
    """Send one request. Return the payloads of its answers."""
    answers: List[bytes] = []
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE) as kernel:
            kernel.sendto(_HEADER.pack(_HEADER.size + len(payload), kind, flags, 1, 0) + payload, (0, 0))
            while True:
                for answer_kind, body in _messages(kernel.recv(_ROOM)):
                    if answer_kind == _NLMSG_DONE:
                        return answers
                    if answer_kind == _NLMSG_ERROR:
                        code = -struct.unpack_from("=i", body)[0]
                        raise OSError(code, os.strerror(code))
                    answers.append(body)
                if not flags & DUMP & ~REQUEST:
                    return answers
    except OSError as error:
        raise DrawbridgeError("the kernel does not tell its interfaces and routes: %s" % error) from None


def _messages(data: bytes) -> Iterator[Tuple[int, bytes]]:
    at = 0
    while at + _HEADER.size <= len(data):
        length, kind, _flags, _sequence, _port = _HEADER.unpack_from(data, at)
        yield kind, data[at + _HEADER.size:at + length]
        at += (max(length, _HEADER.size) + 3) & ~3


def attributes(data: bytes) -> Iterator[Tuple[int, bytes]]:
    """Yield each attribute's kind and value."""
    at = 0
    while at + ATTRIBUTE.size <= len(data):
        length, kind = ATTRIBUTE.unpack_from(data, at)
        # The two highest bits are flags.
        yield kind & 0x3FFF, data[at + ATTRIBUTE.size:at + length]
        at += (max(length, ATTRIBUTE.size) + 3) & ~3
