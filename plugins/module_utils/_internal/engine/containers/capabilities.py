# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A container's network privileges, and the rules from the host that make them unnecessary. Pure."""

from __future__ import annotations

from typing import Dict, Iterator, List, NamedTuple, Optional, Tuple

from ...address import IPV4
from ...host.system.json_values import JsonObject, mapping
from ...netfilter.reconcile.ns_chain import PARENTS
from ...netfilter.rules.ownership import is_ours
from ...netfilter.rules.saved_ruleset import Ruleset, SavedChain, target_of

# Rulesets by variant and family.
Rulesets = Dict[Tuple[str, int], Ruleset]

_NET_ADMIN, _NET_RAW = 12, 13
_RESOLVER = ("DOCKER_OUTPUT", "DOCKER_POSTROUTING")
_SOCKETS = ("docker.sock", "containerd.sock", "podman.sock", "crio.sock")
# These folders contain an engine's socket.
_FOLDERS = ("/", "/run", "/var", "/var/run", "/run/containerd", "/run/podman", "/run/crio")


class Privileges(NamedTuple):
    """privileged, net_admin, net_raw, engine_socket: None if unknown. host_network: whether it is on the host's network."""

    privileged: Optional[bool]
    net_admin: Optional[bool]
    net_raw: Optional[bool]
    engine_socket: Optional[bool]
    host_network: bool


class Finding(NamedTuple):
    """code: a key for programs. hint: an alternative for the user.

    rules: the container's own rules, as arguments of container_netns_rule.
    """

    code: str
    message: str
    hint: str
    rules: List[JsonObject]


def privileges(details: JsonObject, status: Optional[str], host_network: bool) -> Privileges:
    """details: the engine's inspect object, ``{}`` if there is none. status: /proc/PID/status of a running process."""
    config = mapping(details.get("HostConfig"))
    privileged = config.get("Privileged") is True if details else None
    held = _bounding_set(status or "")
    if held is None:
        net_admin, net_raw = _configured(config, "NET_ADMIN", False), _configured(config, "NET_RAW", True)
        known = bool(details)
        return Privileges(privileged, net_admin if known else None, net_raw if known else None, _socket(details), host_network)
    return Privileges(privileged, bool(held >> _NET_ADMIN & 1), bool(held >> _NET_RAW & 1), _socket(details), host_network)


def _bounding_set(status: str) -> Optional[int]:
    for line in status.splitlines():
        if line.startswith("CapBnd:"):
            return int(line.split()[1], 16)
    return None


def _configured(config: JsonObject, name: str, by_default: bool) -> bool:
    def listed(key: str) -> List[str]:
        values = config.get(key)
        return [str(value).upper().replace("CAP_", "") for value in values] if isinstance(values, list) else []

    if config.get("Privileged") is True or name in listed("CapAdd"):
        return True
    if name in listed("CapDrop"):
        return False
    return "ALL" in listed("CapAdd") or (by_default and "ALL" not in listed("CapDrop"))


def _socket(details: JsonObject) -> Optional[bool]:
    if not details:
        return None
    mounts = details.get("Mounts")
    sources = [str(mapping(mount).get("Source")) for mount in mounts] if isinstance(mounts, list) else []
    return any(source.rsplit("/", 1)[-1] in _SOCKETS or source in _FOLDERS for source in sources)


def findings(held: Privileges, rulesets: Rulesets) -> List[Finding]:
    """Return the container's privileges that rules from the host make unnecessary."""
    return list(_found(held, rulesets))


def _found(held: Privileges, rulesets: Rulesets) -> Iterator[Finding]:
    if held.host_network:
        yield Finding(
            "host_network",
            "it is on the host's network: what it does to rules, it does to the host's, and none can be for it alone",
            "give it a network of its own and publish its ports; what it serves now, host_policy's host_services guards",
            [],
        )
    if held.engine_socket:
        yield Finding(
            "engine_socket",
            "it has the engine's socket, and by that the whole host",
            "what follows containers and enters their namespaces runs on the host: container_netns_rule needs no socket inside one",
            [],
        )
    if held.privileged or held.net_admin:
        # On the host's network the rules are the host's.
        rules, others = ([], 0) if held.host_network else own_rules(rulesets)
        yield Finding(
            "privileged" if held.privileged else "net_admin",
            "it may change its routes, addresses and rules" + (", and everything else on the host" if held.privileged else ""),
            _hint(rules, others),
            rules,
        )
    if held.net_raw and not held.privileged:
        yield Finding(
            "net_raw",
            "it may send packets with forged sources, and ARP for its neighbours, past every rule of its namespace",
            "start it with cap_drop NET_RAW: ping works without, since engines set net.ipv4.ping_group_range",
            [],
        )


def _hint(rules: List[JsonObject], others: int) -> str:
    if not rules and not others:
        return "it has no rules of its own: start it without, and give rules to container_netns_rule where it is to have some"
    hint = "keep its rules by container_netns_rule, with established and loopback false, then start it without"
    return hint + ("; %d lines lead to chains of its own and have to be written anew" % others if others else "")


def own_rules(rulesets: Rulesets) -> Tuple[List[JsonObject], int]:
    """Return the rules that a container made in built-in chains, as arguments of container_netns_rule.

    Also return the number of rules that are left out because they jump to the container's own chains.
    """
    arguments: List[JsonObject] = []
    others = 0
    for (_variant, family), ruleset in rulesets.items():
        for table, parents in PARENTS.items():
            for parent in parents:
                chain = ruleset.chain(table, parent)
                kept = [] if chain is None else [rule for rule in chain.rules if not _is_engines_or_ours(rule)]
                simple = [rule for rule in kept if ruleset.chain(table, target_of(rule) or "") is None]
                others += len(kept) - len(simple)
                simple += _by_policy(chain)
                if simple:
                    version = "ipv4" if family == IPV4 else "ipv6"
                    arguments.append({"table": table, "chain": parent, "ip_version": version, "rules": simple})
    return arguments, others


def _is_engines_or_ours(rule: str) -> bool:
    target = target_of(rule) or ""
    return is_ours(target) or target in _RESOLVER


def _by_policy(chain: Optional[SavedChain]) -> List[str]:
    return ["-j DROP"] if chain is not None and chain.policy == "DROP" else []
