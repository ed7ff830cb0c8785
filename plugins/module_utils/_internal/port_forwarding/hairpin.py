# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Hairpin mode: it lets a container reach its own opened port.

With br_netfilter, bridged packets pass iptables. A packet that is led back to its own container then never leaves the bridge. A bridge sends
nothing back through the port that it came in by, unless that port is in hairpin mode. Docker sets the mode only where it runs no
docker-proxy. Elsewhere it is set here with an opened port, and taken back with the last one.
"""

from __future__ import annotations

import json
from typing import Dict, Iterable, List, NamedTuple

from ..address import quoted
from ..engine.containers.target import Target, held
from ..errors import DrawbridgeError
from ..host.network.links import ends_into
from ..host.system.json_values import JsonObject, mapping
from ..host.system.system import System
from ..netfilter.rules.matches import AddressMatch
from ..netfilter.rules.saved_rule import parse
from ..netfilter.rules.saved_ruleset import Ruleset, target_of

_PROGRAM = "ip"
_LOOPBACK = ("127.0.0.0/8", "::1/128")
_BRIDGED = "/proc/sys/net/bridge/bridge-nf-call-iptables"


class Port(NamedTuple):
    """A bridge's port to a container, and whether it is in hairpin mode."""

    name: str
    container: str
    is_on: bool

    @property
    def told(self) -> str:
        return "hairpin mode of %s, to container %s: %s\n" % (self.name, quoted(self.container), "on" if self.is_on else "off")


def is_ours_to_set(system: System, rulesets: Dict[int, Ruleset]) -> bool:
    """Whether a container needs the mode to reach itself, and Docker does not set it."""
    if system.which(_PROGRAM) is None:
        return False
    outputs = [rule for ruleset in rulesets.values() for rule in ruleset.rules("nat", "OUTPUT") if target_of(rule) == "DOCKER"]
    proxied = all(any(isinstance(match, AddressMatch) and match.network in _LOOPBACK for match in parse(rule).matches) for rule in outputs)
    return proxied and (system.read(_BRIDGED) or "").strip() == "1"


def wrong_ports(system: System, on: Iterable[Target], off: Iterable[Target]) -> List[Port]:
    """Return the bridge ports to these containers that are in the wrong mode, as they are now."""
    wanted = [(container, True) for container in on] + [(container, False) for container in off]
    # One container may have several of the opened ports.
    return list(dict.fromkeys(port for container, is_on in wanted for port in _ports(system, container) if port.is_on != is_on))


def switch(system: System, ports: Iterable[Port]) -> List[str]:
    """Switch each port to the other mode. Returns warnings, with ip's own messages."""
    warnings = []
    for port in ports:
        done = system.run([_PROGRAM, "link", "set", "dev", port.name, "type", "bridge_slave", "hairpin", "off" if port.is_on else "on"])
        if done.rc != 0:
            warnings.append(
                "container %s does not reach itself through its opened port: %s" % (quoted(port.container), " ".join(done.stderr.split()))
            )
    return warnings


def shown(ports: List[Port]) -> Dict[str, str]:
    """Return the ports as a part of the task's diff."""
    return {
        "before_header": "bridge ports",
        "after_header": "bridge ports",
        "before": "".join(port.told for port in ports),
        "after": "".join(port._replace(is_on=not port.is_on).told for port in ports),
    }


def _ports(system: System, container: Target) -> List[Port]:
    """Return the bridges' ports that lead into the container's namespace."""
    try:
        with held(system, container) as fd:
            names = ends_into(fd)
    except DrawbridgeError:
        # The container has ended, and its interfaces with it.
        return []
    links = json.loads(system.run([_PROGRAM, "-d", "-j", "link", "show", "type", "veth"]).stdout or "[]") if names else []
    return [
        Port(str(link["ifname"]), container.name, _slave(link)["hairpin"] is True)
        for link in links
        if link.get("ifname") in names and "hairpin" in _slave(link)
    ]


def _slave(link: JsonObject) -> JsonObject:
    return mapping(mapping(link.get("linkinfo")).get("info_slave_data"))
