# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What the audit of each host told: read from the variables that its task left.

Nearly all of it was told by hosts. So types are looked at, and nothing is assumed.
"""

from __future__ import annotations

from typing import AbstractSet, Callable, Dict, List, Mapping, NamedTuple, Sequence

AUDITED, FAILED, UNREACHABLE = "audited", "failed", "unreachable"
RESULTS = (AUDITED, FAILED, UNREACHABLE)
# The severest first.
SEVERITIES = ("high", "medium", "low")
# What the report repeats of a host's result.
FACTS = (
    "engine", "iptables", "event_service", "late_ports", "boot_restore", "networks", "published_ports", "containers", "findings", "reachability",
)  # fmt: skip
_LOST = "The host was lost before it was audited."
_NOT_ASKED = "The audit's task did not run."


class Finding(NamedTuple):
    """severity: one of SEVERITIES; another one counts as high."""

    id: str
    severity: str
    message: str
    evidence: List[str]
    remedy: str


class Host(NamedTuple):
    """message: why the host was not audited. told: the result of firewall_audit_info, empty if there is none."""

    name: str
    result: str
    message: str
    told: Mapping[str, object]
    findings: Sequence[Finding]


def read(names: Sequence[str], alive: AbstractSet[str], outcome: Callable[[str], object]) -> List[Host]:
    """Return every host of the play. alive: those that Ansible goes on with. outcome: a host's registered result, whatever it is."""
    return [_host(name, name in alive, outcome(name)) for name in names]


def _host(name: str, is_alive: bool, outcome: object) -> Host:
    told = outcome if isinstance(outcome, Mapping) else {}
    if told.get("unreachable") or not told and not is_alive:
        return Host(name, UNREACHABLE, _message(told, _LOST), {}, [])
    if told.get("failed") or not told or told.get("skipped"):
        return Host(name, FAILED, _message(told, _NOT_ASKED), {}, [])
    return Host(name, AUDITED, "", told, [_finding(item) for item in mappings(told.get("findings"))])


def _message(told: Mapping[str, object], other: str) -> str:
    return str(told.get("msg") or other).strip()


def _finding(item: Mapping[str, object]) -> Finding:
    severity = str(item.get("severity"))
    return Finding(
        str(item.get("id")), severity if severity in SEVERITIES else SEVERITIES[0], str(item.get("message")),
        [str(each) for each in values(item.get("evidence"))], str(item.get("remedy")),
    )  # fmt: skip


def values(told: object) -> List[object]:
    return list(told) if isinstance(told, (list, tuple)) else []


def mappings(told: object) -> List[Mapping[str, object]]:
    return [each for each in values(told) if isinstance(each, Mapping)]


def mapping(told: object) -> Mapping[str, object]:
    return told if isinstance(told, Mapping) else {}


def totals(hosts: Sequence[Host]) -> Dict[str, int]:
    """Return how many hosts have each result, and how many findings each severity."""
    found = {result: sum(host.result == result for host in hosts) for result in RESULTS}
    return dict(found, **{severity: sum(item.severity == severity for host in hosts for item in host.findings) for severity in SEVERITIES})


def report(hosts: Sequence[Host]) -> Dict[str, object]:
    """Return the report's content. Its format is documented in the module audit_summary."""
    return {"version": 1, "totals": totals(hosts), "hosts": {host.name: _reported(host) for host in hosts}}


def _reported(host: Host) -> Dict[str, object]:
    if host.result != AUDITED:
        return {"result": host.result, "message": host.message}
    return dict({key: host.told[key] for key in FACTS if key in host.told}, result=host.result)


def states_of(host: Host, zone: str, kind: str) -> List[str]:
    """Return the state of each target of a kind, as a zone finds it."""
    targets = [target for target in mappings(mapping(host.told.get("reachability")).get("targets")) if target.get("kind") == kind]
    return [str(cell.get("state")) for target in targets for cell in mappings(target.get("reach")) if cell.get("zone") == zone]
