# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""A Docker host as the texts that a verdict is made of: eth0 to the outside, docker0, and a second bridge."""
from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Mapping
from pathlib import Path

from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.verdict.snapshot.texts import Snapshot
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.verdict.walk.asked import parse_asked
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.verdict.walk.judge import Judge, Judgement

CAPTURES = Path(__file__).resolve().parents[1] / "fixtures" / "captures"
SECOND = "br-0123456789ab"
_POLICIES = {"raw": ("PREROUTING", "OUTPUT"), "mangle": ("PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"),
             "nat": ("PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"), "filter": ("INPUT", "FORWARD", "OUTPUT")}
_SETTINGS = {
    "net.ipv4.ip_forward": 1, "net.ipv6.conf.all.forwarding": 1, "net.bridge.bridge-nf-call-iptables": 1, "net.bridge.bridge-nf-call-ip6tables": 1,
    "net.ipv4.conf.all.rp_filter": 0, **{"net.ipv4.conf.%s.%s" % (scope, name): 0 for scope in ("eth0", "docker0", SECOND)
                                         for name in ("rp_filter", "accept_local", "route_localnet", "src_valid_mark")},
}


def host(second: str = SECOND, settings: Mapping[str, int] | None = None, more: Mapping[str, list[str]] | None = None, **texts: str) -> Snapshot:
    """second: the name of the second bridge. more: further addresses of interfaces. texts: those that are there beside links, routes and settings."""
    ends = {"lo": ["127.0.0.1/8", "::1/128"], "eth0": ["192.0.2.10/24", "2001:db8::10/64"], "docker0": ["172.17.0.1/16", "fd00:17::1/64"],
            second: ["172.18.0.1/16"]}
    for name, addresses in (more or {}).items():
        ends[name] = ends.get(name, []) + addresses
    links: list[dict[str, object]] = [_link(name, addresses) for name, addresses in ends.items()]
    links += [{"ifname": "veth%d" % number, "flags": ["UP"], "master": master, "linkinfo": {"info_kind": "veth", "info_slave_data": {"hairpin": False}}}
              for number, master in enumerate(["docker0", "docker0", second])]
    values = {**_SETTINGS, **{name.replace(SECOND, second): value for name, value in _SETTINGS.items()}, **(settings or {})}
    found = {
        "addresses": json.dumps(links), "routes": json.dumps(_routes(ends, 4)), "routes6": json.dumps(_routes(ends, 6)), "ipset": "",
        "settings": "".join("%s = %d\n" % item for item in values.items()), "nftables": '{"nftables": []}', "iptables": "", "ip6tables": "",
    }
    return Snapshot({**found, **texts})


def saved(**chains: list[str]) -> str:
    """iptables-save's text. chains: ``filter__DOCKER_USER`` for the chain DOCKER-USER of filter."""
    tables: dict[str, dict[str, list[str]]] = {}
    for key, rules in chains.items():
        table, _between, name = key.partition("__")
        tables.setdefault(table, {})[name.replace("_", "-")] = rules
    lines = []
    for table, found in tables.items():
        lines.append("*" + table)
        lines += [":%s ACCEPT [0:0]" % name for name in _POLICIES[table]] + [":%s - [0:0]" % name for name in found if name not in _POLICIES[table]]
        lines += ["-A %s %s" % (name, rule) for name, rules in found.items() for rule in rules] + ["COMMIT"]
    return "\n".join(lines) + "\n"


def nft(*chains: tuple[str, str, list[list[dict[str, object]]]], table: str = "inet t", **sets: list[object]) -> str:
    """nft's JSON of one table. chains: name, hook with type and priority (``filter input 0``, a fourth word is the policy) or nothing, and rules' statements.

    A rule is a list of statements. A set whose first element is a pair is a map.
    """
    family, _space, name = table.partition(" ")
    at = {"family": family, "table": name}
    items: list[dict[str, object]] = [{"table": {"family": family, "name": name}}]
    for key, elements in sets.items():
        items.append({"map" if isinstance(elements[0], list) else "set": {**at, "name": key, "elem": elements}})
    for chain, hook, _rules in chains:
        words = hook.split()
        base = {"type": words[0], "hook": words[1], "prio": int(words[2]), "policy": words[3] if len(words) > 3 else "accept"} if words else {}
        items.append({"chain": {**at, "name": chain, **base}})
    items += [{"rule": {**at, "chain": chain, "expr": rule}} for chain, _hook, rules in chains for rule in rules]
    return json.dumps({"nftables": items})


def judged(snapshot: Snapshot, **packet: object) -> Judgement:
    """The answer about a packet: ``source`` is its key from."""
    packet["from"] = packet.pop("source", "203.0.113.9")
    return Judge(snapshot).judge(parse_asked([packet])[0])


def captured(engine: str, **texts: str) -> Snapshot:
    """A host with the rules of a real engine, which publishes 8080 to 172.17.0.2:80, and 8082 and on loopback 8081 to 172.18.0.2:80."""
    text = (CAPTURES / ("docker-%s.c.iptables-save" % engine)).read_text(encoding="utf-8")
    ipv4, ipv6 = re.split(r"^# ip6?tables-save$", text, flags=re.MULTILINE)[1:]
    rules = {"iptables": ipv4, "ip6tables": ipv6}
    listed = CAPTURES / ("docker-%s.c.nft.json" % engine)
    if listed.exists():
        rules["nftables"] = listed.read_text(encoding="utf-8")
    bridge = re.search(r"br-[0-9a-f]{12}", text + rules.get("nftables", ""))
    snapshot = host(bridge.group() if bridge else SECOND)
    return snapshot._replace(texts={**snapshot.texts, **rules, **texts})


def places(answer: Judgement) -> list[tuple[str, str, int | None]]:
    """The rules that a packet meets."""
    return [(step.table, step.chain, step.rule) for step in answer.path if step.table]


def _link(name: str, addresses: list[str]) -> dict[str, object]:
    info = [{"family": "inet6" if ":" in item else "inet", "local": item.partition("/")[0], "prefixlen": int(item.partition("/")[2]),
             "scope": "host" if name == "lo" else "global"} for item in addresses]
    kind = {"linkinfo": {"info_kind": "bridge"}} if name not in ("lo", "eth0") else {}
    return {"ifname": name, "flags": ["UP"], "addr_info": info, **kind}


def _routes(ends: dict[str, list[str]], family: int) -> list[dict[str, object]]:
    gateway = "192.0.2.1" if family == 4 else "2001:db8::1"
    found: list[dict[str, object]] = [{"dst": "default", "gateway": gateway, "dev": "eth0", "flags": []}]
    for name, addresses in ends.items():
        for item in addresses:
            network = ipaddress.ip_interface(item)
            if network.version == family:
                local = str(network.network) if name == "lo" else str(network.ip)
                found.append({"type": "local", "dst": local, "dev": name, "table": "local", "flags": []})
                if name != "lo":
                    found.append({"dst": str(network.network), "dev": name, "flags": []})
    return found
