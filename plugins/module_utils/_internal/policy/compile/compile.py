# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Compile a policy and the engine's facts about the host into the DesiredState of its netfilter."""

from __future__ import annotations

from typing import Dict, List, Sequence, Tuple

from ...address import FAMILIES, IPV4, IPV6
from ...engine.facts.facts import HostFacts
from ...errors import DrawbridgeError
from ...netfilter.reconcile.plan import Plan
from ...netfilter.rules.desired import AddressSet, Chain, DesiredState, Hook, SetType
from ...netfilter.rules.timed_entries import TIMED, with_end
from ..blocks import owners
from ..blocks.by_name import by_name_sets
from ..blocks.engine_sets import host_sets, named_sets
from ..blocks.outside import OUTSIDE
from ..blocks.port_rules import Rules, enforces
from ..chains import forward, guard, host_input, late_ports, source_check
from ..language.model import NamedAddresses, Policy, entries_of
from ..values.check import names_interface
from ..values.reserved_names import until_set
from .denials import EGRESS, observed, section_of, with_logs

NAMED_SET = SetType("hash:net")
TIMED_SET = SetType("hash:net", TIMED)
# OWNER is part of the names of the policy's sets in the kernel. OWNED: the chains that a policy may write and remove.
OWNER = "P"
OWNED = [
    (guard.TABLE, guard.CHAIN),
    (guard.TABLE, guard.CHAIN + OUTSIDE),
    (guard.TABLE, guard.LOCAL),
    (guard.TABLE, guard.PORTS),
    (guard.TABLE, guard.ROUTED),
    (guard.TABLE, guard.DENIED),
    (guard.TABLE, guard.RECEIVED),
    (guard.TABLE, guard.RECEIVED + OUTSIDE),
    (guard.TABLE, guard.LIMITED + "*"),
    (source_check.TABLE, source_check.CHAIN),
    (late_ports.TABLE, late_ports.CHAIN),
    (late_ports.TABLE, late_ports.DENIED),
    (late_ports.TABLE, late_ports.LIMITED + "*"),
    (forward.TABLE, forward.CHAIN),
    (forward.TABLE, forward.CHAIN + OUTSIDE),
    (forward.TABLE, forward.DIALLED),
    (forward.TABLE, forward.DENIED),
    (forward.TABLE, forward.LIMITED + "*"),
    (host_input.TABLE, host_input.CHAIN),
    (host_input.TABLE, host_input.CHAIN + OUTSIDE),
    (host_input.TABLE, host_input.DENIED),
    (host_input.TABLE, host_input.LIMITED + "*"),
    *owners.POLICY_EGRESS.owned,
    (owners.FILTER, owners.OUTPUT),
    (owners.FILTER, owners.OUTPUT_DENIED),
    *owners.POLICY_PORTS.owned,
    owners.POLICY_LASTING,
]


def compile_policy(policy: Policy, host: HostFacts) -> DesiredState:
    """Return the chains, their hooks, and the sets that their lines name. Masquerading is in policy/chains/masquerade.py.

    Sets that no line names are left out. Names of sets that are not the policy's are left to the netfilter code, which knows
    the sets on the host (``Line.path`` is the path in the user's data).
    """
    _refuse_own_bridges(policy.unmanaged_interfaces, host.bridges)
    host = _with_left_alone(host, policy.unmanaged_interfaces)
    policy = _with_own_lines(policy)
    rules = Rules()
    hooks: List[Hook] = []
    asked = False
    shared: List[Tuple[str, str]] = []
    ports = policy.published_ports
    if ports is not None:
        guarded = _add(rules, hooks, guard.guard(policy, ports, host, rules), guard.HOOK)
        if guarded:
            _add(rules, hooks, guard.guard_received(policy, ports), guard.received_hook(host))
        asked = _add(rules, hooks, late_ports.late(policy, ports, host, rules), late_ports.HOOK)
        if _add(rules, hooks, forward.forward(policy, ports, rules), forward.HOOK):
            shared.append((forward.TABLE, forward.PARENT))
    if policy.host_services is not None:
        _add(rules, hooks, host_input.inbound(policy, policy.host_services, host, rules), host_input.HOOK)
    rules.chains.extend(rules.limits.values())
    if policy.egress is not None:
        from ..chains.egress import add_egress  # pylint: disable=import-outside-toplevel

        hooks += add_egress(policy.egress, host, rules, owners.POLICY_EGRESS)
        if not shared and any(hook.parent == forward.PARENT for hook in hooks):
            shared.append((forward.TABLE, forward.PARENT))
        if policy.egress.observes:
            rules.chains = [observed(chain) if section_of(chain.name) == EGRESS else chain for chain in rules.chains]
    if policy.host_egress is not None:
        from ..chains import host_output  # pylint: disable=import-outside-toplevel

        _add(rules, hooks, host_output.outbound(policy.host_egress, host, rules), host_output.HOOK)
    if hooks:
        check = source_check.source_check(source_check.CHAIN, host.other_tables)
        # Who may not be where he says he is may pass nothing that is enforced.
        _add(rules, hooks, [check if _enforces(policy) else observed(check)], source_check.source_hook(source_check.CHAIN))
    sets = {**host_sets(host), **own_sets(policy), **rules.sets, **by_name_sets(policy, host)}
    wanted = DesiredState(rules.chains, hooks, OWNED, OWNER, shared, named_sets(rules.chains, sets), tables=late_ports.engine_tables(asked, host))
    wanted = with_logs(wanted, policy.log_denied)
    return _not_masquerading(wanted) if policy.masquerade is None else wanted


