# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Find problems of a Docker host's firewall. Pure."""

from __future__ import annotations

from typing import Callable, FrozenSet, Iterator, List

from ..address import IPV4, IPV6
from ..engine.api.answers import IPTABLES, NFTABLES, PublishedPort
from ..engine.daemon.proxy import OFF
from ..netfilter.kernel.chain_policy import DROP, policies_in
from ..netfilter.reconcile.parent_jump import entrance
from ..netfilter.rules.ownership import is_ours, is_staged
from ..netfilter.rules.saved_ruleset import target_of
from ..policy.blocks.owners import NAT, POLICY_LASTING, PUBLISH
from ..policy.chains import forward, guard
from ..policy.chains.nat_filter import CHAIN as NAT_FILTER
from .direct_access import reachable_directly
from .guard_lines import lost_lines, open_by_loss
from .guarded_ports import guarded_ports, is_hooked
from .jumps import entered_chains, jumps_to, our_hooks
from .late_ports import LATE_PORTS_OPEN, is_closed, late_ports_open
from .saved_lines import unlike_saved
from .situation import Finding, Situation

FAMILY_NAME = {IPV4: "ipv4", IPV6: "ipv6"}

_DOCKER_USER = forward.HOOK.parent
# The most ports that a finding shows for one lost line.
_SHOWN_PORTS = 8
_TAKEN_AWAY = "run the play again, which puts them back; then find out who takes them away"
_ENTERED_BY_US = "run the play again, which puts the jump to DOCKER-USER first; if the line comes back, find out who puts it there"
_ENTERED_BY_HAND = "nothing of Drawbridge's is in DOCKER-USER: put the jump first by %s, or restart the engine, whose start does that"


def findings(host: Situation) -> List[Finding]:
    """Return all findings; those that let traffic in come first. An empty ``about`` stands for the whole host."""
    return [found for check in _CHECKS for found in check(host)]


def _unguarded(host: Situation) -> Iterator[Finding]:
    exposed = [port for port in host.published if not port.loopback]
    guarded: FrozenSet[PublishedPort] = guarded_ports(host.rulesets, host.sets, exposed)
    open_ports = [describe(port) for port in exposed if port not in guarded and not is_closed(host, port)]
    if open_ports:
        yield Finding(
            "unguarded_ports",
            "published ports that no policy guards: whoever reaches the host reaches them, on some path at least",
            open_ports,
            "run host_policy; ports that were published after its last run come under the guard by the next",
        )


def _vrfs(host: Situation) -> Iterator[Finding]:
    """Find VRFs that were added after the policy's last run."""
    families = [
        FAMILY_NAME[family]
        for family, ruleset in sorted(host.rulesets.items())
        if is_hooked(ruleset) and ruleset.chain(guard.TABLE, guard.PORTS)
        if not jumps_to(ruleset, guard.TABLE, guard.RECEIVED_HOOK.parent, guard.RECEIVED)
    ]
    if host.vrfs and families:
        yield Finding(
            "unguarded_vrfs",
            "VRFs that no policy guards: where net.ipv4.tcp_l3mdev_accept or udp_l3mdev_accept is 1, docker-proxy serves published ports at their addresses",
            ["%s: %s" % (family, name) for family in families for name in host.vrfs],
            "run host_policy, which guards the VRFs that it finds",
        )


def _late_ports(host: Situation) -> Iterator[Finding]:
    told = late_ports_open(host.rulesets.values(), host.late_ports, host.proxy)
    if told is not None:
        yield Finding(LATE_PORTS_OPEN, told[0], [], told[1])


