# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Lines that log denied packets: ahead of each line of the policy's chains that drops, with the same matches and a limit.

Each line has a limit of its own. The prefix names the chain, so that a reader of the kernel's log knows what denied the packet. LOG is silent
in network namespaces other than the first, unless ``net.netfilter.nf_log_all_netns`` is set. NFLOG, which has a group, is not.
"""

from __future__ import annotations

from typing import Dict, List, Optional

from ...netfilter.kernel.state import State
from ...netfilter.rules.desired import Chain, DesiredState, Line
from ...netfilter.rules.matches import Effect, ValueMatch
from ...netfilter.rules.saved_rule import SavedRule, parse
from ..blocks import owners
from ..blocks.engine_table import MARK
from ..chains import forward, guard, host_input, late_ports, source_check
from ..language.settings import LOGGED, Choices

RATE, BURST = "10/min", 20
# Behind a chain's name in a prefix.
DENIED = ":D "
_PREFIX = '-prefix "DB-'
_DROP = "-j DROP"
# Packets that keep the mark are dropped behind the chain, by a table of nftables (policy/blocks/engine_table.py).
_MARKED = "-m mark --mark 0x%x/0x%x" % (MARK, MARK)
_PORTS, _SERVICES, _EGRESS, _SOURCES = LOGGED
_SECTIONS = [
    (guard.CHAIN, _PORTS),
    (forward.CHAIN + "-EGRESS", _EGRESS),
    (forward.CHAIN, _PORTS),
    (late_ports.CHAIN, _PORTS),
    (host_input.CHAIN, _SERVICES),
    (owners.POLICY_EGRESS.to_host, _EGRESS),
    (owners.POLICY_EGRESS.prefix, _EGRESS),
    (source_check.CHAIN, _SOURCES),
]


def section_of(chain: str) -> Optional[str]:
    """Return the section of ``log_denied`` that a chain of the policy belongs to."""
    return next((section for start, section in _SECTIONS if chain.startswith(start)), None)


def logging(wanted: DesiredState, asked: Choices) -> DesiredState:
    """Return ``wanted`` with the lines that log."""
    sections = asked.values.get(("sections",), LOGGED)
    named = sections if isinstance(sections, (list, tuple)) else LOGGED
    return wanted._replace(chains=[chain._replace(lines=_logged(chain, asked)) if section_of(chain.name) in named else chain for chain in wanted.chains])


def _logged(chain: Chain, asked: Choices) -> List[Line]:
    if chain.name == late_ports.CHAIN:
        return _of_late_ports(chain, asked)
    lines: List[Line] = []
    for line in chain.lines:
        if line.text.endswith(_DROP):
            lines.append(Line(_log(line.text[: -len(_DROP)], chain.name, asked), line.families))
        lines.append(line)
    return lines


def _of_late_ports(chain: Chain, asked: Choices) -> List[Line]:
    """Log the packets that leave the chain with their mark: at a line that returns, or at the end. The first line returns those without."""
    lines = list(chain.lines[:1])
    for line in chain.lines[1:]:
        if line.text.endswith("-j RETURN"):
            lines.append(Line(_log("%s%s " % (line.text[: -len("-j RETURN")], _MARKED), chain.name, asked), line.families))
        lines.append(line)
    if chain.lines[-1].text.startswith("-j "):
        # Nothing has the mark behind this line.
        return lines
    return [*lines, Line(_log(_MARKED + " ", chain.name, asked))]


def _log(matches: str, chain: str, asked: Choices) -> str:
    limit = "-m limit --limit %s --limit-burst %s" % (asked.values.get(("rate",), RATE), asked.values.get(("burst",), BURST))
    prefix, group = chain + DENIED, asked.values.get(("group",))
    target = 'LOG --log-prefix "%s" --log-level 6' % prefix if group is None else 'NFLOG --nflog-prefix "%s" --nflog-group %s' % (prefix, group)
    return "%s%s -j %s" % (matches, limit, target)


def is_log(rule: str) -> bool:
    """Whether a saved rule is a line that logs denied packets. Other rules are not parsed."""
    return _PREFIX in rule and isinstance(parse(rule).target, Effect)


def logs_in_words(state: State) -> Dict[str, str]:
    """Return in words how one family's state logs the denied packets of each section, in the sections' order."""
    found: Dict[str, str] = {}
    for held in state.values():
        for chain, rules in held.chains.items():
            section = section_of(chain)
            logs = [rule for rule in rules if is_log(rule)] if section is not None else []
            if section is not None and logs:
                found[section] = _in_words(parse(logs[0]))
    return {section: found[section] for section in LOGGED if section in found}


def _in_words(log: SavedRule) -> str:
    limit = {match.option: match.value for match in log.matches if isinstance(match, ValueMatch)}
    target = log.target
    options = dict(zip(target.options, target.options[1:])) if isinstance(target, Effect) else {}
    where = "by the kernel's log" if log.goes_to == "LOG" else "by NFLOG's group %s" % options.get("--nflog-group", "0")
    return "logged %s, at most %s a line once %s are through" % (where, limit.get("--limit", "?"), limit.get("--limit-burst", "5"))
