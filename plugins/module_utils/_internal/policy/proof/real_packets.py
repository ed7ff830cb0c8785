# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Prove a policy's tests by real packets: those of the host that the task runs on, and of its containers."""

from __future__ import annotations

import socket
from typing import Dict, FrozenSet, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from ...address import Network, contains, parse_network, quoted
from ...engine.api.client import WholeEngine
from ...engine.containers.select import select
from ...engine.containers.selector import parse_selector
from ...engine.containers.target import RUNNING, held
from ...engine.facts.gather import ask
from ...errors import DrawbridgeError
from ...host.network.probe import ANSWERED, REFUSED, SILENT, UDP, Answer, Probe, send
from ...host.system.netns import in_netns
from ...host.system.parallel import on_all
from ...host.system.system import System
from ..language.model import Policy
from ..language.policy_tests import Destination, PolicyTest
from ..values.values import Sources

HELD, FAILED, UNDECIDED = "held", "failed", "undecided"
# Nobody's addresses (RFC 5737, RFC 3849): the route to them is the one to the outside.
_OUTSIDE = {4: "192.0.2.1", 6: "2001:db8::1"}
_AF = {4: socket.AF_INET, 6: socket.AF_INET6}
_THE_HOST = "the host"
_MOST_SECONDS = 60


class Place(NamedTuple):
    """Where a Docker host is. addresses: its own. containers: the addresses of each by name."""

    addresses: List[str]
    containers: Dict[str, List[str]]

    @property
    def shown(self) -> Dict[str, object]:
        return {"addresses": self.addresses, "containers": self.containers}


class Sent(NamedTuple):
    """A probe of a test. sender: a container's name, else what the sender is called. is_inside: whether it is sent from a container."""

    test: PolicyTest
    sender: str
    is_inside: bool
    address: str


def own_place(system: System, engine: WholeEngine, addresses: Optional[Sequence[str]]) -> Place:
    """Return where this Docker host is. addresses: as the user gives them; None for those that it has to the outside. Raises DrawbridgeError."""
    asked = ask(engine, system)
    found = _checked(addresses, "addresses") if addresses is not None else [address for address in map(_own_address, _OUTSIDE.values()) if address]
    if not found:
        raise DrawbridgeError("the host has no route to the outside, so it is not known by which address others reach it", "addresses", "give it")
    return Place(found, {item.name: [address for _bridge, address in item.ends] for item in asked.facts.containers})


def place_of(given: Mapping[str, object]) -> Place:
    """Return the place that another task returned. Raises DrawbridgeError."""
    addresses, containers = given.get("addresses"), given.get("containers")
    if not isinstance(addresses, list) or not isinstance(containers, dict):
        raise DrawbridgeError("it has no addresses and containers", "target", "give the target that this module returned on the Docker host")
    ends = {str(name): _checked(found, "target.containers") for name, found in containers.items() if isinstance(found, list)}
    return Place(_checked(addresses, "target.addresses"), ends)


def _checked(given: Sequence[object], path: str) -> List[str]:
    """Return addresses, and nothing that would be looked up as a name. Raises DrawbridgeError."""
    networks = [parse_network(str(item), path) for item in given]
    for network in networks:
        if not network.is_host:
            raise DrawbridgeError("%s is a network" % quoted(network.address), path, "give addresses")
    return [network.address for network in networks]


def checked_timeout(seconds: float) -> float:
    """Raises DrawbridgeError if it is not a number of seconds that a task may wait."""
    if not 0 < seconds <= _MOST_SECONDS:
        raise DrawbridgeError("%g is no number of seconds up to %d" % (seconds, _MOST_SECONDS), "timeout")
    return seconds


def inside_probes(policy: Policy, place: Place) -> Tuple[List[Sent], List[Dict[str, str]]]:
    """Return what the Docker host and its containers have to send, and the tests that cannot be sent, each with the reason."""
    found: List[Sent] = []
    left: List[Dict[str, str]] = []
    for test in policy.tests:
        if test.container is None and not test.is_host:
            continue
        addresses = _fitting(test, place, left)
        if test.container is not None and test.container not in place.containers:
            left.append(_left(test, "there is no running container %s" % quoted(test.container)))
            continue
        found += [Sent(test, test.container or _THE_HOST, test.container is not None, address) for address in addresses]
    return found, left


def outside_probes(policy: Policy, place: Place) -> Tuple[List[Sent], List[Dict[str, str]]]:
    """Return what this host, which is another one, has to send: of the tests about senders that it is one of."""
    found: List[Sent] = []
    left: List[Dict[str, str]] = []
    for test in policy.tests:
        if test.container is not None or test.is_host:
            continue
        if test.interface is not None:
            left.append(_left(test, "by which interface of the Docker host packets come is not ours to choose"))
            continue
        for address in _fitting(test, place, left):
            own = _own_address(address)
            if not own:
                left.append(_left(test, "this host has no route to %s" % address))
                continue
            is_meant = _is_among(own, test.sources, policy)
            is_spared = _is_among(own, test.spared, policy)
            if is_meant is None or is_spared is None:
                left.append(_left(test, "a set is not in the policy: whether %s is in it is not known here" % own))
            elif is_meant and not is_spared and own not in place.addresses:
                found.append(Sent(test, own, False, address))
    return found, left


