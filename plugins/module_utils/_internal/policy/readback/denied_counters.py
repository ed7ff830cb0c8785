# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Counters of denied packets in the text format of Prometheus, from the counters of the policy's rules. Pure.

Rules keep their counters when others change. A rule that is replaced begins at 0, which is what a reader of counters expects of a restart.
"""

from __future__ import annotations

import re
from typing import Dict, List, Mapping, Tuple

from ...netfilter.rules.matches import PortMatch, ProtocolMatch
from ...netfilter.rules.saved_rule import parse
from ...netfilter.rules.saved_ruleset import Ruleset, SavedChain
from ..compile.denials import as_if_enforced, is_log, section_of

_METRICS = {
    False: ("drawbridge_denied_packets_total", "Packets that the policy dropped, by the counters of its rules."),
    True: ("drawbridge_observed_packets_total", "Packets that passed, but that the policy would drop if it enforced what it observes."),
}
_COUNTERS = re.compile(r"\[([0-9]+):[0-9]+\]")
# family, section, chain, protocol, port; the last two are empty for a rule about every port.
_Labels = Tuple[str, str, str, str, str]
_NAMES = ("family", "reason", "chain", "protocol", "port")


def denied_text(rulesets: Mapping[int, Ruleset]) -> str:
    """Return the file's content. Each rule that drops counts for its chain, and for its port if it has one."""
    counted: Dict[bool, Dict[_Labels, int]] = {False: {}, True: {}}
    for family, ruleset in rulesets.items():
        for chains in ruleset.tables.values():
            for name, chain in chains.items():
                section = section_of(name)
                if section is not None:
                    _count(counted, ("ipv%d" % family, section, name), chain)
    return "".join(_metric(*_METRICS[is_observed], values) for is_observed, values in counted.items())


def _count(counted: Dict[bool, Dict[_Labels, int]], labels: Tuple[str, str, str], chain: SavedChain) -> None:
    rules = [(rule, counters) for rule, counters in zip(chain.rules, chain.counters) if not is_log(rule)]
    for (rule, counters), enforced in zip(rules, as_if_enforced(chain.rules)):
        found = _COUNTERS.match(counters)
        if not enforced.endswith("-j DROP") or found is None:
            continue
        matches = parse(enforced).matches
        protocol = next((match.name for match in matches if isinstance(match, ProtocolMatch) and not match.negated), "")
        ports = [match for match in matches if isinstance(match, PortMatch) and match.option in ("--dport", "--ctorigdstport")]
        port = "-".join(str(end) for end in dict.fromkeys(ports[0].ranges[0])) if ports and ports[0].ranges and not ports[0].negated else ""
        values = counted[rule != enforced]
        key = (*labels, protocol if port else "", port)
        values[key] = values.get(key, 0) + int(found.group(1))


def _metric(name: str, about: str, values: Mapping[_Labels, int]) -> str:
    lines: List[str] = ["# HELP %s %s" % (name, about), "# TYPE %s counter" % name]
    for labels, packets in sorted(values.items()):
        # No label has a character that has to be escaped: chains of the policy have none, and the rest are fixed words and numbers.
        lines.append("%s{%s} %d" % (name, ",".join('%s="%s"' % pair for pair in zip(_NAMES, labels)), packets))
    return "".join("%s\n" % line for line in lines)