def _refuse_own_bridges(left_alone: Sequence[str], bridges: Sequence[str]) -> None:
    for name in left_alone:
        own = next((bridge for bridge in bridges if names_interface(name, bridge)), None)
        if own is not None:
            raise DrawbridgeError(
                "%s takes in %s, a bridge of Docker's: nobody would judge what leads to its containers" % (name, own),
                "unmanaged_interfaces",
                "name the interfaces of other software only",
            )


def _with_own_lines(policy: Policy) -> Policy:
    """Give each port a line of its own that denies, if ``log_denied.per_port`` asks for it."""
    if policy.log_denied is None or not policy.log_denied.values.get(("per_port",)):
        return policy
    ports, services = policy.published_ports, policy.host_services
    return policy._replace(
        published_ports=None if ports is None else ports._replace(per_port=True), host_services=None if services is None else services._replace(per_port=True)
    )


def _enforces(policy: Policy) -> bool:
    """Whether a section denies anything."""
    sections = [section for section in (policy.published_ports, policy.host_services) if section is not None]
    ways_out = [section for section in (policy.egress, policy.host_egress) if section is not None]
    return any(map(enforces, sections)) or not all(section.observes for section in ways_out)


def has_open_ports(plan: Plan) -> bool:
    """Whether the policy had ports open before the plan's change."""
    return any((table, name) in owners.POLICY_PORTS.owned for part in plan.families.values() for table, was in part.old.items() for name in was.chains)


def _not_masquerading(wanted: DesiredState) -> DesiredState:
    """Remove the masquerading of an earlier policy."""
    owner = owners.POLICY_MASQUERADE
    return wanted._replace(owned=[*wanted.owned, (owners.NAT, owner.chain)], tables={**wanted.tables, **{(f, owner.table): None for f in FAMILIES}})


def _add(rules: Rules, hooks: List[Hook], chains: List[Chain], hook: Hook) -> bool:
    if chains:
        rules.chains.extend(chains)
        hooks.append(hook)
    return bool(chains)


def _with_left_alone(host: HostFacts, left_alone: Sequence[str]) -> HostFacts:
    """Add unmanaged interfaces to the foreign bridges. They are never containers', even if named so, and may come up later."""
    return host._replace(foreign_bridges=sorted({*host.foreign_bridges, *(name for name in left_alone if name[-1] != "+")}))


def own_sets(policy: Policy) -> Dict[str, AddressSet]:
    """Return the policy's ``address_sets``, and a set for each time at which entries end."""
    times = {entry.until: entry.path for entry in reversed([*entries_of(policy)])}
    ends = {until_set(time): _everybody_until(time, path + ".until") for time, path in times.items() if time is not None}
    return {**{name: _own_set(item) for name, item in policy.address_sets.items()}, **ends}


def _everybody_until(time: str, path: str) -> AddressSet:
    entries = {IPV4: frozenset([with_end("0.0.0.0/0", time)]), IPV6: frozenset([with_end("::/0", time)])}
    return AddressSet(until_set(time), TIMED_SET, dict(entries), path)


def _own_set(item: NamedAddresses) -> AddressSet:
    if not item.ends:
        return AddressSet(item.name, NAMED_SET, dict(item.addresses), item.path)
    entries = {family: frozenset(with_end(address, item.ends.get(address)) for address in addresses) for family, addresses in item.addresses.items()}
    return AddressSet(item.name, TIMED_SET, dict(entries), item.path)