def _left(test: PolicyTest, reason: str) -> Dict[str, str]:
    return {"test": test.path, "reason": reason}


def _fitting(test: PolicyTest, place: Place, left: List[Dict[str, str]]) -> List[str]:
    """The receiver's addresses, of the families that the test is about."""
    addresses = _addresses(test.to, place)
    found = [address for address in addresses if (6 if ":" in address else 4) in test.families]
    if test.to.protocol == "sctp":
        found = []
        left.append(_left(test, "no packets of sctp are sent"))
    elif not found:
        left.append(_left(test, "the receiver has no address of that family" if addresses else "there is no such receiver"))
    return found


def _addresses(to: Destination, place: Place) -> List[str]:
    if to.address is not None:
        return [to.address.address]
    return place.addresses if to.container is None else place.containers.get(to.container, [])


def _is_among(address: str, sources: Sources, policy: Policy) -> Optional[bool]:
    """Tell whether an address is one of the sources; None if only a set that is not the policy's can tell."""
    own = parse_network(address)
    if sources.everybody or _holds(own, sources.addresses[own.family]):
        return True
    is_open = False
    for reference in sources.sets:
        known = policy.address_sets.get(reference.name)
        if known is None:
            is_open = True
        elif _holds(own, known.addresses[own.family]):
            return True
    return None if is_open else False


def _holds(own: Network, networks: FrozenSet[str]) -> bool:
    return any(contains(parse_network(item), own) for item in networks)


def _own_address(receiver: str) -> str:
    """The address that this host takes towards a receiver, empty without a route. Sends nothing."""
    family = 6 if ":" in receiver else 4
    try:
        with socket.socket(_AF[family], socket.SOCK_DGRAM) as link:
            link.connect((receiver, 9))
            return str(link.getsockname()[0])
    except OSError:
        return ""


def proved(system: System, engine: WholeEngine, probes: Sequence[Sent], timeout: float) -> List[Dict[str, object]]:
    """Send, and return what each came to."""
    answers = on_all(lambda sent: _answer(system, engine, sent, timeout), list(probes))
    return [_shown(sent, answer) for sent, answer in zip(probes, answers)]


def _answer(system: System, engine: WholeEngine, sent: Sent, timeout: float) -> Answer:
    to = sent.test.to
    probe = Probe(6 if ":" in sent.address else 4, to.protocol, sent.address, to.port or 0, "", 0, "", timeout, b"drawbridge probe", True, None)
    if not sent.is_inside:
        return send(probe)
    targets = select(parse_selector({"name": sent.sender}), system, lambda: engine)
    if not targets or targets[0].state != RUNNING:
        return Answer("", "the container %s is not running any more" % quoted(sent.sender), "", 0.0)
    if targets[0].is_host_network:
        return send(probe)
    with held(system, targets[0]) as fd:
        return in_netns(fd, lambda: send(probe))


def _shown(sent: Sent, answer: Answer) -> Dict[str, object]:
    test = sent.test
    result, words = judged(test.allows, test.to.protocol, answer)
    return {"test": test.path, "from": sent.sender, "to": str(test.to), "address": sent.address, "expect": test.expect, "outcome": answer.outcome or None,
            "result": result, "reason": words}  # fmt: skip


def judged(is_allowed: bool, protocol: str, answer: Answer) -> Tuple[str, str]:
    """Return what an answer proves, and why."""
    if not answer.outcome:
        return UNDECIDED, answer.words
    if answer.outcome == ANSWERED:
        return (HELD if is_allowed else FAILED), answer.words
    if answer.outcome == REFUSED:
        return UNDECIDED, "%s: where nobody listens it looks the same" % answer.words
    if answer.outcome == SILENT and protocol == UDP:
        return UNDECIDED, "nothing came back, and many services do not answer a datagram that they do not understand"
    return (FAILED if is_allowed else HELD), answer.words


def failure_of(tests: Sequence[Mapping[str, object]]) -> Optional[str]:
    """Return in words what failed, None if nothing did."""
    wrong = [
        "%s: from %s to %s (%s): expected %s: %s" % (item["test"], quoted(item["from"]), item["to"], item["address"], item["expect"], item["reason"])
        for item in tests
        if item["result"] == FAILED
    ]
    more = "; and %d more" % (len(wrong) - 5) if len(wrong) > 5 else ""
    return "; ".join(wrong[:5]) + more if wrong else None
