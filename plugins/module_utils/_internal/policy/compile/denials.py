# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Lines that log denied packets, and those that observe: what a policy would deny is counted and logged, and passes.

A line that logs stands ahead of each line of the policy's chains that drops, with the same matches and a limit. Where a policy observes, the
line behind it returns in place of dropping. So whoever reads the rules finds that nothing is denied, and its counter tells how much would be.

Each line has a limit of its own. The prefix names the chain, so that a reader of the kernel's log knows what denied the packet. LOG is silent
in network namespaces other than the first, unless ``net.netfilter.nf_log_all_netns`` is set. NFLOG, which has a group, is not.
"""

from __future__ import annotations

from typing import Dict, List, Optional, Sequence

from ...netfilter.kernel.state import State
from ...netfilter.rules.desired import Chain, DesiredState, Line
from ...netfilter.rules.matches import Effect, ValueMatch
from ...netfilter.rules.saved_rule import SavedRule, parse
from ..blocks import owners
from ..blocks.engine_table import MARK
from ..blocks.limits import is_chain_of_limits
from ..blocks.outside import OUTSIDE
from ..blocks.port_rules import OBSERVED
from ..chains import forward, guard, host_input, late_ports, source_check
from ..language.settings import LOGGED, Choices

RATE, BURST = "10/min", 20
# Behind a chain's name in a prefix: of packets that are dropped, and of those that would be.
DENIED, WOULD_BE = ":D ", ":O "
_PREFIX = '-prefix "DB-'
_DROP, _OBSERVED = "-j DROP", "-j " + OBSERVED
# Packets that keep the mark are dropped behind the chain, by a table of nftables (policy/blocks/engine_table.py).
_MARKED = "-m mark --mark 0x%x/0x%x " % (MARK, MARK)
_PORTS, _SERVICES, EGRESS, _SENT, _SOURCES = LOGGED
_KINDS = ("denied packets", "what would be denied")
# Chains by name. Those of egress have a common beginning, and their blocks' names behind it.
_SECTIONS = {
    **dict.fromkeys((guard.CHAIN, guard.CHAIN + OUTSIDE, guard.LOCAL, guard.PORTS, guard.ROUTED, guard.RECEIVED, guard.RECEIVED + OUTSIDE), _PORTS),
    **dict.fromkeys((forward.CHAIN, forward.CHAIN + OUTSIDE, forward.DIALLED, late_ports.CHAIN), _PORTS),
    **dict.fromkeys((guard.DENIED, forward.DENIED, late_ports.DENIED), _PORTS),
    **dict.fromkeys((host_input.CHAIN, host_input.CHAIN + OUTSIDE, host_input.DENIED), _SERVICES),
    owners.OUTPUT_DENIED: _SENT,
    source_check.CHAIN: _SOURCES,
}


# Chains of limits have a key behind this.
_LIMITED = {guard.LIMITED: _PORTS, forward.LIMITED: _PORTS, host_input.LIMITED: _SERVICES}


def section_of(chain: str) -> Optional[str]:
    """Return the section of ``log_denied`` that a chain of the policy belongs to."""
    if chain.startswith(owners.POLICY_EGRESS.prefix):
        return EGRESS
    if is_chain_of_limits(chain):
        return next((section for start, section in _LIMITED.items() if chain.startswith(start)), None)
    return _SECTIONS.get(chain)


def observed(chain: Chain) -> Chain:
    """Return a chain that observes where it would drop."""
    return chain._replace(lines=[
        line._replace(text=line.text[: -len(_DROP)] + _OBSERVED) if line.text.endswith(_DROP) else line for line in chain.lines
    ])  # fmt: skip


def with_logs(wanted: DesiredState, asked: Optional[Choices]) -> DesiredState:
    """Return ``wanted`` with the lines that log, and with what observes. asked: the policy's ``log_denied``; observed packets are logged without it."""
    choices = asked or Choices("", {})
    sections = choices.values.get(("sections",), LOGGED) if asked is not None else ()
    logged = sections if isinstance(sections, (list, tuple)) else LOGGED
    chains = [_with_logs(chain, choices, section_of(chain.name) in logged) for chain in wanted.chains]
    return wanted if chains == wanted.chains else wanted._replace(chains=chains)


def _with_logs(chain: Chain, asked: Choices, logs: bool) -> Chain:
    if not logs and not any(line.text.endswith(_OBSERVED) for line in chain.lines):
        return chain
    return chain._replace(lines=(_of_late_ports if chain.name == late_ports.CHAIN else _of_others)(chain, asked, logs))


