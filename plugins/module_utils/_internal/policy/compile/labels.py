# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Label lines: they show the sentry that a policy's chains are in force. The sentry, a table of nftables, closes the host while they are not.

Each line sets a label on a connection's first packet: a bit of ``connlabel``, which routing and other rules ignore. The sentry checks the labels
in chains of type nat, which see first packets only. So open connections cost nothing. See ``persistence/boot_program/source/sentry.sh``.
"""

from __future__ import annotations

import os
from typing import Dict, List, Mapping, Set, Tuple

from ...address import IPV4, IPV6
from ...host.system import paths
from ...netfilter.kernel.state import State
from ...netfilter.reconcile.plan import Plan
from ...netfilter.rules.desired import AddressSet, Chain, DesiredState, Line, SetType
from ...netfilter.rules.matches import FlagMatch, OneOfMatch, ValueMatch, Verdict
from ...netfilter.rules.saved_rule import parse
from ..blocks import owners
from ..chains import forward, host_input, source_check
from ..values import reserved_names
from .denials import observes

# A file beside the boot program. It exists if the host supports the sentry.
ASKED = "sentry"
# The bit that each chain sets. Documented in docs/guides/boot-and-rollback.md.
LABELS: Dict[Tuple[str, str], int] = {
    (source_check.TABLE, source_check.CHAIN): 127,
    (host_input.TABLE, host_input.CHAIN): 126,
    (forward.TABLE, forward.CHAIN): 125,
    (owners.FILTER, owners.POLICY_EGRESS.forwarded): 124,
    (owners.FILTER, owners.POLICY_EGRESS.to_host): 123,
}
_LABELS = frozenset(map(str, LABELS.values()))
_LINE = "-m connlabel --label %d --set"
# The set matches every packet unless somebody flushed the sets: chains whose sets are empty do not count as in force. One chain asks for all,
# since the sentry wants its label of every packet.
_SETS_ARE_FULL = "-m set --match-set @%s src " % reserved_names.UNFLUSHED
_ASKS_FOR_SETS = (source_check.TABLE, source_check.CHAIN)
_EVERYWHERE = {IPV4: frozenset(("0.0.0.0/1", "128.0.0.0/1")), IPV6: frozenset(("::/1", "8000::/1"))}
# Matches of lines that let open connections pass. Behind such lines a label line costs open connections nothing.
_EARLIER = {"--ctdir": {"REPLY"}, "--ctstate": {"RELATED", "ESTABLISHED"}}


def are_asked_for() -> bool:
    """Whether this host has the sentry."""
    return os.path.exists(os.path.join(paths.ETC, ASKED))


def is_answer(rule: str) -> bool:
    """Whether a rule is a label line, which has no verdict. Rules without ``--label`` are not parsed: policies have thousands."""
    if "--label " not in rule:
        return False
    read = parse(rule)
    labels = [match.value for match in read.matches if isinstance(match, ValueMatch) and match.option == "--label" and not match.negated]
    return read.target is None and FlagMatch("--set") in read.matches and any(label.strip('"') in _LABELS for label in labels)


def takes_answers(plan: Plan) -> bool:
    """Whether a change removes label lines on purpose. The sentry has to know before the change."""
    before, after = plan.states
    return not _answered(before) <= _answered(after)


def _answered(states: Mapping[int, State]) -> Set[Tuple[int, str, str]]:
    return {
        (family, table, chain)
        for family, state in states.items() for table, held in state.items() for chain, rules in held.chains.items()
        if any(map(is_answer, rules))
    }


def answering(wanted: DesiredState) -> DesiredState:
    """Add a label line to each chain that the sentry checks; none if the policy only observes, since the sentry would deny."""
    if observes([line.text for chain in wanted.chains for line in chain.lines]):
        return wanted
    chains = [_with_answer(chain) for chain in wanted.chains]
    if chains == wanted.chains:
        return wanted
    full = AddressSet(reserved_names.UNFLUSHED, SetType("hash:net"), {family: _EVERYWHERE[family] for family in (IPV4, IPV6)})
    return wanted._replace(chains=chains, sets={**wanted.sets, reserved_names.UNFLUSHED: full})


def _with_answer(chain: Chain) -> Chain:
    label = LABELS.get((chain.table, chain.name))
    if label is None:
        return chain
    place = _behind_replies(chain.lines)
    answer = Line((_SETS_ARE_FULL if (chain.table, chain.name) == _ASKS_FOR_SETS else "") + _LINE % label)
    return chain._replace(lines=[*chain.lines[:place], answer, *chain.lines[place:]])


def _behind_replies(lines: List[Line]) -> int:
    return max((place for place, line in enumerate(lines, 1) if _lets_open_connections_by(line.text)), default=0)


def _lets_open_connections_by(rule: str) -> bool:
    """Whether a line returns packets of open connections. Lines with other or unknown matches do not count. Lines without ``--ct`` are not parsed."""
    if "--ct" not in rule:
        return False
    asks, target = parse(rule).asks, parse(rule).target
    asked = asks[0] if len(asks) == 1 and target == Verdict("RETURN") else None
    return isinstance(asked, OneOfMatch) and not asked.negated and set(asked.listed.split(",")) <= _EARLIER.get(asked.option, set())
