# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A section inside a container's network namespace: a chain of our own. One jump from a built-in chain leads to it."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, NamedTuple, Tuple

from ...address import IPV4
from ...errors import DrawbridgeError
from ..rules.desired import Chain, DesiredState, Hook, Line
from ..rules.fields import families_of
from .packed import rule_lines
from .section import section_chain

PREFIX = "DB-NS-"
# The sections of a policy. No user's section has this prefix.
POLICY_PREFIX = "DB-NS-policy-"
PARENTS: Dict[str, Tuple[str, ...]] = {
    "filter": ("INPUT", "OUTPUT", "FORWARD"),
    "mangle": ("PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"),
    "raw": ("PREROUTING", "OUTPUT"),
    "nat": ("PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"),
}
_ESTABLISHED = "-m conntrack --ctstate RELATED,ESTABLISHED -j RETURN"
# An attacker who forges the container's own address could start a flow in which the attacker's packets count as replies. The container's own
# multicast packets come back to it, too, but their flow is confirmed by then.
_FORGED = "! -i lo -m addrtype --src-type LOCAL -m conntrack ! --ctstatus CONFIRMED -j DROP"
# The interface option that matches loopback traffic in each chain. FORWARD never sees such traffic.
_LOOPBACK = {"INPUT": "-i", "PREROUTING": "-i", "OUTPUT": "-o", "POSTROUTING": "-o"}
# Docker's resolver answers at 127.0.0.11, by its own lines in nat. These returns keep our rules away from its traffic.
_RESOLVER = {
    "OUTPUT": ("-d 127.0.0.11/32 -j RETURN",),
    "POSTROUTING": ("-s 127.0.0.11/32 -j RETURN", "-d 127.0.0.11/32 -j RETURN"),
}


class NsSection(NamedTuple):
    """priority: lowest first. table, parent: the chain with the jump to the section. established: replies and established flows pass
    first (in filter). loopback: traffic that never leaves the container passes first. families: the section's families. purge: whether
    foreign lines of the parent are deleted. present: False to remove the section, wherever it is. prefix: of the chain's name; it tells
    a user's section from a policy's."""

    name: str
    priority: int
    table: str
    parent: str
    established: bool
    loopback: bool
    families: Tuple[int, ...]
    purge: bool
    present: bool
    prefix: str = PREFIX


def section_of(arguments: Mapping[str, Any], prefix: str = PREFIX) -> NsSection:
    """Return the section that the arguments of container_netns_rule describe. A policy's arguments have no ``state``, which means present."""
    return NsSection(
        name=arguments["section"],
        priority=arguments["priority"],
        table=arguments["table"],
        parent=arguments["chain"],
        established=arguments["established"],
        loopback=arguments["loopback"],
        families=families_of(arguments["ip_version"], "ip_version"),
        purge=arguments["purge"],
        present=arguments.get("state", "present") == "present",
        prefix=prefix,
    )


def ns_wanted(section: NsSection, rules: object, path: str) -> DesiredState:
    """Return the section as the desired state of each namespace. ``rules``: the user's list, or packed; ``path``: its name."""
    chain = section_chain(section.prefix, section.name, section.priority)
    # All tables: an earlier task may have put the section into another one, and a section has only one place.
    owned = [(table, chain) for table in PARENTS]
    if not section.present:
        return DesiredState(chains=[], hooks=[], owned=owned)
    if section.parent not in PARENTS[section.table]:
        raise DrawbridgeError(
            "table %s has no chain %s" % (section.table, section.parent), "chain", "it has %s" % ", ".join(PARENTS[section.table])
        )
    lines = _first_lines(section) + rule_lines(rules, section.families, path)
    return DesiredState(
        chains=[Chain(section.table, chain, lines, section.families)],
        hooks=[Hook(section.table, section.parent, chain, section.priority, families=section.families)],
        owned=owned,
        purge=[(section.table, section.parent)] if section.purge else [],
    )


def _first_lines(section: NsSection) -> List[Line]:
    lines: List[Line] = []
    if section.loopback and section.parent in _LOOPBACK and section.table != "nat":
        lines.append(Line("%s lo -j RETURN" % _LOOPBACK[section.parent]))
    if section.table == "nat":
        lines.extend(Line(text, (IPV4,)) for text in _RESOLVER.get(section.parent, ()))
    if section.established and section.table == "filter":
        if section.parent != "OUTPUT":
            lines.append(Line(_FORGED))
        lines.append(Line(_ESTABLISHED))
    return lines