def _lost_lines(host: Situation) -> Iterator[Finding]:
    exposed = [port for port in host.published if not port.loopback]
    items: List[str] = []
    for lost in lost_lines(host.rulesets, host.sets):
        open_ports = [describe(port) for port in exposed if port in open_by_loss([lost], exposed)]
        more = ", and %d more" % (len(open_ports) - _SHOWN_PORTS) if len(open_ports) > _SHOWN_PORTS else ""
        opened = "; open by it: %s%s" % (", ".join(open_ports[:_SHOWN_PORTS]), more) if open_ports else ""
        items.append("%s %s %s: %s: %s%s" % (FAMILY_NAME[lost.family], guard.TABLE, lost.chain, lost.line, lost.words, opened))
    if items:
        yield Finding("guard_lost_lines", "the guard's chains lack lines that each policy has there", items, _TAKEN_AWAY)


def _unlike_saved(host: Situation) -> Iterator[Finding]:
    items = [FAMILY_NAME[int(item[0])] + item[1:] for item in unlike_saved(host.saved, host.rulesets)]
    if items:
        yield Finding(
            "unlike_saved",
            "somebody changed lines of Drawbridge's since the last run: they are not those that a boot would load",
            items,
            _TAKEN_AWAY,
        )


def _not_hooked(host: Situation) -> Iterator[Finding]:
    lost: List[str] = []
    for family, ruleset in sorted(host.rulesets.items()):
        for table, chains in sorted(ruleset.tables.items()):
            entered = entered_chains(ruleset, table)
            lost += [
                "%s %s %s" % (FAMILY_NAME[family], table, name)
                for name in sorted(chains)
                if is_ours(name) and not is_staged(name) and name not in entered and (table, name) != POLICY_LASTING
            ]
    if lost:
        yield Finding(
            "chain_not_hooked",
            "chains of Drawbridge that nothing jumps to: their rules do nothing",
            lost,
            "something removed the jump (an iptables-restore, a firewall's reload): run the play again",
        )


def _passed_by(host: Situation) -> Iterator[Finding]:
    passed = [
        "%s %s %s: %s is at %d of %d, behind: %s"
        % (FAMILY_NAME[family], hook.table, hook.parent, hook.target, hook.position, hook.of, hook.passed_by)
        for family, ruleset in sorted(host.rulesets.items())
        for hook in our_hooks(ruleset)
        if hook.passed_by is not None
    ]
    if passed:
        yield Finding(
            "hook_passed_by",
            "lines before a jump to Drawbridge's chain let packets pass it by",
            passed,
            "run the play again, which puts the jump first; if the line comes back, find out who puts it there",
        )


def _docker_user(host: Situation) -> Iterator[Finding]:
    """DOCKER-USER's rules have no effect if FORWARD does not jump there, or jumps too late."""
    items: List[str] = []
    programs: List[str] = []
    is_ours_too = False
    for family, ruleset in sorted(host.rulesets.items()):
        if all(rule == "-j RETURN" for rule in ruleset.rules(forward.TABLE, _DOCKER_USER)):
            continue
        found = entrance(ruleset, forward.TABLE, _DOCKER_USER)
        if found.line is None:
            items.append("%s: FORWARD has no jump to %s%s" % (FAMILY_NAME[family], _DOCKER_USER, "" if found.is_only else " for every packet"))
        elif found.passed_by is not None:
            items.append("%s: FORWARD jumps to %s behind: %s" % (FAMILY_NAME[family], _DOCKER_USER, found.passed_by))
        else:
            continue
        programs.append("iptables" if family == IPV4 else "ip6tables")
        is_ours_too = is_ours_too or any(is_ours(target_of(rule) or "") for rule in ruleset.rules(forward.TABLE, _DOCKER_USER))
    if items:
        yield Finding(
            "docker_user_passed_by",
            "forwarded packets pass the rules in DOCKER-USER by",
            items,
            _ENTERED_BY_US if is_ours_too else _ENTERED_BY_HAND % " and by ".join("%s -I FORWARD 1 -j DOCKER-USER" % name for name in programs),
        )


