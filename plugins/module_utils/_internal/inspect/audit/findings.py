# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The audit's findings: each with an id, a severity, evidence and a remedy. Pure.

Those of docker_firewall_info get a severity. What reachability, containers' privileges and units show comes on top.
"""

from __future__ import annotations

from typing import Callable, Dict, Iterable, Iterator, List, Mapping, NamedTuple, Sequence, Tuple

from ...engine.facts.unfiltered_networks import Unfiltered
from ..jumps import Jump
from .containers import Held
from .reach import CLOSED, NONE, NOT_KNOWN, OPEN, SOME, Cell, cells_of
from .targets import DIRECT, PROXY, SERVICE
from .zones import GIVEN, INTERNET, LINK, SET

LOW, MEDIUM, HIGH = "low", "medium", "high"
SEVERITIES = (LOW, MEDIUM, HIGH)
_OF_INFO = {
    "unguarded_ports": MEDIUM, "guard_lost_lines": HIGH, "unlike_saved": HIGH, "unguarded_vrfs": HIGH, "late_ports_open": MEDIUM, "chain_not_hooked": HIGH,
    "hook_passed_by": HIGH, "docker_user_passed_by": HIGH, "interrupted_change": MEDIUM, "flowtables": MEDIUM, "other_variant_has_rules": MEDIUM,
    "loopback_reachable": HIGH, "containers_reachable_directly": HIGH, "ipv6_by_proxy": MEDIUM, "no_rules_of_docker": MEDIUM,
    "leftovers_of_iptables": MEDIUM, "leftovers_of_nftables": MEDIUM, "forward_policy_cuts_off": LOW, "chains_without_effect": MEDIUM,
    "no_forwarding_at_boot": LOW,
}  # fmt: skip
_OUTER = (INTERNET, LINK, GIVEN, SET)
_IN = (OPEN, SOME)
# A swarm's ports: management with certificates, and gossip.
_SWARM_PORTS = (2377, 7946)


class Finding(NamedTuple):
    """id: a key for programs. evidence: what it was seen by, a line each."""

    id: str
    severity: str
    message: str
    evidence: List[str]
    remedy: str


class Seen(NamedTuple):
    """What the findings are made of.

    info: the findings of docker_firewall_info, as it returns them. allows: whether the policy lets a cell's zone in; True where no policy says anything.
    guarded: whether a policy judges the cell's port. jumps: to Drawbridge's chains, by family. engine_error: why the engine did not answer. boot,
    event_service: absent, stopped or running. has_policy: whether any chain of a policy is there. left_out: targets that were too many.
    """

    info: Sequence[Mapping[str, object]]
    rows: Sequence[Sequence[Cell]]
    allows: Callable[[Cell], bool]
    guarded: Callable[[Cell], bool]
    held: Sequence[Held]
    escapes: Sequence[Unfiltered]
    jumps: Mapping[str, Sequence[Jump]]
    engine_error: str
    boot: str
    event_service: str
    has_policy: bool
    left_out: int


def findings(seen: Seen) -> List[Finding]:
    """Return all findings, the severest first."""
    found = [*_of_info(seen.info), *(finding for check in _CHECKS for finding in check(seen))]
    return sorted(found, key=lambda finding: -SEVERITIES.index(finding.severity))


def _of_info(info: Iterable[Mapping[str, object]]) -> Iterator[Finding]:
    for item in info:
        about, code = item["about"], str(item["code"])
        evidence = [str(each) for each in about] if isinstance(about, list) else []
        yield Finding(code, _OF_INFO.get(code, MEDIUM), str(item["message"]), evidence or [str(item["message"])], str(item["hint"]))


def _open_to_internet(seen: Seen) -> Iterator[Finding]:
    cells = [cell for cell in cells_of(seen.rows) if cell.zone.kind == INTERNET and cell.state in _IN and not seen.guarded(cell)]
    if cells:
        yield Finding(
            "open_to_internet", HIGH, "published ports that anybody on the internet reaches, as far as this host decides, and that no policy judges",
            _told(cells), "say who may reach them: host_policy with published_ports; a port that is for this host alone is best published on 127.0.0.1",
        )  # fmt: skip


def _wider_than_policy(seen: Seen) -> Iterator[Finding]:
    cells = [cell for cell in cells_of(seen.rows) if cell.zone.kind in _OUTER and cell.state in _IN and seen.guarded(cell) and not seen.allows(cell)]
    if cells:
        yield Finding(
            "wider_than_policy", HIGH, "published ports that are reached by more than the policy lets in", _told(cells),
            "the cell's path shows by which rule; run host_policy again, and look again",
        )  # fmt: skip


def _ipv6_wider(seen: Seen) -> Iterator[Finding]:
    """Find ports that a zone reaches by IPv6 and not by IPv4, although they are published by both."""
    cells = [cell for cell in cells_of(seen.rows) if cell.zone.kind in _OUTER]
    by_ipv4 = {_way(cell): cell.state for cell in cells if cell.target.family == 4 and cell.state != NONE}
    wider = [cell for cell in cells if cell.target.family == 6 and cell.state in _IN and by_ipv4.get(_way(cell)) == CLOSED]
    if wider:
        yield Finding("ipv6_wider", HIGH, "published ports that are closed by IPv4 and open by IPv6", _told(wider),
                      "host_policy judges both families by the same lines; rules by hand have to be made by ip6tables, too")  # fmt: skip


def _way(cell: Cell) -> Tuple[object, ...]:
    """What the same port has in common by both families, from one zone."""
    return cell.target.name, cell.target.port, cell.target.protocol, cell.target.container_port, cell.zone.name


def _engine_api(seen: Seen) -> Iterator[Finding]:
    cells = [cell for cell in cells_of(seen.rows, SERVICE) if cell.target.name == "dockerd" and cell.target.port not in _SWARM_PORTS
             if cell.state in (*_IN, NOT_KNOWN) and cell.target.protocol == "tcp"]  # fmt: skip
    if cells:
        yield Finding(
            "engine_api_reachable", HIGH, "the engine's API listens on the network: whom it lets in without a certificate has the whole host",
            _told(cells), "have the engine listen on its unix socket only, and reach it by ssh://; else tlsverify, and host_services for its port",
        )  # fmt: skip


def _by_proxy(seen: Seen) -> Iterator[Finding]:
    cells = [cell for cell in cells_of(seen.rows) if cell.state in _IN and cell.zone.kind in _OUTER
             if cell.answer is not None and cell.answer.end.words.startswith(PROXY)]  # fmt: skip
    if cells:
        yield Finding(
            "served_by_proxy", LOW, "docker-proxy serves these ports: rules for forwarded traffic (DOCKER-USER) never see their packets, and containers see"
            " the gateway as the client", _told(cells),
            "host_policy judges this way, too; without it, rules in INPUT have to; a network with IPv6 needs no proxy for it",
        )  # fmt: skip


def _direct(seen: Seen) -> Iterator[Finding]:
    told = {str(item["code"]) for item in seen.info}
    cells = [cell for cell in cells_of(seen.rows, DIRECT) if cell.zone.kind in _OUTER and cell.state in _IN]
    if cells and "containers_reachable_directly" not in told:
        yield Finding(
            "open_by_direct_routing", MEDIUM, "containers answer at their own addresses to whoever routes packets to this host", _told(cells),
            "host_policy with published_ports direct deny closes it; networks in routed mode are meant to be so: published_ports.routed says for whom",
        )  # fmt: skip


def _privileges(seen: Seen) -> Iterator[Finding]:
    names: Dict[str, List[str]] = {}
    for held in seen.held:
        may = held.may
        for code, is_so in (("privileged", may.privileged), ("engine_socket", may.engine_socket), ("net_admin", may.net_admin and not may.privileged),
                            ("host_network", may.host_network), ("net_raw", may.net_raw and not may.privileged)):  # fmt: skip
            if is_so:
                names.setdefault("container_%s" % code, []).append(held.name)
    for code, (severity, message, remedy) in _PRIVILEGES.items():
        if code in names:
            yield Finding(code, severity, message, names[code], remedy)


_PRIVILEGES = {
    "container_privileged": (HIGH, "containers with --privileged: they can do anything to this host, its firewall included",
                             "give them the single capabilities and devices that they need; rules inside them come from the host by container_netns_rule"),
    "container_engine_socket": (HIGH, "containers that hold the engine's socket, and by that the whole host",
                                "what follows containers is best run on the host; else a proxy that lets only single requests through"),
    "container_net_admin": (MEDIUM, "containers with NET_ADMIN: they may change their routes, addresses and rules",
                            "start them without, and give their rules to container_netns_rule; container_netns_info lists them"),
    "container_host_network": (MEDIUM, "containers on the host's network: their ports are services of the host, which no rule on published ports judges",
                               "give them a network of their own and publish their ports, or list them in host_services"),
    "container_net_raw": (LOW, "containers with NET_RAW, which engines give by default: they may send packets with forged sources",
                          "start them with cap_drop NET_RAW: ping works without"),
}  # fmt: skip


def _escapes(seen: Seen) -> Iterator[Finding]:
    about = ["%s: %s" % (item.container or item.network or "the engine", item.reason) for item in seen.escapes if item.kind != "host_network"]
    if about:
        yield Finding("not_filtered", LOW, "networks and containers that rules on published ports never see", about,
                      "the guide of the policy says for each kind what judges it")


def _ahead(seen: Seen) -> Iterator[Finding]:
    items = ["%s %s %s: %d lines before the jump to %s" % (family, jump.table, jump.parent, jump.position - 1, jump.target)
             for family, jumps in seen.jumps.items() for jump in _first_of_each(jumps) if jump.passed_by is None and jump.position > 1]  # fmt: skip
    if items:
        yield Finding(
            "lines_ahead_of_ours", LOW, "lines of others stand before Drawbridge's: they let nothing pass by, but they may drop what a policy allows",
            items, "see them by iptables-save; nothing has to be done if they are meant to be there",
        )  # fmt: skip


def _first_of_each(jumps: Sequence[Jump]) -> List[Jump]:
    """Return the first jump of each chain. Behind it stand more of Drawbridge's own."""
    found: Dict[object, Jump] = {}
    for jump in jumps:
        found.setdefault((jump.table, jump.parent), jump)
    return list(found.values())


