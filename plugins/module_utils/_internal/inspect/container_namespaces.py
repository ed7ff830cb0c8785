# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Read containers' network namespaces: rules of both iptables variants, addresses, capabilities. Changes nothing."""

from __future__ import annotations

import json
from typing import Dict, List, NamedTuple, Optional

from ..address import FAMILIES, IPV4
from ..engine.containers.capabilities import Rulesets, findings, privileges
from ..engine.containers.target import ContainerGone, Target, held
from ..errors import DrawbridgeError
from ..host.system.netns import in_netns
from ..host.system.parallel import on_all
from ..host.system.process import PROC
from ..host.system.system import System
from ..netfilter.kernel.iptables import VARIANTS, Transport, holds_rules
from ..netfilter.rules.saved_ruleset import Ruleset, render


class ContainerFirewall(NamedTuple):
    """addresses: interface and address with prefix length. status: text of /proc/PID/status. error: why a part is missing."""

    rulesets: Rulesets
    addresses: List[Dict[str, str]]
    status: Optional[str]
    error: Optional[DrawbridgeError]


_NOTHING = ContainerFirewall({}, [], None, None)


def look_inside(system: System, targets: List[Target]) -> List[Dict[str, object]]:
    """Return container_netns_info's entry for each target."""
    shared: Dict[int, List[str]] = {}
    for target in targets:
        if target.inode is not None:
            shared.setdefault(target.inode, []).append(target.name or target.id)
    inner = on_all(lambda target: _look(system, target), targets)
    return [_entry(target, found, shared.get(target.inode or 0, [])) for target, found in zip(targets, inner)]


def _look(system: System, target: Target) -> ContainerFirewall:
    if target.is_host_network:
        return _NOTHING._replace(status=system.read("%s/%d/status" % (PROC, target.pid)))
    if target.reason is not None:
        return _NOTHING
    try:
        with held(system, target) as fd:
            status = system.read("%s/%d/status" % (PROC, target.pid)) if target.pid else None
            return in_netns(fd, lambda: _inside(system))._replace(status=status)
    except DrawbridgeError as error:
        return _NOTHING._replace(error=error)


def _inside(system: System) -> ContainerFirewall:
    rulesets: Rulesets = {}
    error: Optional[DrawbridgeError] = None
    for variant in VARIANTS:
        if not holds_rules(system, variant):
            continue
        for family in FAMILIES:
            try:
                rulesets[(variant, family)] = Transport(system, variant).read(family)
            except DrawbridgeError as reason:
                error = reason
    return ContainerFirewall(rulesets, _addresses(system), None, error)


def _addresses(system: System) -> List[Dict[str, str]]:
    output = system.run([system.require("ip", "iproute2"), "-json", "address", "show"])
    try:
        links = json.loads(output.stdout or "[]")
    except ValueError as error:
        raise DrawbridgeError("ip did not print JSON: %s" % error) from None
    return [
        {"interface": str(link["ifname"]), "address": "%s/%s" % (found["local"], found["prefixlen"])}
        for link in links
        for found in link.get("addr_info", [])
        if "local" in found and link.get("link_type") != "loopback"
    ]


def _entry(target: Target, inner: ContainerFirewall, sharing: List[str]) -> Dict[str, object]:
    may = privileges(target.details, inner.status, target.is_host_network)
    gone = isinstance(inner.error, ContainerGone)
    return {
        "name": target.name,
        "id": target.id,
        "pid": target.pid,
        "state": "exited" if gone else target.state,
        "reason": target.reason if inner.error is None else str(inner.error),
        "namespace": {"inode": target.inode, "path": target.path or None},
        "shared_with": [name for name in sharing if name != (target.name or target.id)],
        "addresses": inner.addresses,
        "rules": [
            dict(found, transport=variant, family="ipv4" if family == IPV4 else "ipv6")
            for (variant, family), ruleset in inner.rulesets.items()
            for found in _tables(ruleset)
        ],
        "privileged": may.privileged,
        "net_admin": may.net_admin,
        "net_raw": may.net_raw,
        "host_network": may.host_network,
        "engine_socket": may.engine_socket,
        "findings": [found._asdict() for found in findings(may, inner.rulesets)],
    }


def _tables(ruleset: Ruleset) -> List[Dict[str, object]]:
    """Return each table with rules or a policy other than ACCEPT, in iptables-save's format."""
    tables: List[Dict[str, object]] = []
    for name, table in ruleset.tables.items():
        lines = [":%s %s" % (chain, saved.policy) for chain, saved in table.items() if saved.policy != "ACCEPT"]
        lines += render({chain: saved.rules for chain, saved in table.items()})
        if lines:
            tables.append({"table": name, "lines": lines})
    return tables
