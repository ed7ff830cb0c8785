# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Ask the engine about ports to open: their containers, the containers' addresses, and who has the ports."""

from __future__ import annotations

from typing import Callable, List, Optional, Sequence

from ..address import IPV4, IPV6, quoted
from ..engine.api.answers import NFTABLES, Network, parse_backend, parse_networks, parse_published
from ..engine.api.client import EngineError, EngineUnreachable, NoSuchContainer, WholeEngine
from ..engine.containers.containers import EngineSource
from ..engine.containers.target import RUNNING, Target
from ..errors import DrawbridgeError
from ..host.system.system import System
from ..policy.language.open_ports import Opening, OpenPort
from .conflicts import refuse_taken, refuse_twice
from .container_address import endpoints

_FORWARDS = {IPV4: "/proc/sys/net/ipv4/ip_forward", IPV6: "/proc/sys/net/ipv6/conf/all/forwarding"}
_NAMED = {IPV4: "IPv4", IPV6: "IPv6"}
_SHOWN = 5


# Gets the error why a port cannot be opened, with the place in the user's data. Raises it, or returns: then the port is left out.
Refused = Callable[[DrawbridgeError], None]
# Whether a port is open. An open port stays open, even if somebody else has it since.
Held = Callable[[OpenPort], bool]


def openings(system: System, engine: WholeEngine, ports: Sequence[OpenPort], refused: Refused, held: Held) -> List[Opening]:
    """Return where each of the ports leads. Raises DrawbridgeError for what is wrong with all of them."""
    refuse_twice(ports)
    info = engine.info()
    if parse_backend(info).driver == NFTABLES:
        raise DrawbridgeError(
            "this engine uses its nftables backend, and drops what it did not publish itself whatever other rules accept",
            ports[0].entry.path or None,
            "publish the port with the container, and say in host_policy's published_ports who may reach it",
        )
    published = parse_published(engine.containers())
    ports = able(ports, lambda some: refuse_taken(system, some, published), refused, held)
    networks = parse_networks(engine.networks(), info)
    found = []
    for port in ports:
        try:
            found.append(_opening(system, engine, port, networks))
        except DrawbridgeError as error:
            if isinstance(error, (EngineUnreachable, EngineError)) and not isinstance(error, NoSuchContainer):
                raise
            refused(error)
    return found


def able(ports: Sequence[OpenPort], check: Callable[[Sequence[OpenPort]], None], refused: Refused, held: Held) -> List[OpenPort]:
    """Return the ports that pass the check or are held."""
    try:
        check(ports)
        return list(ports)
    except DrawbridgeError as error:
        refused(error)
    return [port for port in ports if held(port) or _passes(port, check)]


def _passes(port: OpenPort, check: Callable[[Sequence[OpenPort]], None]) -> bool:
    try:
        check([port])
    except DrawbridgeError:
        return False
    return True


def _opening(system: System, engine: WholeEngine, port: OpenPort, networks: List[Network]) -> Opening:
    container = _container(system, engine, port)
    if container is None:
        return Opening(port, None, ())
    if port.selector.id is not None:
        # The full id, however much of it the user wrote.
        port = port._replace(selector=port.selector._replace(id=container.id))
    return Opening(port, container, endpoints(port, container, engine, networks))


def _container(system: System, engine: WholeEngine, port: OpenPort) -> Optional[Target]:
    """Return the running container; None if none runs and that is no error."""
    path = port.entry.path or None
    found = EngineSource(system, engine, port.selector).find()
    # A container on the host's network runs too; ``endpoints`` refuses it.
    there = [target for target in found if target.state == RUNNING]
    if len(there) > 1:
        names = ", ".join(quoted(target.name) for target in there[:_SHOWN])
        raise DrawbridgeError("%d containers match, and a port leads to one: %s" % (len(there), names), path, "choose it by name")
    if there:
        return there[0]
    if port.ignores_missing:
        return None
    if found:
        states = ", ".join("%s is %s" % (quoted(target.name), target.state) for target in found[:_SHOWN])
        raise DrawbridgeError("no container runs that matches: %s" % states, path, "on_missing: ignore makes that no error")
    raise DrawbridgeError("no container matches", path, "on_missing: ignore makes that no error")


def notes(system: System, opened: Sequence[Opening]) -> List[str]:
    """Return warnings about open ports."""
    found = []
    for opening in opened:
        families = {end.family for end in opening.ends}
        where = opening.port.entry.path + ": " if opening.port.entry.path else ""
        if opening.container is None:
            found.append("%s%s leads nowhere: no container that matches runs" % (where, opening.port.called))
        else:
            name = quoted(opening.container.name)
            found += [
                "%s%s is not opened for %s: container %s has no such address" % (where, opening.port.called, _NAMED[family], name)
                for family in opening.port.families
                if family not in families
            ]
        found += [
            "%sthis host does not forward %s, so only itself reaches %s" % (where, _NAMED[family], opening.port.called)
            for family in sorted(families)
            if (system.read(_FORWARDS[family]) or "").strip() == "0"
        ]
    return found