def _of_others(chain: Chain, asked: Choices, logs: bool) -> List[Line]:
    lines: List[Line] = []
    for line in chain.lines:
        if line.text.endswith(_OBSERVED):
            matches = line.text[: -len(_OBSERVED)]
            lines += [Line(_log(matches, chain.name + WOULD_BE, asked), line.families), line._replace(text=matches + "-j RETURN", path=None)]
            continue
        if logs and line.text.endswith(_DROP):
            lines.append(Line(_log(line.text[: -len(_DROP)], chain.name + DENIED, asked), line.families))
        lines.append(line)
    return lines


def _of_late_ports(chain: Chain, asked: Choices, logs: bool) -> List[Line]:
    """Log the packets that leave the chain with their mark: at a line that returns, or at the end. The first line returns those without.

    Where the policy observes, the mark is taken off.
    """
    lines = list(chain.lines[:1])
    for line in chain.lines[1:]:
        matches, _jump, verdict = line.text.rpartition("-j ")
        if verdict == OBSERVED:
            lines += [Line(_log(matches + _MARKED, chain.name + WOULD_BE, asked), line.families), line._replace(text=matches + "-j " + late_ports.PASSES)]
            continue
        if logs and verdict == "RETURN":
            lines.append(Line(_log(matches + _MARKED, chain.name + DENIED, asked), line.families))
        lines.append(line)
    # Behind a line for all packets nothing has the mark.
    return [*lines, Line(_log(_MARKED, chain.name + DENIED, asked))] if logs and not chain.lines[-1].text.startswith("-j ") else lines


def _log(matches: str, prefix: str, asked: Choices) -> str:
    limit = "-m limit --limit %s --limit-burst %s" % (asked.values.get(("rate",), RATE), asked.values.get(("burst",), BURST))
    group = asked.values.get(("group",))
    target = 'LOG --log-prefix "%s" --log-level 6' % prefix if group is None else 'NFLOG --nflog-prefix "%s" --nflog-group %s' % (prefix, group)
    return "%s%s -j %s" % (matches, limit, target)


def is_log(rule: str) -> bool:
    """Whether a saved rule is a line that logs denied packets. Other rules are not parsed."""
    return _PREFIX in rule and isinstance(parse(rule).target, Effect)


def as_if_enforced(rules: Sequence[str]) -> List[str]:
    """Return a chain's saved rules without the lines that log, and with a drop for each that observes."""
    found: List[str] = []
    ahead = ""
    for rule in rules:
        if not is_log(rule):
            found.append(rule[: -len("RETURN")] + "DROP" if _tells_observed(ahead) and rule.endswith("-j RETURN") else rule)
        ahead = rule
    return found


def observes(rules: Sequence[str]) -> bool:
    """Whether rules observe, and drop nothing."""
    return any(map(_tells_observed, rules)) and not any(rule.endswith(_DROP) for rule in rules)


def is_open(rules: Sequence[str]) -> bool:
    """Whether a chain's saved rules observe somewhere."""
    return any(map(_tells_observed, rules))


def _tells_observed(rule: str) -> bool:
    return WOULD_BE + '"' in rule and is_log(rule)


def logs_in_words(state: State) -> Dict[str, str]:
    """Return in words how one family's state treats the denied packets of each section, in the sections' order: what is logged, what is observed."""
    found: Dict[str, str] = {}
    for held in state.values():
        for chain, rules in held.chains.items():
            section = section_of(chain)
            for rule in rules if section is not None else ():
                if section is not None and is_log(rule):
                    found["%s of %s" % (_KINDS[_tells_observed(rule)], section)] = _in_words(parse(rule))
    return {key: found[key] for section in LOGGED for kind in _KINDS for key in ["%s of %s" % (kind, section)] if key in found}


def _in_words(log: SavedRule) -> str:
    limit = {match.option: match.value for match in log.matches if isinstance(match, ValueMatch)}
    target = log.target
    options = dict(zip(target.options, target.options[1:])) if isinstance(target, Effect) else {}
    where = "by the kernel's log" if log.goes_to == "LOG" else "by NFLOG's group %s" % options.get("--nflog-group", "0")
    logged = "logged %s, at most %s a line once %s are through" % (where, limit.get("--limit", "?"), limit.get("--limit-burst", "5"))
    return "passes, and is " + logged if any(WOULD_BE in word for word in options) else logged
