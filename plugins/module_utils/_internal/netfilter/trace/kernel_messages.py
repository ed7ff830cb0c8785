# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Messages of netfilter that the kernel sends to those who listen: traces of nftables, and what NFLOG logs."""

from __future__ import annotations

import errno
import os
import select
import socket
import struct
import time
from typing import Dict, Iterator, Tuple

from ...errors import DrawbridgeError
from ...host.network.netlink import ATTRIBUTE, attributes

_NETLINK_NETFILTER = 12
_SOL_NETLINK, _ADD_MEMBERSHIP = 270, 1
_HEADER = struct.Struct("=IHHII")
# Behind netlink's own header: family, version, and a number in network order.
_OWN = 4
_TRACES = 9
_ROOM = 1 << 20
_NLM_REQUEST, _NLM_ACK = 1, 4
_ERROR = 2
_LOG_CONFIG = 4 << 8 | 1
# What can be set for a group: who gets it, how much of a packet, and after how many of them the kernel sends.
_COMMAND, _MODE, _AT_ONCE = 1, 2, 5
_BIND = 1
_COPY_PACKET, _BYTES = 2, 128


class Message:
    """kind: with its subsystem. values: the attributes by their kinds."""

    def __init__(self, kind: int, family: int, data: bytes) -> None:
        self.kind = kind
        self.family = family
        self.values: Dict[int, bytes] = dict(attributes(data))

    def number(self, kind: int, default: int = 0) -> int:
        """Return a number in network order."""
        found = self.values.get(kind)
        return default if found is None else int.from_bytes(found, "big")

    def text(self, kind: int) -> str:
        return self.values.get(kind, b"").split(b"\0")[0].decode("utf-8", "surrogateescape")


class Ear:
    """A socket that hears what the kernel says about packets of the namespace it was opened in. lost: whether the kernel had to drop some of it."""

    def __init__(self) -> None:
        self.lost = False
        try:
            self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_NETFILTER)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _ROOM)
            self._socket.bind((0, 0))
        except OSError as error:
            raise DrawbridgeError("the kernel does not let anybody listen to netfilter: %s" % error.strerror) from None

    def close(self) -> None:
        self._socket.close()

    def hear_traces(self) -> None:
        """Hear nftables' traces."""
        try:
            self._socket.setsockopt(_SOL_NETLINK, _ADD_MEMBERSHIP, _TRACES)
        except OSError as error:
            raise DrawbridgeError("the kernel does not tell traces: %s" % error.strerror) from None

    def hear_log(self, group: int) -> bool:
        """Hear what NFLOG logs to a group; False if somebody else has the group. Raises DrawbridgeError if the kernel has no NFLOG."""
        wanted = ((_COMMAND, bytes([_BIND])), (_MODE, struct.pack("!IBx", _BYTES, _COPY_PACKET)), (_AT_ONCE, struct.pack("!I", 1)))
        for kind, value in wanted:
            code = self._configure(group, kind, value)
            if code == errno.EBUSY:
                return False
            if code:
                raise DrawbridgeError("the kernel does not log to programs (NFLOG): %s" % os.strerror(code), None, "load the module nfnetlink_log")
        return True

    def _configure(self, group: int, kind: int, value: bytes) -> int:
        """Return 0, or the error's number."""
        body = struct.pack("!BBH", 0, 0, group) + ATTRIBUTE.pack(ATTRIBUTE.size + len(value), kind) + value
        body += b"\0" * (-len(body) % 4)
        self._socket.sendto(_HEADER.pack(_HEADER.size + len(body), _LOG_CONFIG, _NLM_REQUEST | _NLM_ACK, 1, 0) + body, (0, 0))
        while True:
            data = self._socket.recv(_ROOM)
            if _HEADER.unpack_from(data)[1] == _ERROR:
                return -int(struct.unpack_from("=i", data, _HEADER.size)[0])

    def messages(self, until: float) -> Iterator[Message]:
        """Yield what comes until a moment of the monotonic clock."""
        while True:
            left = until - time.monotonic()
            if left <= 0 or not select.select([self._socket], [], [], left)[0]:
                return
            try:
                data = self._socket.recv(_ROOM)
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                self.lost = True
                continue
            for kind, family, body in _parts(data):
                yield Message(kind, family, body)


def _parts(data: bytes) -> Iterator[Tuple[int, int, bytes]]:
    at = 0
    while at + _HEADER.size + _OWN <= len(data):
        length, kind, _flags, _sequence, _port = _HEADER.unpack_from(data, at)
        yield kind, data[at + _HEADER.size], data[at + _HEADER.size + _OWN:at + length]
        at += (max(length, _HEADER.size) + 3) & ~3


def _words(code: int) -> str:
    import os  # pylint: disable=import-outside-toplevel

    return os.strerror(code)


def interface_name(index: int) -> str:
    """Return an interface's name; empty for none, a number in words for one that is gone."""
    if not index:
        return ""
    try:
        return socket.if_indextoname(index)
    except OSError:
        return "interface %d" % index
