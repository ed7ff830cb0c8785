# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Find and end the flows that a change of the published ports denies, or of the sources that services of the host deny, or of what the host itself may
send. They are found by comparing the rules before and after it.

The rules judge every packet of such a client, so they end all these flows. This module ends the rest: the connections that docker-proxy or a service
holds at both ends, UDP packets that servers send unasked, and offloaded flows, whose packets no rule sees.
"""

from __future__ import annotations

import re
from typing import Dict, Iterable, List, NamedTuple, Optional, Sequence, Tuple

from ...address import IPV6, is_link_local, parse_network
from ...host.network.answering_interface import answered_by
from ...host.network.close_sockets import FlowEnds, close
from ...host.network.conntrack import Flow, flows, put_back
from ...host.network.links import vrfs
from ...host.network.sockets import is_local
from ...host.system.system import System
from ...netfilter.kernel.ipset import Ipset
from ...netfilter.kernel.state import State
from ...netfilter.reconcile.plan import Plan
from ...netfilter.rules.desired import DesiredState
from ..blocks import owners
from ..chains import guard, host_input
from ..readback.packet_match import Chains, Place, RulesetMatcher, Unknown
from ..readback.set_contents import held_by, sets_in
from .drop_replies import cut_answers
from .offloaded import past_egress

# States in which a connection can still carry data.
_OPEN = {"tcp": ("ESTABLISHED", "FIN_WAIT", "CLOSE_WAIT"), "sctp": ("ESTABLISHED",), "udp": ("",)}
_COMES_IN_BY = re.compile(r"(?:^| )-i (\S+)")
# No interface's name has it.
_ENDING = "/"
_EVERY_PACKET = "-m conntrack --ctdir REPLY -j RETURN"
_FIRST_PACKETS = "-m conntrack --ctstate RELATED,ESTABLISHED -j RETURN"
_NOT_ENDED = "%s: the guard ends denied flows all the same, but %s"
_NOT_CLOSED = "%s: nothing goes out any more that host_egress denies, but the host's own sockets stay until they time out"


class Revoked(NamedTuple):
    """flows: the flows that the change denies; None if the host does not tell its flows. warnings: what could not be found or ended.
    answers: docker-proxy's own UDP flows, where it answers from another address than the client dialled. sent: flows that the host itself began."""

    flows: Optional[List[Flow]]
    warnings: List[str]
    answers: Sequence[Flow] = ()
    sent: Sequence[Flow] = ()

    @property
    def total(self) -> Optional[int]:
        """How many flows the change denies; None if that is not known."""
        return None if self.flows is None else len(self.flows) + len(self.sent)


def keeping(wanted: DesiredState) -> DesiredState:
    """Return the same rules, changed so that they do not judge established flows."""
    return wanted._replace(chains=[
        chain._replace(lines=[
            line._replace(text=_FIRST_PACKETS) if line.text == _EVERY_PACKET else line for line in chain.lines
        ]) for chain in wanted.chains
    ])


def find(system: System, ipset: Ipset, plan: Plan) -> Revoked:
    """Return the flows that passed before the plan's change and do not pass after it."""
    known = flows(system)
    if known is None:
        return Revoked(None, [_NOT_ENDED % ("neither the kernel nor the command conntrack tells which flows there are (package conntrack)",
                                            "how many and which is not known")])
    places = _Places(system)
    known = [flow for flow in known if flow.offloaded or flow.state in _OPEN[flow.protocol]]
    answers = {_turned(flow) for flow in known if flow.protocol == "udp" and places.is_local(flow.source)}
    found: List[Flow] = []
    sent: List[Flow] = []
    for family, part in plan.families.items():
        mine = [flow for flow in [*known, *answers] if flow.family == family]
        try:
            for judging in _JUDGING:
                before, after = judging.chains(part.old), judging.chains(part.new)
                moments = _moments(ipset, plan, before, after) if mine and judging.needed in after else None
                if moments is None:
                    continue
                if judging is _SENT:
                    sent += [flow for flow in mine if flow not in answers and places.is_local(flow.source) and _is_cut(flow, places, *moments)]
                    continue
                asked = [flow for flow in mine if not judging.at_host or flow not in answers and _is_served(flow, places)]
                told = frozenset(found)
                outside = _named_interfaces([*before.values(), *after.values()])
                found += [flow for flow in asked if flow not in told and _is_revoked(judging.chain, flow, places, outside, *moments)]
        except Unknown as error:
            return Revoked(None, [_NOT_ENDED % ("the rule %s is not understood" % ascii(str(error)), "which these are is not known")])
    left = [flow for flow in known if flow.offloaded and flow not in found]
    return Revoked([flow for flow in found if flow not in answers], past_egress(plan, left), [flow for flow in found if flow in answers], sent)


def _moments(ipset: Ipset, plan: Plan, before: Chains, after: Chains) -> Optional[Tuple[RulesetMatcher, RulesetMatcher]]:
    """Return what judges before and after the change; None if the change does not touch it."""
    names = sets_in([*before.values(), *after.values()])
    if before == after and not any(change.name in names for change in plan.sets):
        return None
    was, will = held_by(ipset, plan, names)
    return RulesetMatcher(before, was), RulesetMatcher(after, will)


