# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The fallback rules, loaded if the saved rules cannot be. Plain rules without sets close all known published ports. Pure.

The chains have host_policy's names, so that its next run replaces them.
"""

from __future__ import annotations

import re
from typing import Dict, FrozenSet, Iterable, Iterator, List, Sequence, Tuple

from ..netfilter.kernel.ipset import LiveSet
from ..netfilter.kernel.state import hook_line
from ..netfilter.rules.ownership import is_ours
from ..netfilter.rules.saved_ruleset import Ruleset
from ..policy.chains import source_check
from ..policy.compile.denials import observes
from ..policy.values import reserved_names

_ICMP = {4: "icmp", 6: "ipv6-icmp"}
_DHCP_CLIENT = {4: 68, 6: 546}
_HOST = {
    4: ["-m addrtype --dst-type LOCAL,BROADCAST,ANYCAST,MULTICAST -g DB-GUARD-LOCAL"],
    6: ["-m addrtype --dst-type LOCAL,ANYCAST -g DB-GUARD-LOCAL", "-d ff00::/8 -g DB-GUARD-LOCAL"],
}
_NFT_WORDS = {4: "ip", 6: "ip6"}
_AT_HOST = "fib daddr type { local, broadcast, anycast, multicast }"
# Drop a first packet whose source is an address of the host, or has no route back. Not if its sender asks for an address, or if it is the
# host's own packet (confirmed).
_FORGED = [
    "%s ct state { new, untracked } ct status & confirmed != confirmed fib saddr %s drop" % each
    for each in (
        ("ip saddr != 0.0.0.0", "oif missing"), ("ip6 saddr != { ::, fe80::/10 }", "oif missing"),
        ("ip saddr != 0.0.0.0", "type { local, broadcast, anycast, multicast }"), ("ip6 saddr != ::", "type { local, anycast }"),
    )
]
# The most ports that one multiport match takes.
_AT_ONCE = 15
_GUARD = ("mangle", "DB-GUARD")


def fallback_text(family: int, ruleset: Ruleset, sets: Dict[str, LiveSet], ssh_ports: Sequence[str]) -> str:
    """Return iptables-restore input; empty if none of our chains is in force, or if they only observe."""
    if not _any_of_ours(ruleset):
        return ""
    closes_ports = not _observe(ruleset, *_GUARD)
    inside = ["-i %s -j RETURN" % bridge for bridge in _bridges(sets, family)]
    ssh = _port_lines("tcp", ssh_ports, "RETURN")
    guard = ["-i lo -j RETURN", "-m conntrack --ctdir REPLY -j RETURN", *inside, *_HOST[family]]
    guard += ["-d %s -j DROP" % network for network in sorted(_entries(sets, family, reserved_names.CONTAINER_NETWORKS))]
    published = list(_on_one_address(_entries(sets, family, reserved_names.ADDRESS_PORTS))) + ssh
    for protocol, name in reserved_names.PORTS.items():
        published += _port_lines(protocol, _ports(sets, family, name), "DROP")
    chains = {"DB-GUARD": guard, "DB-GUARD-LOCAL": published, source_check.CHAIN: _sources(ruleset, sets, family)}
    hooks = ["-I PREROUTING 1 -j DB-GUARD", "-I PREROUTING 2 " + hook_line(source_check.source_hook(source_check.CHAIN))]
    if not closes_ports:
        chains, hooks = {source_check.CHAIN: chains[source_check.CHAIN]}, ["-I PREROUTING 1 " + hook_line(source_check.source_hook(source_check.CHAIN))]
    text = _block("mangle", chains, hooks)
    established = "-m conntrack --ctstate RELATED,ESTABLISHED -j RETURN"
    chains = {"DB-USER-policy": [established, *inside, "-m conntrack --ctstate DNAT -j DROP"]} if closes_ports else {}
    jumps = ["-I FORWARD 1 -j DOCKER-USER", "-I DOCKER-USER 1 -j DB-USER-policy"] if closes_ports else []
    if _closes_services(ruleset):
        always = ["-p %s -j RETURN" % _ICMP[family], "-p udp -m udp --dport %d -j RETURN" % _DHCP_CLIENT[family]]
        chains["DB-INPUT"] = ["-i lo -j RETURN", established, *inside, *always, *ssh, "-j DROP"]
        jumps.append("-I INPUT 1 -j DB-INPUT")
    return text + _block("filter", chains, jumps, [":DOCKER-USER - [0:0]"] if closes_ports else [])


def _sources(ruleset: Ruleset, sets: Dict[str, LiveSet], family: int) -> List[str]:
    """Return the source check's rules, with one rule for each entry of its sets."""
    in_its_network = [entry.rpartition(",") for entry in sorted(_entries(sets, family, reserved_names.SAME_NETWORK))]
    networks = sorted(_entries(sets, family, reserved_names.CONTAINER_NETWORKS))
    first, links = ([line.text for line in lines if family in line.families] for lines in (source_check.IMPOSSIBLE, source_check.LINK_LOCAL))
    known = ["-s %s -i %s -j RETURN" % (network, bridge) for network, _comma, bridge in in_its_network]
    known += ["-s %s -j DROP" % network for network in networks]
    known += ["-s %s %s -j DROP" % (network, source_check.ELSEWHERE) for network in sorted(_entries(sets, family, reserved_names.BEHIND_CONTAINERS))]
    elsewhere = ["-i %s %s -j DROP" % (bridge, source_check.ELSEWHERE) for bridge in _bridges(sets, family)]
    last = [source_check.OTHER_TABLES.text]
    return [*first, *known, *links, *elsewhere, *(last if last[0] in ruleset.rules(source_check.TABLE, source_check.CHAIN) else [])]


