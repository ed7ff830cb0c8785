# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Refuse ports that are taken: by another opened port, by a container that publishes them, or by a socket of the host."""

from __future__ import annotations

from typing import Dict, Iterable, Optional, Sequence

from ..address import quoted
from ..engine.api.answers import PublishedPort
from ..errors import DrawbridgeError
from ..host.network.listeners import listeners, owner
from ..host.system.system import System
from ..netfilter.rules.saved_ruleset import Ruleset
from ..policy.language.open_ports import OpenPort
from .opened import leads, mark_of

_ANOTHER = "choose another port, or free this one first"


def refuse_taken(system: System, ports: Sequence[OpenPort], published: Iterable[PublishedPort]) -> None:
    """Raises DrawbridgeError if a container publishes one of the ports or a process listens on it. The error names it."""
    for item in published:
        for port in ports:
            if not item.loopback and _meets(port, item.protocol, item.port, (item.family,), item.address):
                raise _error(port, "container %s publishes it" % quoted(item.container_name))
    for protocol in dict.fromkeys(port.target.protocol for port in ports):
        for listener in listeners(system, protocol):
            for port in ports:
                if not _is_loopback(listener.address) and _meets(port, protocol, listener.port, listener.families, listener.address):
                    raise _error(port, "%s listens there" % owner(listener.inode))


def refuse_other_owner(port: OpenPort, chain: str, mark: str, rulesets: Dict[int, Ruleset]) -> None:
    """Raises DrawbridgeError if another task opened the port. ``chain``, ``mark``: the asking owner's."""
    if mark_of(rulesets, chain) not in (None, mark):
        raise _error(port, "a task opened it for other containers", "remove that one first, by state: absent with this port")


def refuse_opened(ports: Sequence[OpenPort], chain: str, rulesets: Dict[int, Ruleset]) -> None:
    """Raises DrawbridgeError if another chain opens one of the ports. ``chain``: the asking owner's."""
    for lead in leads(rulesets):
        for port in ports:
            if lead.chain != chain and _meets(port, lead.protocol, lead.port, (lead.family,), lead.address):
                raise _error(port, "it is opened already and leads to %s (chain %s)" % (lead.to, lead.chain))


def refuse_twice(ports: Sequence[OpenPort]) -> None:
    """Raises DrawbridgeError if two of the ports are the same port."""
    for place, port in enumerate(ports):
        for other in ports[:place]:
            if _meets(port, other.target.protocol, other.number, other.families, other.address):
                raise _error(port, "it is opened by %s as well" % other.entry.path)


def _meets(port: OpenPort, protocol: str, number: int, families: Sequence[int], address: Optional[str]) -> bool:
    """Whether one packet could be for both ports."""
    if (protocol, number) != (port.target.protocol, port.number) or not set(families) & set(port.families):
        return False
    return address is None or port.address is None or address == port.address


def _is_loopback(address: Optional[str]) -> bool:
    return address is not None and (address == "::1" or address.startswith("127."))


def _error(port: OpenPort, reason: str, hint: str = _ANOTHER) -> DrawbridgeError:
    return DrawbridgeError("%s cannot be opened: %s" % (port.called, reason), port.entry.path or "port", hint)