def _units(seen: Seen) -> Iterator[Finding]:
    if seen.has_policy and seen.boot != "running":
        yield Finding("no_boot_restore", HIGH, "rules of Drawbridge's are there, and nothing loads them at the next boot", ["boot_restore: %s" % seen.boot],
                      "have the role boot_restore, or run the playbook harden")
    if seen.event_service == "stopped":
        yield Finding("event_service_stopped", MEDIUM, "the event service is installed and does not run", ["event_service: stopped"],
                      "systemctl status drawbridge-events says why; run the play again")
    elif seen.has_policy and seen.event_service == "absent":
        yield Finding("no_event_service", LOW, "without the event service, sets and rules follow containers by the next run only", ["event_service: absent"],
                      "have the role event_service, or run the playbook harden")


def _not_known(seen: Seen) -> Iterator[Finding]:
    if seen.engine_error:
        yield Finding("engine_not_asked", MEDIUM, "the engine did not answer: nothing is known about what it publishes", [seen.engine_error],
                      "see whether it runs, and whether docker_host is its address")
    cells = [cell for row in seen.rows for cell in row if cell.state == NOT_KNOWN]
    if cells:
        yield Finding("not_known", LOW, "whether these are reached depends on what packet_verdict does not model", _told(cells),
                      "the cell's reason names it; a probe from there tells")
    if seen.left_out:
        yield Finding("targets_left_out", LOW, "there are more targets than were asked about", ["%d were left out" % seen.left_out],
                      "raise most_targets")


def _told(cells: Iterable[Cell]) -> List[str]:
    """Return a line for each target: which zones, and why for the first of them."""
    zones: Dict[str, List[Cell]] = {}
    for cell in cells:
        zones.setdefault(cell.target.words, []).append(cell)
    return ["%s: from %s; %s" % (words, ", ".join(cell.zone.name for cell in found), found[0].reason) for words, found in zones.items()]


_CHECKS: List[Callable[[Seen], Iterator[Finding]]] = [
    _open_to_internet, _wider_than_policy, _ipv6_wider, _engine_api, _direct, _privileges, _units, _by_proxy, _escapes, _ahead, _not_known,
]  # fmt: skip
