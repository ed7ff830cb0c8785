# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The parts of a policy: their list, the order of their steps, and which parts a task loads.

Parts lie around the rules like shells. Steps before the rules run from the outside in. Steps after the rules run from the inside out.

No other module of the pipeline loads parts late. Importing all parts took 26 ms, and everything else that a policy imports took 32 ms, even
from compiled code, which hosts keep. Most policies have no part, or one or two.
"""

from __future__ import annotations

from typing import Callable, Dict, Iterator, List, NamedTuple, Optional

from ..engine.facts.gather import EngineFacts
from ..host_settings import leftovers
from ..netfilter.kernel.netfilter import Netfilter
from ..netfilter.reconcile.plan import Plan
from ..policy.compile.compile import has_open_ports
from ..transaction.converge import Outcome, Planned
from ..transaction.host_change import HostChange
from .desired import Desired
from .late_ports import LatePorts, limits_ports
from .part import Compiled, Part, Report

# pylint: disable=import-outside-toplevel

# Rules of a plan whose words are made for every change.
MOST_SAID = 1000


def _host_settings(desired: Desired) -> Part:
    from .host_settings import HostSettingsPart

    return HostSettingsPart(desired)


def _rules_inside(desired: Desired) -> Part:
    from .container_rules import ContainerRulesPart

    return ContainerRulesPart(desired)


def _record(desired: Desired) -> Part:
    from .records import PolicyRecords

    return PolicyRecords(desired)


def _open_ports(desired: Desired) -> Part:
    from .open_ports import PolicyPorts

    return PolicyPorts(desired)


def _revocation(desired: Desired) -> Part:
    from .revocation import Revocation

    return Revocation(desired)


def _masquerading(desired: Desired) -> Part:
    from .masquerading import Masquerading

    return Masquerading(desired)


def _ways_out(desired: Desired) -> Part:
    from .egress import WaysOut

    return WaysOut(desired)


def _tests(desired: Desired) -> Part:
    from .policy_tests import PolicyTests

    return PolicyTests(desired)


def _words(desired: Desired) -> Part:
    from .diff_in_words import InWords

    return InWords(desired)


def _says_host_settings(desired: Desired) -> bool:
    policy = desired.policy
    return bool(policy.forwarding or policy.forward_policy or policy.daemon) or leftovers.are_there()


def _is_said(desired: Desired, plan: Plan) -> bool:
    """Words for a thousand rules take about 90 ms. Of more rules they are for who asks for a diff."""
    return plan.is_change and (desired.shows_diff or plan.rule_count <= MOST_SAID)


def _never(_desired: Desired, _plan: Plan) -> bool:
    return False


class Row(NamedTuple):
    """is_needed: whether the policy needs the part, or something that an earlier policy left on the host. is_needed_after: whether the plan
    needs it, if the policy does not."""

    name: str
    load: Callable[[Desired], Part]
    is_needed: Callable[[Desired], bool]
    is_needed_after: Callable[[Desired, Plan], bool] = _never


# From the outside in.
PARTS = (
    Row("host settings", _host_settings, _says_host_settings),
    Row("rules inside containers", _rules_inside, lambda desired: bool(desired.policy.containers) or leftovers.are_inside()),
    Row("record for the event service", _record, lambda desired: bool(desired.policy.open_ports) or desired.policy.masquerade is not None),
    Row("opened ports", _open_ports, lambda desired: bool(desired.policy.open_ports), lambda _desired, plan: has_open_ports(plan)),
    Row("revocation", _revocation, lambda desired: not desired.ends_connections, lambda _desired, plan: plan.is_change),
    Row("masquerading", _masquerading, lambda desired: desired.policy.masquerade is not None),
    Row("egress", _ways_out, lambda desired: bool(desired.policy.egress or desired.policy.host_egress)),
    Row("change in words", _words, lambda _desired: False, _is_said),
    Row("tests", _tests, lambda desired: bool(desired.policy.tests)),
    Row("late ports", LatePorts, lambda desired: limits_ports(desired.policy)),
)


class Parts(HostChange):
    """The parts that one task needs."""

    def __init__(self, desired: Desired) -> None:
        self._desired = desired
        self._loaded: Dict[str, Part] = {}
        self._planned: Optional[Planned] = None

    def check(self) -> None:
        """Load the needed parts. Each part checks itself before the next one is looked at."""
        for row in PARTS:
            if row.is_needed(self._desired):
                self._load(row).check()

    def compile(self, compiled: Compiled, asked: EngineFacts, netfilter: Netfilter) -> Compiled:
        """Return the desired state with every part's added."""
        for part in self._inside_out():
            compiled = part.compile(compiled, asked, netfilter)
        return compiled

    def prove(self, change: Planned, asked: EngineFacts) -> None:
        """Prove what the policy promises by the plan."""
        self._planned = change
        for part in self._outside_in():
            part.prove(change, asked)

    def changes(self, netfilter: Netfilter) -> bool:
        # Ask every part, since each may refuse.
        answers = [part.changes(netfilter) for part in self._outside_in()]
        if self._desired.examine is not None and self._planned is not None:
            self._desired.examine(self._planned, [diff for told in self.reports() for diff in told.diffs])
        return any(answers)

    def narrow(self) -> None:
        for part in self._outside_in():
            part.narrow()

    def after(self, outcome: Outcome, asked: EngineFacts) -> None:
        """Do the rest once the rules are in force. This includes parts that only an earlier policy had."""
        for row in PARTS:
            if row.name not in self._loaded and row.is_needed_after(self._desired, outcome.plan):
                self._load(row)
        for part in self._inside_out():
            part.after(outcome, asked)

    def reports(self) -> List[Report]:
        """Return what each part did, or would do."""
        return [part.report() for part in self._inside_out()]

    def _load(self, row: Row) -> Part:
        self._loaded[row.name] = row.load(self._desired)
        return self._loaded[row.name]

    def _outside_in(self) -> Iterator[Part]:
        return (self._loaded[row.name] for row in PARTS if row.name in self._loaded)

    def _inside_out(self) -> Iterator[Part]:
        return reversed(list(self._outside_in()))
