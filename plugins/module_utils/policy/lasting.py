# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What of a policy the event service does again: the parts that say where containers and networks are.

They are kept in a record, and which record is in force is a part of the rules. So whatever brings earlier rules back, a boot or a
rollback, brings back what the service goes by.
"""

from __future__ import annotations

from typing import Any, List, Mapping, Sequence

from ..lasting.records import Record, Records
from ..netfilter.model import BOTH, Chain, Line, Wanted
from ..publish.model import OpenPort
from ..publish.parse import open_port_data
from ..task import Result, Task
from .compile import own_sets
from .in_force import MODULE, mark, record_name, set_in
from .lines import Match, Rules
from .masquerade import masquerade_data
from .model import Policy
from .owners import POLICY_LASTING
from .sets import named_sets


class LastingParts:
    """Of one policy, in its task."""

    def __init__(self, task: Task, policy: Policy) -> None:
        self._records = Records()
        self._writes = not task.check_mode
        self._policy = policy
        self._record = _record(task.params, policy)
        self._lasts = self._records.are_kept
        self._recorded = False

    def with_mark(self, wanted: Wanted) -> Wanted:
        """The policy's wanted state with the chain that says which record is in force. The record is written already: one that is not in
        force does nothing. Called with the host's lock held, unless in check mode. Raises DrawbridgeError where there are too many."""
        if not self._lasts:
            return wanted
        self._recorded = self._records.settle(self._record, True, self._writes)
        rules = Rules()
        needed = _needed(self._policy.open_ports or (), rules)
        sets = {**own_sets(self._policy), **rules.sets}
        chain = Chain(*POLICY_LASTING, [mark(self._record.name), *(line for line in needed if set_in(line) in sets)])
        return wanted._replace(chains=[*wanted.chains, chain], sets={**wanted.sets, **named_sets([chain], sets)})

    def told(self, result: Result) -> Result:
        """The result with whether it lasts."""
        values = dict(result.values, lasting=self._lasts, changed=result.values["changed"] or self._recorded)
        return result._replace(values=values)


def _record(params: Mapping[str, Any], policy: Policy) -> Record:
    arguments = {
        "docker_host": params["docker_host"],
        "transport": params["transport"],
        "open_ports": [open_port_data(port) for port in policy.open_ports or ()],
        "masquerade": None if policy.masquerade is None else masquerade_data(policy.masquerade),
    }
    return Record(MODULE, record_name(arguments), arguments)


def _needed(ports: Sequence[OpenPort], rules: Rules) -> List[Line]:
    """A line for each set of sources: a port that leads nowhere now needs them once it does."""
    anything = [Match(BOTH, "", "")]
    lines = [line for port in ports for line in rules.from_sources(anything, port.entry.sources, port.entry.path, "RETURN")]
    return list({line.text: line for line in lines if set_in(line) is not None}.values())
