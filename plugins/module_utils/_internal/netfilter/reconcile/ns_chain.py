# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A section inside a container's network namespace: a chain of our own, entered by one jump from a built-in chain."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, NamedTuple, Tuple

from ...address import IPV4
from ...errors import DrawbridgeError
from ..rules.desired import Chain, DesiredState, Hook, Line
from ..rules.fields import families_of
from .packed import rule_lines
from .section import section_chain

PREFIX = "DB-NS-"
# The sections of a policy; no user's section is called so.
POLICY_PREFIX = "DB-NS-policy-"
PARENTS: Dict[str, Tuple[str, ...]] = {
    "filter": ("INPUT", "OUTPUT", "FORWARD"),
    "mangle": ("PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"),
    "raw": ("PREROUTING", "OUTPUT"),
    "nat": ("PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"),
}
_ESTABLISHED = "-m conntrack --ctstate RELATED,ESTABLISHED -j RETURN"
# Who forges the container's own address would have a flow in which he is the one that replies. What the container sends to a multicast
# address comes back to it, of a flow that is known by then.
_FORGED = "! -i lo -m addrtype --src-type LOCAL -m conntrack ! --ctstatus CONFIRMED -j DROP"
# The interface option by which a chain sees the loopback; FORWARD never does.
_LOOPBACK = {"INPUT": "-i", "PREROUTING": "-i", "OUTPUT": "-o", "POSTROUTING": "-o"}
# The engine's resolver answers at 127.0.0.11, by lines of its own in nat: neither loopback traffic nor those are ours.
_RESOLVER = {
    "OUTPUT": ("-d 127.0.0.11/32 -j RETURN",),
    "POSTROUTING": ("-s 127.0.0.11/32 -j RETURN", "-d 127.0.0.11/32 -j RETURN"),
}


class NsSection(NamedTuple):
    """name, priority: lowest first. table, parent: where it hooks in. established: replies and flows that were let in before
    pass first (in filter). loopback: so does what never leaves the container. families: those that the section is
    for. purge: whether foreign lines of the parent are deleted. present: or to be removed, wherever it is. prefix: of the chain's
    name, by whose section it is."""

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
    """The section that arguments of container_netns_rule describe; a policy's have no ``state``, and are there."""
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
    """The section as wanted state of each namespace. ``rules``: the user's list, or packed; ``path``: its name."""
    chain = section_chain(section.prefix, section.name, section.priority)
    # In whichever table an earlier task had it: a section has one place.
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
