# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The record for the event service. It has the parts of a policy that depend on where containers and networks are; the service applies
them again.

The rules say which record is in force. So a boot or a rollback that restores earlier rules also restores the service's record.
"""

from __future__ import annotations

from typing import List, Sequence

from ..address import BOTH
from ..engine.facts.gather import EngineFacts
from ..host.system.json_values import JsonObject
from ..netfilter.kernel.netfilter import Netfilter
from ..netfilter.rules.desired import Chain, DesiredState, Line
from ..persistence.records.records import Record, Records
from ..policy.blocks.engine_sets import named_sets
from ..policy.blocks.owners import POLICY_LASTING
from ..policy.blocks.port_rules import Match, Rules
from ..policy.compile.compile import own_sets
from ..policy.compile.record_in_force import MODULE, mark, record_name, set_in
from ..policy.language.masquerade import masquerade_data
from ..policy.language.open_port_entries import open_port_data
from ..policy.language.open_ports import OpenPort
from .desired import Desired
from .part import Compiled, Part, Report


class PolicyRecords(Part):
    """The record of one policy, in its task."""

    def __init__(self, desired: Desired) -> None:
        self._records = Records()
        self._writes = not desired.check_mode
        self._policy = desired.policy
        self._record = _record(desired)
        self._lasts = self._records.are_kept
        self._recorded = False

    def compile(self, compiled: Compiled, _asked: EngineFacts, _netfilter: Netfilter) -> Compiled:
        """Add the chain that says which record is in force. The record is written here already: a record that is not in force does nothing.
        Raises DrawbridgeError if there are too many records."""
        return compiled._replace(wanted=self._with_mark(compiled.wanted)) if self._lasts else compiled

    def _with_mark(self, wanted: DesiredState) -> DesiredState:
        self._recorded = self._records.settle(self._record, True, self._writes)
        rules = Rules()
        needed = _needed(self._policy.open_ports or (), rules)
        sets = {**own_sets(self._policy), **rules.sets}
        chain = Chain(*POLICY_LASTING, [mark(self._record.name), *(line for line in needed if set_in(line) in sets)])
        return wanted._replace(chains=[*wanted.chains, chain], sets={**wanted.sets, **named_sets([chain], sets)})

    def report(self) -> Report:
        return Report(self._recorded, {"recorded": self._lasts})


def _record(desired: Desired) -> Record:
    policy = desired.policy
    arguments: JsonObject = {
        "docker_host": desired.docker_host,
        "transport": desired.settings.transport,
        "open_ports": [open_port_data(port) for port in policy.open_ports or ()],
        "masquerade": None if policy.masquerade is None else masquerade_data(policy.masquerade),
    }
    return Record(MODULE, record_name(arguments), arguments)


def _needed(ports: Sequence[OpenPort], rules: Rules) -> List[Line]:
    """Return a line for each set of sources. A port that leads nowhere now needs these sets once it leads to a container."""
    anything = [Match(BOTH, "", "")]
    lines = [line for port in ports for line in rules.from_sources(anything, port.entry.sources, port.entry.path, "RETURN")]
    return list({line.text: line for line in lines if set_in(line) is not None}.values())
