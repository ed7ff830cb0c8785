# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Egress of containers as chains: behind DOCKER-USER for forwarded packets, behind INPUT for packets to the host itself.

A chain matches its containers by a set of interfaces, or of addresses on interfaces. So a re-created network is only a new entry.
"""

from __future__ import annotations

import hashlib
import re
from typing import Dict, FrozenSet, Iterable, List, Mapping, NamedTuple, Optional, Tuple

from ...address import BOTH, FAMILIES, IPV4, IPV6, contains, parse_network, quoted
from ...engine.facts.facts import ContainerFacts, HostFacts
from ...netfilter.rules.desired import AddressSet, Chain, DesiredState, Hook, Line
from ..blocks.engine_sets import INTERFACES, bridge_entries, by_family, host_sets, named_sets
from ..blocks.outside import FROM_BRIDGES
from ..blocks.owners import POLICY_EGRESS, TASK_EGRESS, EgressOwner
from ..blocks.port_rules import Rules
from ..language.egress import Access, Block, Egress, Selector
from ..values import reserved_names
from ..values.entries import Entry
from ..values.values import ALLOW, DENY, Ports, Sources, Target
from . import source_check
from .host_input import ESSENTIAL_ICMP, ESSENTIAL_ICMPV6

TABLE = "filter"
FORWARDED = "DOCKER-USER"
TO_HOST = "INPUT"

# All packets in a flow's original direction are judged, so that a new policy applies to open connections too. Replies and
# errors are not judged.
FIRST = [Line("-m conntrack --ctdir REPLY -j RETURN"), Line("-m conntrack --ctstate RELATED -j RETURN")]
# Packets to an address behind the interface that they came in by: the set holds subnets with their interfaces. Then the
# destinations that never leave a link.
_SAME_NETWORK: List[Tuple[str, Tuple[int, ...]]] = [
    ("-m set --match-set @%s dst,src" % reserved_names.SAME_NETWORK, BOTH),
    ("-d 224.0.0.0/4", (IPV4,)),
    ("-d 255.255.255.255/32", (IPV4,)),
    ("-d ff02::/16", (IPV6,)),
    ("-d fe80::/10", (IPV6,)),
]
SAME_LINK = frozenset(match[3:] for match, _families in _SAME_NETWORK if match.startswith("-d "))
_DNS = [Target(protocol, Ports(53, 53)) for protocol in ("udp", "tcp")]
# IPv6 does not work without neighbour discovery.
_NEIGHBOURS = [line for line in ESSENTIAL_ICMPV6 if re.search(r"type (?:13[0-6]|143) ", line.text)]


# For the module container_egress: the owner in its sets' names, and its chain that checks sources.
TASK_SETS = "E"
_TASK_SOURCE = source_check.CHAIN + "-egress"
_TASK_OWNED = [*TASK_EGRESS.owned, (source_check.TABLE, _TASK_SOURCE)]


class _Part(NamedTuple):
    """A block, the suffix of its chains' names, and the matches for its packets: a line for each match."""

    block: Block
    name: str
    matches: List[str]


def add_egress(egress: Egress, host: HostFacts, rules: Rules, owner: EgressOwner) -> List[Hook]:
    """Add the chains and sets to ``rules``. Return the hooks, or no hooks if nothing is limited."""
    parts = _parts(egress)
    written = {selector: block.path for selector, block in egress.containers.items()}
    rules.sets.update(egress_sets(egress.networks, written, host))
    hooks: List[Hook] = []
    if any(_limits_forwarding(part.block) for part in parts):
        hooks.append(Hook(TABLE, FORWARDED, owner.forwarded, owner.priority))
        rules.chains.append(Chain(TABLE, owner.forwarded, FIRST + _dispatch(parts, owner.prefix)))
        for part in parts:
            rules.chains += _forwarded(part, rules, owner.prefix)
    if any(_limits_host(part.block) for part in parts):
        hooks.append(Hook(TABLE, TO_HOST, owner.to_host, owner.priority))
        rules.chains.append(Chain(TABLE, owner.to_host, FIRST + _dispatch(parts, owner.prefix + "h")))
        rules.chains += [_to_host(part, rules, owner.prefix) for part in parts]
    return hooks


