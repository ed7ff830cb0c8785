# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What is loaded when the saved rules cannot be: no sets, nothing but plain lines that close what containers are known to publish. Pure.

Its chains have the names of host_policy's, so that the next run of that module replaces them.
"""

from __future__ import annotations

import re
from typing import Dict, FrozenSet, Iterator, List, Sequence

from ..netfilter.ipset import LiveSet
from ..netfilter.names import is_ours
from ..netfilter.save import Ruleset
from ..policy import names

_ICMP = {4: "icmp", 6: "ipv6-icmp"}
_DHCP_CLIENT = {4: 68, 6: 546}
_HOST = {
    4: ["-m addrtype --dst-type LOCAL,BROADCAST,ANYCAST,MULTICAST -g DB-GUARD-LOCAL"],
    6: ["-m addrtype --dst-type LOCAL,ANYCAST -g DB-GUARD-LOCAL", "-d ff00::/8 -g DB-GUARD-LOCAL"],
}
# What one multiport match takes.
_AT_ONCE = 15


def fallback_text(family: int, ruleset: Ruleset, sets: Dict[str, LiveSet], ssh_ports: Sequence[str]) -> str:
    """iptables-restore input; empty where nothing of ours is in force."""
    if not any(is_ours(chain) for table in ruleset.tables.values() for chain in table):
        return ""
    bridges = sorted(entry.rpartition(",")[2] for entry in _entries(sets, family, names.BRIDGES))
    inside = ["-i %s -j RETURN" % bridge for bridge in dict.fromkeys(bridges)]
    ssh = _port_lines("tcp", ssh_ports, "RETURN")
    guard = ["-i lo -j RETURN", "-m conntrack --ctdir REPLY -j RETURN", *inside, *_HOST[family]]
    guard += ["-d %s -j DROP" % network for network in sorted(_entries(sets, family, names.CONTAINER_NETWORKS))]
    published = list(_on_one_address(_entries(sets, family, names.ADDRESS_PORTS))) + ssh
    for protocol, name in names.PORTS.items():
        published += _port_lines(protocol, sorted(_entries(sets, family, name), key=int), "DROP")
    text = _block("mangle", {"DB-GUARD": guard, "DB-GUARD-LOCAL": published}, ["-I PREROUTING 1 -j DB-GUARD"])
    established = "-m conntrack --ctstate RELATED,ESTABLISHED -j RETURN"
    chains = {"DB-USER-policy": [established, *inside, "-m conntrack --ctstate DNAT -j DROP"]}
    jumps = ["-I FORWARD 1 -j DOCKER-USER", "-I DOCKER-USER 1 -j DB-USER-policy"]
    if ruleset.chain("filter", "DB-INPUT") is not None:
        always = ["-p %s -j RETURN" % _ICMP[family], "-p udp -m udp --dport %d -j RETURN" % _DHCP_CLIENT[family]]
        chains["DB-INPUT"] = ["-i lo -j RETURN", established, *inside, *always, *ssh, "-j DROP"]
        jumps.append("-I INPUT 1 -j DB-INPUT")
    return text + _block("filter", chains, jumps, [":DOCKER-USER - [0:0]"])


def _block(table: str, chains: Dict[str, List[str]], jumps: List[str], needed: Sequence[str] = ()) -> str:
    lines = ["*" + table, *needed, *(":%s - [0:0]" % name for name in chains), *jumps]
    lines += ["-A %s %s" % (name, rule) for name, rules in chains.items() for rule in rules]
    return "\n".join(lines) + "\nCOMMIT\n"


def _entries(sets: Dict[str, LiveSet], family: int, name: str) -> FrozenSet[str]:
    """The entries of every owner's set of that name, of whichever generation."""
    found: FrozenSet[str] = frozenset()
    kernel_name = re.compile(r"DB[A-Z]+-%s-%d[ab]\Z" % (re.escape(name), family))
    for kernel, live in sets.items():
        if kernel_name.match(kernel) and live.entries:
            found |= live.entries
    return found


def _port_lines(protocol: str, ports: Sequence[str], verdict: str) -> List[str]:
    parts = [ports[start : start + _AT_ONCE] for start in range(0, len(ports), _AT_ONCE)]
    return ["-p %s -m multiport --dports %s -j %s" % (protocol, ",".join(part), verdict) for part in parts]


def _on_one_address(entries: FrozenSet[str]) -> Iterator[str]:
    """``192.0.2.7,tcp:80``"""
    for entry in sorted(entries):
        address, _comma, rest = entry.partition(",")
        protocol, _colon, port = rest.partition(":")
        yield "-d %s -p %s -m %s --dport %s -j DROP" % (address, protocol, protocol, port)
