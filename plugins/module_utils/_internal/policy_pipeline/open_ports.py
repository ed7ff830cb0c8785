# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The part for a policy's ``open_ports``."""

from __future__ import annotations

from typing import Dict, List

from ..engine.api.connect import connect
from ..engine.facts.gather import EngineFacts
from ..errors import DrawbridgeError
from ..netfilter.kernel.netfilter import Netfilter
from ..netfilter.rules.desired import DesiredState
from ..policy.blocks.engine_sets import named_sets
from ..policy.blocks.owners import FILTER, POLICY_PORTS
from ..policy.blocks.port_rules import Rules
from ..policy.compile.compile import own_sets
from ..port_forwarding import hairpin
from ..port_forwarding.chains import DOCKER_USER
from ..port_forwarding.forwarder import Forwarder
from ..tasks.container_port import told
from ..transaction.converge import Outcome
from .desired import Desired
from .part import Compiled, Part, Report


def raised(error: DrawbridgeError) -> None:
    """In a task, a port that cannot be opened is an error."""
    raise error


class PolicyPorts(Part):
    """The opened ports of one policy; none if only an earlier policy's ports are to be closed."""

    def __init__(self, desired: Desired) -> None:
        """Raises DrawbridgeError if ``docker_host`` is no address of an engine."""
        self._desired = desired
        ports = desired.policy.open_ports or ()
        self._opener = Forwarder(desired.system, connect(desired.docker_host), POLICY_PORTS, ports, lambda _opening: "policy", raised)
        self._warnings: List[str] = []

    def compile(self, compiled: Compiled, asked: EngineFacts, netfilter: Netfilter) -> Compiled:
        """Add the ports' chains. Raises DrawbridgeError for a port that cannot be opened."""
        if asked.facts.known:
            return compiled._replace(wanted=self._with_ports(compiled.wanted, netfilter))
        closed = "open_ports: the engine does not tell where the containers are, so these ports are closed"
        return compiled._replace(warnings=[*compiled.warnings, closed])

    def _with_ports(self, wanted: DesiredState, netfilter: Netfilter) -> DesiredState:
        rules = Rules()
        made = [family for hook in wanted.hooks if hook[:2] == (FILTER, DOCKER_USER) for family in hook.families]
        mine = self._opener.wanted(netfilter, rules, made)
        return wanted._replace(
            chains=wanted.chains + mine.chains,
            hooks=wanted.hooks + mine.hooks,
            shared=list(dict.fromkeys(wanted.shared + mine.shared)),
            sets={**wanted.sets, **named_sets(mine.chains, {**own_sets(self._desired.policy), **rules.sets})},
        )

    def after(self, outcome: Outcome, _asked: EngineFacts) -> None:
        """Do what is needed beside the rules, and end connections through closed ports."""
        self._warnings = self._opener.follow(outcome.plan, self._desired.check_mode)
        if self._desired.ends_connections and not self._desired.check_mode:
            self._warnings += self._opener.end(outcome.plan)

    def report(self) -> Report:
        switched = self._opener.switched
        diffs: List[Dict[str, str]] = [hairpin.shown(switched)] if switched else []
        return Report(bool(switched), {"open_ports": told(self._opener.found)}, self._warnings, diffs)