def _interrupted(host: Situation) -> Iterator[Finding]:
    staged = [
        "%s %s %s" % (FAMILY_NAME[family], table, name)
        for family, ruleset in sorted(host.rulesets.items())
        for table, chains in sorted(ruleset.tables.items())
        for name in sorted(chains)
        if is_staged(name)
    ]
    if staged:
        yield Finding(
            "interrupted_change",
            "a change of Drawbridge's was interrupted: old and new rules stand side by side, and both have to let pass",
            staged,
            "run the play again: it completes the change",
        )


def _other_variant(host: Situation) -> Iterator[Finding]:
    if host.other_variant and host.other_rules:
        yield Finding(
            "other_variant_has_rules",
            "iptables-%s holds %d rules too; packets have to pass both" % (host.other_variant, host.other_rules),
            [],
            "see them by iptables-%s-save; rules of a former setup are best removed" % host.other_variant,
        )


def _loopback(host: Situation) -> Iterator[Finding]:
    """Engines before 28 DNAT packets that a neighbour on the link sends to 127.0.0.1 at the host's hardware address."""
    ruleset = host.rulesets.get(IPV4)
    if ruleset is None or host.backend.driver == NFTABLES or ruleset.chain(forward.TABLE, forward.DIALLED):
        return
    # The rule as engines from 28 on write it.
    drop = "-d %s/32 ! -i lo -p %s -m %s --dport %d -j DROP"
    dropped = ruleset.rules("raw", "PREROUTING")
    items = [
        describe(port)
        for port in host.published
        if port.loopback and port.family == IPV4
        if drop % (port.address, port.protocol, port.protocol, port.port) not in dropped
    ]
    if items:
        yield Finding(
            "loopback_reachable",
            "ports published on loopback that hosts on the same link can reach: this engine does not drop it",
            items,
            "host_policy with published_ports default deny closes it, so does an engine from 28 on",
        )


def _direct(host: Situation) -> Iterator[Finding]:
    """Up to 27, published container ports are open at the container's address; the others depend on FORWARD's policy. From 28 on they are
    open only by an option of the engine or the network."""
    items = ["%s %s" % (FAMILY_NAME[family], what) for family, what in reachable_directly(host)]
    if items:
        yield Finding(
            "containers_reachable_directly",
            "networks whose containers answer at their own addresses to whoever has a route through this host",
            items,
            "host_policy with published_ports direct deny closes it; so does an engine from 28 on, without allow-direct-routing and for networks without"
            " trusted_host_interfaces",
        )


def _no_rules_of_docker(host: Situation) -> Iterator[Finding]:
    ruleset = host.rulesets.get(IPV4)
    if ruleset is None or not host.reachable or host.backend.driver != IPTABLES:
        return
    if ruleset.chain("nat", "DOCKER") is None:
        yield Finding(
            "no_rules_of_docker",
            "the engine's chains are missing: published ports are served by docker-proxy alone, or not at all",
            [],
            "either the engine runs with iptables off, or something flushed its rules: then restart the engine",
        )


def _no_ip6tables(host: Situation) -> Iterator[Finding]:
    ruleset = host.rulesets.get(IPV6)
    if ruleset is None or host.backend.driver != IPTABLES or ruleset.chain("nat", "DOCKER") is not None:
        return
    proxied = [describe(port) for port in host.published if port.family == IPV6 and not port.loopback]
    if proxied and host.proxy != OFF:
        yield Finding(
            "ipv6_by_proxy",
            "the engine makes no IPv6 rules: these ports are served by docker-proxy, past every rule for forwarded"
            " traffic, and containers see the bridge's gateway as the client",
            proxied,
            "host_policy guards this way, too; the engine's option ip6tables (on from 27) makes IPv6 rules",
        )


