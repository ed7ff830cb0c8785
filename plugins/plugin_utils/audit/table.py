# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The audit as lines of text. Pure. A few hosts have their findings one by one; of many hosts, those with the same finding are one line."""

from __future__ import annotations

from typing import Dict, List, Sequence

from ansible_collections.drawbridge.docker.plugins.plugin_utils.audit.hosts import (
    AUDITED,
    RESULTS,
    SEVERITIES,
    Finding,
    Host,
    mapping,
    states_of,
    totals,
)
from ansible_collections.drawbridge.docker.plugins.plugin_utils.fleet.table import MOST_SINGLE
from ansible_collections.drawbridge.docker.plugins.plugin_utils.fleet.texts import abbreviated, first_line, how_many

# More lines of evidence are counted.
_MOST_EVIDENCE = 5


def table(hosts: Sequence[Host]) -> List[str]:
    """Return the lines about a whole fleet."""
    lines = [line for host in hosts for line in _each(host)] if len(hosts) <= MOST_SINGLE else _grouped(hosts)
    return [*lines, "", summed(hosts)]


def summed(hosts: Sequence[Host]) -> str:
    """``5 hosts: 4 audited, 1 unreachable; findings: 2 high, 1 medium, 0 low``"""
    counted = totals(hosts)
    results = ", ".join("%d %s" % (counted[result], result) for result in RESULTS if counted[result])
    return "%s: %s; findings: %s" % (how_many(len(hosts)), results, ", ".join("%d %s" % (counted[each], each) for each in SEVERITIES))


def engine_words(host: Host) -> str:
    """``Docker 28.5.2, iptables (nft)``"""
    engine, variant = mapping(host.told.get("engine")), str(mapping(host.told.get("iptables")).get("variant"))
    if not engine.get("reachable"):
        return "no engine answers, iptables-%s" % variant
    backend = str(engine.get("backend"))
    return "Docker %s, %s%s" % (engine.get("version"), backend, " (%s)" % variant if backend == "iptables" else "")


def _each(host: Host) -> List[str]:
    if host.result != AUDITED:
        return [first_line("%s: %s: %s" % (host.name, host.result, host.message))]
    states = states_of(host, "internet", "published")
    reached = sum(state in ("open", "some") for state in states)
    lines = [first_line("%s: %s; %s, %d open to the internet" % (host.name, engine_words(host), how_many(len(states), "published port"), reached))]
    for found in host.findings:
        lines.append(first_line("  %-6s  %s: %s" % (found.severity, found.id, found.message)))
        lines += [first_line("            %s" % each) for each in found.evidence[:_MOST_EVIDENCE] if each != found.message]
        if len(found.evidence) > _MOST_EVIDENCE:
            lines.append("            and %d more" % (len(found.evidence) - _MOST_EVIDENCE))
        lines.append(first_line("          %s" % found.remedy))
    return lines


def _grouped(hosts: Sequence[Host]) -> List[str]:
    """Return a line for each finding, the severest and most frequent first, then one for each reason why hosts were not audited."""
    groups: Dict[str, List[str]] = {}
    shown: Dict[str, Finding] = {}
    lost: Dict[str, List[str]] = {}
    for host in hosts:
        for found in host.findings:
            groups.setdefault(found.id, []).append(host.name)
            shown.setdefault(found.id, found)
        if host.result != AUDITED:
            lost.setdefault(first_line("%s: %s" % (host.result, host.message)), []).append(host.name)
    ordered = sorted(groups, key=lambda key: (SEVERITIES.index(shown[key].severity), -len(groups[key])))
    lines = [first_line("%-6s  %s: %s, %s: %s" % (shown[key].severity, key, how_many(len(groups[key])), abbreviated(groups[key]), shown[key].message))
             for key in ordered]  # fmt: skip
    return lines + ["%s (%s)" % (words, abbreviated(names)) for words, names in lost.items()]
