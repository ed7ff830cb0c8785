# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The host's sockets that hold a port, and their processes, from /proc."""

from __future__ import annotations

import os
import socket
import sys
from typing import Iterator, List, NamedTuple, Optional, Tuple

from ...address import BOTH, IPV4, IPV6, quoted
from ..system.process import PROC
from ..system.system import System

# The network namespace of this thread, not of the process.
_NET = PROC + "/thread-self/net/"
# A listening TCP socket; a UDP socket that is bound and not connected.
_HOLDING = {"tcp": "0A", "udp": "07"}
_MAPPED = "::ffff:"


class Listener(NamedTuple):
    """A socket that receives packets for a port. address: None for every address of the families. inode: the socket's number."""

    protocol: str
    families: Tuple[int, ...]
    address: Optional[str]
    port: int
    inode: int


def listeners(system: System, protocol: str) -> List[Listener]:
    """Return all listeners of one protocol: tcp, udp or sctp."""
    if protocol == "sctp":
        return list(_sctp(system.read(_NET + "sctp/eps") or ""))
    texts = [(family, system.read(_NET + protocol + ending) or "") for family, ending in ((IPV4, ""), (IPV6, "6"))]
    return [item for family, text in texts for item in _table(protocol, family, text)]


def _table(protocol: str, family: int, text: str) -> Iterator[Listener]:
    for line in text.splitlines()[1:]:
        fields = line.split()
        if len(fields) < 10 or fields[3] != _HOLDING[protocol]:
            continue
        address, _colon, port = fields[1].partition(":")
        yield _listener(protocol, _address(family, address), int(port, 16), int(fields[9]))


def _address(family: int, text: str) -> str:
    words = [bytes.fromhex(text[at:at + 8]) for at in range(0, len(text), 8)]
    packed = b"".join(word[::-1] if sys.byteorder == "little" else word for word in words)
    return socket.inet_ntop(socket.AF_INET if family == IPV4 else socket.AF_INET6, packed)


def _sctp(text: str) -> Iterator[Listener]:
    for line in text.splitlines()[1:]:
        fields = line.split()
        for address in fields[8:]:
            yield _listener("sctp", address, int(fields[5]), int(fields[7]))


def _listener(protocol: str, address: str, port: int, inode: int) -> Listener:
    if address.startswith(_MAPPED) and "." in address:
        address = address[len(_MAPPED):]
    if address == "::":
        # /proc does not tell whether the socket takes IPv4 too. Most do.
        return Listener(protocol, BOTH, None, port, inode)
    if address == "0.0.0.0":
        return Listener(protocol, (IPV4,), None, port, inode)
    return Listener(protocol, (IPV6 if ":" in address else IPV4,), address, port, inode)


def owner(inode: int) -> str:
    """Return a text about the process that has the socket open: ``sshd (process 712)``. If none is found, the text says so."""
    for pid in (name for name in os.listdir(PROC) if name.isdigit()):
        try:
            held = os.listdir("%s/%s/fd" % (PROC, pid))
            if any(os.readlink("%s/%s/fd/%s" % (PROC, pid, fd)) == "socket:[%d]" % inode for fd in held):
                with open("%s/%s/comm" % (PROC, pid), encoding="utf-8", errors="replace") as stream:
                    return "%s (process %s)" % (quoted(stream.read().strip())[1:-1], pid)
        except OSError:
            continue
    return "a process of another namespace, or the kernel"
