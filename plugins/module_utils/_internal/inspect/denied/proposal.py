# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Propose the entries that a policy lacks for those whom it only observes: as few as there can be, in a fixed order, as YAML to review.

Nothing in it was named by somebody else: addresses, numbers and fixed words. No set is proposed for one of its addresses, since that would let
in all the others.
"""

from __future__ import annotations

from typing import Dict, Iterable, List, Mapping, NamedTuple, Set, Tuple

from ...address import number
from ...policy.blocks.outside import OUTSIDE
from ...policy.chains import forward, guard, host_input, late_ports
from .who import Group, Subject

_PORTS, _SERVICES = "published_ports", "host_services"
_WITH_PORTS = ("tcp", "udp", "sctp")


class Missing(NamedTuple):
    """An entry: the first and the last port of a range, which everybody in ``sources`` asked for."""

    first: int
    last: int
    protocol: str
    sources: List[str]


Proposal = Dict[str, List[Missing]]


def proposed(groups: Iterable[Group]) -> Proposal:
    """Return the entries that are missing, by section. What no entry of these sections lets in is left out, and what was dropped."""
    sources: Dict[Tuple[str, str], Dict[int, Set[str]]] = {}
    for subject in (group.subject for group in groups if group.subject.observed):
        section = _section(subject)
        port = subject.host_port if section == _PORTS else subject.port
        if section and subject.protocol in _WITH_PORTS and port:
            sources.setdefault((section, subject.protocol), {}).setdefault(port, set()).add(subject.source)
    found = {
        section: [each for protocol in _WITH_PORTS for each in _ranges(protocol, sources.get((section, protocol), {}))]
        for section in (_PORTS, _SERVICES)
    }
    return {section: entries for section, entries in found.items() if entries}


def as_policy(proposal: Proposal) -> Dict[str, object]:
    """Return the proposal as a fragment of a policy."""
    return {
        section: {"allow": [{"port": _port(entry), "protocol": entry.protocol, "sources": entry.sources} for entry in entries]}
        for section, entries in proposal.items()
    }


def as_yaml(proposal: Proposal) -> str:
    """Return the same as YAML; empty where nothing is missing. Sources are quoted, since addresses of IPv6 have colons."""
    lines: List[str] = []
    for section, entries in proposal.items():
        lines += ["%s:" % section, "  allow:"]
        for entry in entries:
            who = ", ".join('"%s"' % source for source in entry.sources)
            lines.append("    - {port: %s, protocol: %s, sources: [%s]}" % (_port(entry), entry.protocol, who))
    return "".join("%s\n" % line for line in lines)


def _section(subject: Subject) -> str:
    if subject.chain in (guard.PORTS, late_ports.CHAIN, forward.DIALLED):
        return _PORTS
    return _SERVICES if subject.chain in (host_input.CHAIN, host_input.CHAIN + OUTSIDE) else ""


def _port(entry: Missing) -> object:
    return entry.first if entry.first == entry.last else "%d-%d" % (entry.first, entry.last)


def _ranges(protocol: str, ports: Mapping[int, Set[str]]) -> List[Missing]:
    """Neighbouring ports become one range if exactly the same sources asked for each."""
    found: List[Missing] = []
    for port in sorted(ports):
        who = sorted(ports[port], key=lambda source: (number(source)[1], number(source)[0]))
        if found and found[-1].last == port - 1 and found[-1].sources == who:
            found[-1] = found[-1]._replace(last=port)
        else:
            found.append(Missing(port, port, protocol, who))
    return found
