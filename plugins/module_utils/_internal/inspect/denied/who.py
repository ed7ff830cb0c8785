# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Say who was denied what: packets of one source to one port together, with the containers' names as the engine tells them."""

from __future__ import annotations

from typing import Dict, Iterable, List, NamedTuple, Optional, Sequence, Tuple

from ...address import quoted
from ...engine.api.answers import PublishedPort
from ...engine.facts.facts import ContainerFacts
from ...policy.blocks import owners
from ...policy.chains import forward, guard, host_input, late_ports, source_check
from .log_lines import Denial

# Why a chain drops; the first that a chain's name begins with.
_REASONS = [
    *((chain, "published_ports.deny has its source") for chain in (guard.DENIED, forward.DENIED, late_ports.DENIED)),
    (host_input.DENIED, "host_services.deny has its source"),
    *((chain, "it exceeds the limit of an entry of published_ports") for chain in (guard.LIMITED, forward.LIMITED)),
    (host_input.LIMITED, "it exceeds the limit of an entry of host_services"),
    (guard.PORTS, "no entry of published_ports lets it in"),
    (guard.ROUTED, "no entry of published_ports.routed lets it in"),
    (guard.CHAIN, "containers' own addresses are closed"),
    (forward.DIALLED, "no entry of published_ports lets it in"),
    (owners.POLICY_EGRESS.forwarded, "egress does not let it out"),
    (forward.CHAIN, "containers' own addresses are closed"),
    (late_ports.CHAIN, "no entry of published_ports lets it in"),
    (host_input.CHAIN, "no entry of host_services lets it in"),
    (owners.POLICY_EGRESS.prefix + "h", "egress does not let it reach the host"),
    (owners.POLICY_EGRESS.prefix, "egress does not let it out"),
    (owners.OUTPUT, "host_egress does not let the host send it"),
    (source_check.CHAIN, "its source cannot be where it came from"),
]
# Chains of packets whose port is the host's, as it was dialled.
_DIALLED = (guard.PORTS, guard.DENIED, late_ports.CHAIN, late_ports.DENIED)


class Names(NamedTuple):
    """What the engine tells: published ports and running containers."""

    published: Sequence[PublishedPort] = ()
    containers: Sequence[ContainerFacts] = ()


class Subject(NamedTuple):
    """What packets have in common that are counted together. container: the one at the other end, empty if none is known. sender: the
    container that sent. host_port: the published port; None if none is known. observed: whether they passed."""

    chain: str
    family: int
    entered: str
    source: str
    sender: str
    destination: str
    protocol: str
    port: Optional[int]
    host_port: Optional[int]
    container: str
    observed: bool


class Group(NamedTuple):
    """subject, how many packets of it were logged, and when the first and the last were."""

    subject: Subject
    packets: int
    first: str
    last: str


def reason_of(chain: str) -> str:
    """Return in words why a chain drops."""
    return next((words for start, words in _REASONS if chain.startswith(start)), "the chain %s denies it" % chain)


def grouped(denials: Iterable[Denial], names: Names) -> List[Group]:
    """Return the packets by subject: those with most packets first."""
    found: Dict[Subject, Group] = {}
    lookup = _Lookup(names)
    for denial in denials:
        subject = lookup.subject(denial)
        known = found.get(subject)
        if known is None:
            found[subject] = Group(subject, 1, denial.stamp, denial.stamp)
        else:
            found[subject] = known._replace(packets=known.packets + 1, last=denial.stamp)
    return sorted(found.values(), key=lambda group: (-group.packets, _order(group.subject)))


def _order(subject: Subject) -> Tuple[object, ...]:
    return tuple(-1 if value is None else value for value in subject)


class _Lookup:
    """Finds containers by published port and by address."""

    def __init__(self, names: Names) -> None:
        self._by_address = {address: container.name for container in names.containers for _bridge, address in container.ends}
        self._ports: Dict[Tuple[int, str, int], List[PublishedPort]] = {}
        self._inner: Dict[Tuple[str, str, int], int] = {}
        for port in names.published:
            self._ports.setdefault((port.family, port.protocol, port.port), []).append(port)
            self._inner.setdefault((port.container_name, port.protocol, port.container_port), port.port)

    def subject(self, denial: Denial) -> Subject:
        container, host_port = self._by_address.get(denial.destination, ""), None
        if (denial.chain in _DIALLED or denial.chain.startswith(guard.LIMITED)) and denial.port is not None:
            host_port = denial.port
            published = self._ports.get((denial.family, denial.protocol, denial.port), [])
            container = next((port.container_name for port in published if port.address in (None, denial.destination)), "")
        elif (denial.chain in (forward.DIALLED, forward.DENIED) or denial.chain.startswith(forward.LIMITED)) and denial.port is not None:
            host_port = self._inner.get((container, denial.protocol, denial.port))
        return Subject(
            denial.chain, denial.family, denial.entered, denial.source, self._by_address.get(denial.source, ""), denial.destination, denial.protocol,
            denial.port, host_port, container, denial.observed,
        )  # fmt: skip


def in_words(group: Group) -> str:
    """``203.0.113.9 was denied 8080/tcp at 192.0.2.7 (container 'web'), 12 times, last at 2026-11-22T04:05:06Z: no entry ... lets it in``"""
    subject = group.subject
    who = subject.source + (" (container %s)" % quoted(subject.sender) if subject.sender else "")
    what = subject.protocol if subject.port is None else "%d/%s" % (subject.port, subject.protocol)
    notes = ["container %s" % quoted(subject.container)] if subject.container else []
    if subject.host_port is not None and subject.host_port != subject.port:
        notes.append("the host's port %d" % subject.host_port)
    times = "once" if group.packets == 1 else "%d times" % group.packets
    last = ", last at %s" % group.last if group.last else ""
    verb, about = "would be" if subject.observed else "was", " (%s)" % ", ".join(notes) if notes else ""
    return "%s %s denied %s at %s%s, %s%s: %s" % (who, verb, what, subject.destination, about, times, last, reason_of(subject.chain))


def as_value(group: Group) -> Dict[str, object]:
    """Return a group as a value of the task's result. What is not known is null."""
    subject = group.subject
    return {
        "words": in_words(group), "source": subject.source, "source_container": subject.sender or None, "interface": subject.entered or None,
        "destination": subject.destination, "protocol": subject.protocol, "port": subject.port, "host_port": subject.host_port,
        "container": subject.container or None, "observed": subject.observed, "chain": subject.chain, "reason": reason_of(subject.chain),
        "packets": group.packets, "first": group.first or None, "last": group.last or None,
    }