def _turned(flow: Flow) -> Flow:
    """Return a server's own flow as the client's flow that it answers."""
    return flow._replace(
        source=flow.destination, source_port=flow.port, destination=flow.source, port=flow.source_port,
        answers_from=flow.source, answers_from_port=flow.source_port,
        answers_to=flow.destination, answers_to_port=flow.port,
    )


def end(system: System, revoked: Revoked) -> List[str]:
    """End what the guard alone leaves half open, once the change is in force. Returns warnings."""
    cut = revoked.flows or []
    held = [FlowEnds(flow.destination, flow.port, flow.source, flow.source_port) for flow in cut
            if flow.protocol == "tcp" and not flow.is_translated]
    dialled = [FlowEnds(flow.source, flow.source_port, flow.destination, flow.port) for flow in revoked.sent if flow.protocol == "tcp"]
    still_open = close(system, dialled)
    reasons = [
        (close(system, held), "the sockets of docker-proxy stay until they time out"),
        (cut_answers(system, [flow for flow in [*cut, *revoked.answers] if flow.protocol == "udp"]), "what servers send over UDP is not ended"),
    ]
    warnings = [_NOT_ENDED % (reason, what) for reason, what in reasons if reason]
    warnings += [_NOT_CLOSED % still_open] if still_open else []
    # Last: packets that would make an entry anew are dropped by now.
    kept = put_back(system, [flow for flow in cut if flow.offloaded])
    return warnings + ["%s: denied flows that are offloaded go on until they end by themselves" % kept] if kept else warnings


def _is_served(flow: Flow, places: _Places) -> bool:
    """Whether the host itself is what a client asked."""
    return not flow.is_translated and places.is_local(flow.destination)


class _Judging(NamedTuple):
    """A chain that judges every packet, with those that it leads to. needed: one of them, without which no packet of an open connection is dropped.
    at_host: whether it sees only what clients ask the host itself."""

    table: str
    chain: str
    needed: str
    at_host: bool

    def chains(self, state: State) -> Chains:
        held = state[self.table].chains if self.table in state else {}
        return {name: rules for name, rules in held.items() if name.startswith(self.chain)}


# What the host itself sends.
_SENT = _Judging(owners.FILTER, owners.OUTPUT, owners.OUTPUT_DENIED, False)
_JUDGING = (
    _Judging(guard.TABLE, guard.CHAIN, guard.CHAIN, False),
    _Judging(host_input.TABLE, host_input.CHAIN, host_input.DENIED, True),
    _SENT,
)


class _Places:
    """The flows' places. Each address is looked up once."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._interfaces: Dict[str, str] = {}
        self._local: Dict[str, bool] = {}
        # Outside of VRFs first, then each VRF: each has addresses of its own.
        self._tables = ["", *vrfs()]

    def is_local(self, address: str) -> bool:
        """Whether the address is one of the host's."""
        if address not in self._local:
            self._local[address] = any(is_local(address, vrf) for vrf in self._tables)
        return self._local[address]

    def of(self, flow: Flow, interface: str = "") -> Place:
        """Return the place as if the interface were this one, or one that no rule names. It costs less than to ask by which one the host answers."""
        return Place(interface, self.is_local(flow.destination))

    def left_by(self, flow: Flow) -> Place:
        """Return the place of what the host itself sends."""
        return Place("", self.is_local(flow.destination), self._way_to(flow.destination))

    def by_interface(self, flow: Flow) -> Place:
        """Return the place with the interface by which the host answers the client."""
        return self.of(flow)._replace(interface=self._way_to(flow.source))

    def _way_to(self, address: str) -> str:
        if address not in self._interfaces:
            self._interfaces[address] = answered_by(self._system, address).interface
        return self._interfaces[address]


def _is_revoked(chain: str, flow: Flow, places: _Places, outside: Sequence[str], before: RulesetMatcher, after: RulesetMatcher) -> bool:
    """outside: interfaces that rules name. Most flows are not denied by any of them, and the host is not asked about those."""
    def ends(place: Place) -> bool:
        return before.passes(chain, flow, place) and not after.passes(chain, flow, place)

    each = [places.of(flow, interface) for interface in ("", *outside)]
    if flow.family == IPV6 and is_link_local(parse_network(flow.source)):
        # By which link it comes is not known: it ends if it passes by none of them.
        return any(map(ends, each)) and not any(after.passes(chain, flow, place) for place in each)
    return any(map(ends, each)) and ends(places.by_interface(flow))


def _is_cut(flow: Flow, places: _Places, before: RulesetMatcher, after: RulesetMatcher) -> bool:
    """Whether the change denies a flow that the host began. The rules see it behind DNAT. They spare interfaces, and deny none of them, so that most
    flows need no look at the routes."""
    seen = flow._replace(destination=flow.answers_from, port=flow.answers_from_port)
    anywhere = Place("", False, "")
    if after.passes(_SENT.chain, seen, anywhere):
        return False
    place = places.left_by(flow)
    return before.passes(_SENT.chain, seen, place) and not after.passes(_SENT.chain, seen, place)


def _named_interfaces(chains: Iterable[Sequence[str]]) -> List[str]:
    """Return an interface for each name in these rules, but for the loopback. For a name with any ending it is one that no other rule names."""
    names = dict.fromkeys(name for rules in chains for rule in rules if "-i " in rule for name in _COMES_IN_BY.findall(rule))
    return [name[:-1] + _ENDING if name.endswith("+") else name for name in names if name != "lo"]
