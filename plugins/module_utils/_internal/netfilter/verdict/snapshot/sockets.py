# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Listening sockets, from ``ss -Hlntup``. Without -p no process is named. Pure."""

from __future__ import annotations

import re
from typing import Dict, Iterator, List, NamedTuple, Optional, Tuple

from ....address import FAMILIES, IPV4, IPV6, number

_PROCESS = re.compile(r'users:\(\("([^"]*)"')
_WILDCARDS = {"0.0.0.0": (IPV4,), "*": FAMILIES, "[::]": (IPV6,)}


class Listener(NamedTuple):
    """address: None for every address. device: the interface that it is bound to, else empty. process: empty if ss does not say."""

    protocol: str
    families: List[int]
    address: Optional[int]
    port: int
    device: str
    process: str
    words: str


class Listeners:
    """Who answers."""

    def __init__(self, text: str) -> None:
        self._by_port: Dict[Tuple[str, int], List[Listener]] = {}
        for line in text.splitlines():
            found = _listener(line)
            if found is not None:
                self._by_port.setdefault((found.protocol, found.port), []).append(found)

    def __iter__(self) -> Iterator[Listener]:
        return iter([item for found in self._by_port.values() for item in found])

    def answering(self, family: int, protocol: str, address: int, port: int, device: str) -> Optional[Listener]:
        """Return the socket that gets a packet, the one with the address by preference; None if nobody listens."""
        fitting = [
            item for item in self._by_port.get((protocol, port), ())
            if family in item.families and item.address in (None, address) and item.device in ("", device)
        ]
        return next(iter(sorted(fitting, key=lambda item: item.address is None)), None)


def _listener(line: str) -> Optional[Listener]:
    """``tcp LISTEN 0 128 0.0.0.0:22 0.0.0.0:* users:(("sshd",pid=1,fd=3))``."""
    fields = line.split()
    if len(fields) < 5 or fields[0] not in ("tcp", "udp"):
        return None
    place, _colon, port = fields[4].rpartition(":")
    place, _percent, device = place.partition("%")
    if not port.isdigit():
        return None
    if _percent and place.startswith("[") and device.endswith("]"):
        place, device = place + "]", device[:-1]
    process = _PROCESS.search(line)
    families = list(_WILDCARDS.get(place, ()))
    value = None
    if not families:
        bare = place.strip("[]")
        if bare.startswith("::ffff:") and "." in bare:
            bare = bare[len("::ffff:"):]
        try:
            value, bits = number(bare)
        except OSError:
            return None
        families = [IPV4 if bits == 32 else IPV6]
    name = process.group(1) if process else ""
    return Listener(fields[0], families, value, int(port), device, name, fields[4])