def compile_egress(egress: Egress, host: HostFacts) -> DesiredState:
    """Return the DesiredState of the module container_egress."""
    rules = Rules()
    hooks = add_egress(egress, host, rules, TASK_EGRESS)
    shared = [(TABLE, FORWARDED)] if any(hook.parent == FORWARDED for hook in hooks) else []
    if hooks:
        rules.chains.append(source_check.source_check(_TASK_SOURCE, host.other_tables))
        hooks.append(source_check.source_hook(_TASK_SOURCE))
    sets = named_sets(rules.chains, {**rules.sets, **host_sets(host)})
    return DesiredState(rules.chains, hooks, _TASK_OWNED, TASK_SETS, shared, sets)


def no_egress() -> DesiredState:
    """Return the DesiredState that removes everything of container_egress."""
    return DesiredState([], [], _TASK_OWNED, TASK_SETS)


def limits_peers(egress: Egress) -> Optional[str]:
    """Return the path of the first ``peers`` that limits traffic between containers on one network, or None."""
    found = [block.peers.path for block in egress.blocks() if block.peers is not None and _limits(block.peers)]
    return found[0] if found else None


def unmatched(egress: Egress, host: HostFacts) -> List[str]:
    """Return a warning for each block whose network or containers the engine does not have now."""
    if not host.known:
        return []
    known = {network.name for network in host.networks}
    missing = ["%s: there is no such Docker bridge network now; run this again when there is" % block.path
               for name, block in egress.networks.items() if name not in known]
    return missing + ["%s: no such container is running on a bridge network now; run this again when one is" % block.path
                      for selector, block in egress.containers.items() if not selected(selector, host)]


def without_effect(egress: Egress) -> List[str]:
    """Return a warning for each ``allow`` list that has no effect because the default is allow."""
    return [
        "%s.allow: has no effect, since its default is allow; say default: deny" % block.path
        for block in egress.blocks()
        if block.allow and block.default != DENY
    ]


def _limits(access: Access) -> bool:
    return access.verdict == DENY


def _limits_forwarding(block: Block) -> bool:
    return block.default == DENY or bool(block.deny) or (block.peers is not None and _limits(block.peers))


def host_access(block: Block) -> Access:
    """Return the block's access to the host. It follows the block's default unless ``host`` is stated."""
    return block.host or Access(block.default or ALLOW, (), block.path + ".default")


def _limits_host(block: Block) -> bool:
    return _limits(host_access(block))


def _parts(egress: Egress) -> List[_Part]:
    """Return the parts, the narrowest first."""
    found = [
        _Part(egress.completed(block), "c-" + _short("%s-%s" % selector), [_from(container_set(selector))])
        for selector, block in egress.containers.items()
    ]
    found += [
        _Part(egress.completed(block), "n-" + _short(name), [_from(network_set(name))])
        for name, block in egress.networks.items()
    ]
    general = egress.general
    if _limits_forwarding(general) or _limits_host(general):
        # A network that is created later is in no set yet.
        to_come = "-i br-+ -m set ! --match-set @%s src,src" % reserved_names.FOREIGN_BRIDGES
        found.append(_Part(general, "all", [FROM_BRIDGES, to_come]))
    return found


def spoken_names(egress: Egress) -> Dict[str, str]:
    """Return the blocks' names for messages, by the suffix of their chains' names."""
    selected = {"name": "container %s", "label": "containers with label %s", "address": "container at %s"}
    names_of = [("c-" + _short("%s-%s" % selector), selected[selector.kind] % quoted(selector.value)) for selector in egress.containers]
    return dict(names_of + [("n-" + _short(name), "network " + quoted(name)) for name in egress.networks])


def tells_containers_apart(chains: Iterable[str]) -> bool:
    """Whether one of these chains is about only some containers of a network, or about access to peers."""
    apart = tuple(owner.prefix + kind for owner in (POLICY_EGRESS, TASK_EGRESS) for kind in ("c-", "hc-", "p"))
    return any(name.startswith(apart) for name in chains)


def _from(set_name: str) -> str:
    return "-m set --match-set @%s src,src" % set_name


_READABLE = re.compile(r"[A-Za-z0-9_.-]{1,16}\Z")


def _short(name: str) -> str:
    """Return a short form of the name for the end of a chain's name."""
    if _READABLE.match(name):
        return name
    return "%s-%s" % (re.sub(r"[^A-Za-z0-9_.-]", "_", name)[:7], _digest(name)[:8])


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8")).hexdigest()[:10]


