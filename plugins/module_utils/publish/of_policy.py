# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A policy's ``open_ports``: read, and made a part of what the policy wants."""

from __future__ import annotations

from typing import Any, Dict, List, Optional, Tuple

from ..docker.connect import connect
from ..errors import DrawbridgeError
from ..host.system import System
from ..netfilter.host import Netfilter
from ..netfilter.model import Wanted
from ..netfilter.plan import Plan
from ..policy.compile import own_sets
from ..policy.lines import Rules
from ..policy.model import Policy
from ..policy.owners import FILTER, POLICY_PORTS
from ..policy.sets import named_sets
from ..task import Result
from . import hairpin
from .chains import DOCKER_USER
from .keep import told
from .model import OpenPort
from .opener import Opener


def raised(error: DrawbridgeError) -> None:
    """In a task, a port that cannot be opened is an error."""
    raise error


class PolicyPorts:
    """The ports of one policy on its way into force; none where an earlier one had some that are to be closed."""

    def __init__(self, system: System, docker_host: str, ports: Optional[Tuple[OpenPort, ...]]) -> None:
        self._system = system
        self._opener = Opener(system, connect(docker_host), POLICY_PORTS, ports or (), lambda _opening: "policy", raised)

    def with_ports(self, wanted: Wanted, policy: Policy, netfilter: Netfilter) -> Wanted:
        """The policy's wanted state with the chains of these. Raises DrawbridgeError for a port that cannot be opened."""
        rules = Rules()
        made = [family for hook in wanted.hooks if hook[:2] == (FILTER, DOCKER_USER) for family in hook.families]
        mine = self._opener.wanted(netfilter, rules, made)
        return wanted._replace(
            chains=wanted.chains + mine.chains,
            hooks=wanted.hooks + mine.hooks,
            shared=list(dict.fromkeys(wanted.shared + mine.shared)),
            sets={**wanted.sets, **named_sets(mine.chains, {**own_sets(policy), **rules.sets})},
        )

    def end(self, plan: Plan) -> List[str]:
        """Once the rules are in force: end what goes through ports that were closed → warnings."""
        return self._opener.end(plan)

    def follow(self, plan: Plan, check_mode: bool, done: Result) -> Result:
        """What has to be done beside the rules, once they are in force, and all of it in the result."""
        warnings = done.warnings + self._opener.follow(plan, check_mode)
        values: Dict[str, Any] = dict(done.values, open_ports=told(self._opener.found))
        if not self._opener.switched:
            return done._replace(values=values, warnings=warnings)
        return done._replace(values=dict(values, changed=True), warnings=warnings).with_diffs([hairpin.shown(self._opener.switched)])