def _leftovers(host: Situation) -> Iterator[Finding]:
    """An engine that changes its backend leaves rules of the old one behind."""
    if host.backend.driver != NFTABLES:
        if host.engine_tables and host.reachable:
            yield Finding(
                "leftovers_of_nftables",
                "the engine uses iptables, but tables that it once made with its nftables backend still judge packets",
                ["%s: table docker-bridges" % FAMILY_NAME[family] for family in sorted(host.engine_tables)],
                "delete them (nft delete table ip docker-bridges), or reboot",
            )
        return
    items: List[str] = []
    for family, ruleset in sorted(host.rulesets.items()):
        if ruleset.chain("nat", "DOCKER") is not None or ruleset.chain("filter", "DOCKER") is not None:
            items.append("%s: chains of Docker's in iptables" % FAMILY_NAME[family])
    if items:
        yield Finding(
            "leftovers_of_iptables",
            "the engine uses nftables, but rules that it once made by iptables still judge packets",
            items,
            "remove them, or reboot, once nothing else needs them",
        )


def _forward_policy(host: Situation) -> Iterator[Finding]:
    """Packets that the nftables backend accepts in its own table have to pass iptables' FORWARD, too."""
    items = [
        "%s: FORWARD's policy is DROP" % FAMILY_NAME[family]
        for family, policy in sorted(policies_in(host.rulesets).items())
        if policy == DROP and host.backend.driver == NFTABLES
    ]
    if items:
        yield Finding(
            "forward_policy_cuts_off",
            "the engine uses nftables, and iptables drops what is forwarded from and to its containers unless rules there accept it",
            items,
            "forward_policy with ACCEPT, which keeps it so after boots; the engine drops by itself what comes to its networks unpublished",
        )


def _without_effect(host: Situation) -> Iterator[Finding]:
    """Find chains that have no effect with the nftables backend."""
    if host.backend.driver != NFTABLES:
        return
    items = [
        "%s %s %s: %s" % (FAMILY_NAME[family], NAT, name, "closes nothing" if name == NAT_FILTER else "opens nothing")
        for family, ruleset in sorted(host.rulesets.items())
        for name in sorted(ruleset.tables.get(NAT, {}))
        if name == NAT_FILTER or name.startswith(PUBLISH)
    ]
    if items:
        yield Finding(
            "chains_without_effect",
            "chains of Drawbridge that mean nothing beside an engine with the nftables backend, which translates in a table of its own",
            items,
            "close ports by host_policy; take nat_filter_chain and opened ports away, or move the engine back to iptables",
        )


def _not_forwarding_at_boot(host: Situation) -> Iterator[Finding]:
    if host.backend.driver == NFTABLES and host.forwards_at_boot is False:
        yield Finding(
            "no_forwarding_at_boot",
            "the engine uses nftables and starts only where the host forwards, but no file turns IPv4 forwarding on at boot",
            [],
            "ip_forward with ipv4 true, unless a service of this host turns it on before the engine starts",
        )


def _flowtables(host: Situation) -> Iterator[Finding]:
    if host.flowtables:
        yield Finding(
            "flowtables",
            "open flows that are offloaded to a flowtable pass every rule by: only their first packets are judged",
            list(host.flowtables),
            "host_policy puts flows that it denies back among the rules, by deleting their conntrack entries; for those of other rules conntrack -D does,"
            " and where that is not enough, have no flowtable",
        )


_CHECKS: List[Callable[[Situation], Iterator[Finding]]] = [
    _unguarded,
    _lost_lines,
    _unlike_saved,
    _vrfs,
    _late_ports,
    _not_hooked,
    _passed_by,
    _docker_user,
    _interrupted,
    _flowtables,
    _other_variant,
    _loopback,
    _direct,
    _no_ip6tables,
    _no_rules_of_docker,
    _leftovers,
    _forward_policy,
    _without_effect,
    _not_forwarding_at_boot,
]


def describe(port: PublishedPort) -> str:
    """Return a port in words: ``ipv4 192.0.2.7:8080/tcp -> web:80``."""
    address = port.address or ("0.0.0.0" if port.family == IPV4 else "::")
    shown = "[%s]" % address if port.family == IPV6 else address
    return "%s %s:%d/%s -> %s:%d" % (
        FAMILY_NAME[port.family], shown, port.port, port.protocol, port.container_name, port.container_port
    )