def network_set(name: str) -> str:
    return reserved_names.NETWORK + _digest(name)


def container_set(selector: Selector) -> str:
    return reserved_names.CONTAINERS + _digest("%s %s" % selector)


def _dispatch(parts: List[_Part], prefix: str) -> List[Line]:
    return [Line("%s -g %s%s" % (match, prefix, part.name), path=part.block.path) for part in parts for match in part.matches]


def _forwarded(part: _Part, rules: Rules, prefix: str) -> List[Chain]:
    """Return a part's chain, and the chain for peers on the same network if they are limited."""
    block, peers = part.block, part.block.peers
    name = prefix + part.name
    if peers is None or not _limits(peers):
        chains = []
        verdict = "-j RETURN"
    else:
        verdict = "-g %sp%s" % (prefix, part.name)
        judged = rules.toward(peers.entries, "RETURN") + [Line("-j DROP", path=peers.path)]
        chains = [Chain(TABLE, "%sp%s" % (prefix, part.name), _NEIGHBOURS + judged)]
    lines = [Line("%s %s" % (match, verdict), families) for match, families in _SAME_NETWORK]
    lines += rules.toward(block.deny, "DROP") + rules.toward(block.allow, "RETURN") + _dns(block, rules)
    if block.default == DENY:
        lines.append(Line("-j DROP", path=block.path + ".default"))
    return [Chain(TABLE, name, lines), *chains]


def _to_host(part: _Part, rules: Rules, prefix: str) -> Chain:
    access = host_access(part.block)
    lines: List[Line] = []
    if _limits(access):
        lines = ESSENTIAL_ICMP + ESSENTIAL_ICMPV6 + _dns(part.block, rules) + rules.toward(access.entries, "RETURN")
        lines.append(Line("-j DROP", path=access.path))
    return Chain(TABLE, "%sh%s" % (prefix, part.name), lines)


def _dns(block: Block, rules: Rules) -> List[Line]:
    return [] if block.dns is None else dns_lines(block.dns, block.path + ".dns", rules)


def dns_lines(servers: Sources, path: str, rules: Rules) -> List[Line]:
    """Return the lines that let port 53 of these servers be reached."""
    return rules.toward([Entry(target, servers, path) for target in _DNS], "RETURN")


def egress_sets(networks: Iterable[str], containers: Mapping[Selector, Optional[str]], host: HostFacts) -> Dict[str, AddressSet]:
    """Return the sets that match packets from these networks and containers. containers: each with its path in the user's data."""
    bridges: Dict[str, List[str]] = {network.name: [network.bridge] for network in host.networks}
    by_bridge = {network_set(name): bridges.get(name, []) for name in networks}
    found = [
        _set(host, name, {family: bridge_entries(family, on) for family in FAMILIES}, None)
        for name, on in by_bridge.items()
    ]
    found += [
        _set(host, container_set(selector), by_family(_named(selector) + selected(selector, host)), path)
        for selector, path in containers.items()
    ]
    return {item.name: item for item in found}


def _set(host: HostFacts, name: str, entries: Dict[int, FrozenSet[str]], path: Optional[str]) -> AddressSet:
    content: Dict[int, Optional[FrozenSet[str]]] = {
        family: entries[family] if host.known else None for family in FAMILIES
    }
    return AddressSet(name, INTERFACES, content, path)


def _named(selector: Selector) -> List[Tuple[str, str]]:
    """Return the entry that keeps a named address in its set while no network has it."""
    return [(reserved_names.NOWHERE, selector.value)] if selector.kind == "address" else []


def selected(selector: Selector, host: HostFacts) -> List[Tuple[str, str]]:
    """Return the selected containers' ends as (interface, address behind it)."""
    if selector.kind == "address":
        asked = parse_network(selector.value)
        return [
            (network.bridge, selector.value)
            for network in host.networks
            for subnet in map(parse_network, network.subnets)
            if contains(subnet, asked) or contains(asked, subnet)
        ]
    return [end for container in host.containers if _is_chosen(selector, container) for end in container.ends]


def _is_chosen(selector: Selector, container: ContainerFacts) -> bool:
    if selector.kind == "name":
        return container.name == selector.value
    key, has_value, value = selector.value.partition("=")
    return key in container.labels and (not has_value or container.labels[key] == value)