def hold_text(rulesets: Iterable[Ruleset], sets: Dict[str, LiveSet], ssh_ports: Sequence[str]) -> str:
    """Return ``nft -f`` input: an nftables table that closes the same ports while iptables has no rules."""
    rulesets = list(rulesets)
    if not any(map(_any_of_ours, rulesets)):
        return ""
    inside = ['"%s"' % name for name in dict.fromkeys(_bridges(sets, 4) + _bridges(sets, 6))]
    lines = ['iifname "lo" accept', *_FORGED, *(["iifname { %s } accept" % ", ".join(inside)] if inside else [])]
    for family, word in _NFT_WORDS.items():
        claimed = sorted(_entries(sets, family, reserved_names.CONTAINER_NETWORKS) | _entries(sets, family, reserved_names.BEHIND_CONTAINERS))
        lines += ["%s saddr %s drop" % (word, network) for network in claimed]
    lines.append("ct direction reply accept")
    if any(_observe(ruleset, *_GUARD) for ruleset in rulesets):
        lines.append("tcp dport { %s } accept" % ", ".join(ssh_ports))
    else:
        lines += _held_ports(sets, ssh_ports)
    if any(map(_closes_services, rulesets)):
        lines += ["meta l4proto { icmp, ipv6-icmp } accept", "udp dport { 68, 546 } accept", _AT_HOST + " ct state new drop"]
    body = "".join("\t\t%s\n" % line for line in lines)
    head = "\t\ttype filter hook prerouting priority -150; policy accept;\n"
    return "table inet drawbridge-hold {\n\tchain prerouting {\n%s%s\t}\n}\n" % (head, body)


def _held_ports(sets: Dict[str, LiveSet], ssh_ports: Sequence[str]) -> List[str]:
    """Return the table's lines about containers' addresses and published ports."""
    lines: List[str] = []
    for family, word in _NFT_WORDS.items():
        lines += ["%s daddr %s drop" % (word, network) for network in sorted(_entries(sets, family, reserved_names.CONTAINER_NETWORKS))]
        addressed = sorted(_entries(sets, family, reserved_names.ADDRESS_PORTS))
        lines += ["%s daddr %s %s dport %s drop" % ((word,) + _address_port(entry)) for entry in addressed]
    lines.append("tcp dport { %s } accept" % ", ".join(ssh_ports))
    for family in _NFT_WORDS:
        for protocol, name in reserved_names.PORTS.items():
            ports = _ports(sets, family, name)
            if ports:
                lines.append("meta nfproto ipv%d %s %s dport { %s } drop" % (family, _AT_HOST, protocol, ", ".join(ports)))
    return lines


def _any_of_ours(ruleset: Ruleset) -> bool:
    """Whether there are chains of ours that do not only observe."""
    ours = [chain.rules for table in ruleset.tables.values() for name, chain in table.items() if is_ours(name)]
    return bool(ours) and not observes([rule for rules in ours for rule in rules])


def _observe(ruleset: Ruleset, table: str, start: str) -> bool:
    """Whether the chains whose names begin so observe, and drop nothing."""
    return observes([rule for name, chain in ruleset.tables.get(table, {}).items() if name.startswith(start) for rule in chain.rules])


def _closes_services(ruleset: Ruleset) -> bool:
    return ruleset.chain("filter", "DB-INPUT") is not None and not _observe(ruleset, "filter", "DB-INPUT")


def _bridges(sets: Dict[str, LiveSet], family: int) -> List[str]:
    return sorted({entry.rpartition(",")[2] for entry in _entries(sets, family, reserved_names.BRIDGES)})


def _block(table: str, chains: Dict[str, List[str]], jumps: List[str], needed: Sequence[str] = ()) -> str:
    lines = ["*" + table, *needed, *(":%s - [0:0]" % name for name in chains), *jumps]
    lines += ["-A %s %s" % (name, rule) for name, rules in chains.items() for rule in rules]
    return "\n".join(lines) + "\nCOMMIT\n"


def _entries(sets: Dict[str, LiveSet], family: int, name: str) -> FrozenSet[str]:
    """Return the entries of all sets of that name, of every owner and generation."""
    found: FrozenSet[str] = frozenset()
    kernel_name = re.compile(r"DB[A-Z]+-%s-%d[ab]\Z" % (re.escape(name), family))
    for kernel, live in sets.items():
        if kernel_name.match(kernel) and live.entries:
            found |= live.entries
    return found


def _ports(sets: Dict[str, LiveSet], family: int, name: str) -> List[str]:
    """Return the ports of entries that are a port or end in one."""
    return sorted({entry.rpartition(":")[2] for entry in _entries(sets, family, name)}, key=int)


def _port_lines(protocol: str, ports: Sequence[str], verdict: str) -> List[str]:
    parts = [ports[start:start + _AT_ONCE] for start in range(0, len(ports), _AT_ONCE)]
    return ["-p %s -m multiport --dports %s -j %s" % (protocol, ",".join(part), verdict) for part in parts]


def _on_one_address(entries: FrozenSet[str]) -> Iterator[str]:
    for entry in sorted(entries):
        address, protocol, port = _address_port(entry)
        yield "-d %s -p %s -m %s --dport %s -j DROP" % (address, protocol, protocol, port)


def _address_port(entry: str) -> Tuple[str, str, str]:
    """Split ``192.0.2.7,tcp:80`` into address, protocol and port."""
    address, _comma, rest = entry.partition(",")
    protocol, _colon, port = rest.partition(":")
    return address, protocol, port
