# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Move an engine to its other firewall backend. Nothing is changed unless everything that the move needs is there.

An engine with the nftables backend does not turn forwarding on and does not start without it. It cannot be in a swarm. Packets that it
accepts still have to pass iptables' FORWARD. A failed start leaves networks half made, so all this is checked before its file is written.
"""

from __future__ import annotations

from typing import Dict, FrozenSet, Iterable, List, Mapping, NamedTuple, Optional

from ..address import IPV4, IPV6
from ..engine.api.answers import NFTABLES
from ..engine.api.client import EngineError, EngineUnreachable
from ..engine.api.connect import connect
from ..engine.daemon import running_config
from ..engine.daemon.backend import BACKEND, IP_FORWARD, backends, next_start
from ..engine.daemon.config import Configured, DesiredConfig, configure
from ..engine.daemon.config_file import DaemonFile
from ..engine.daemon.config_keys import KEYS
from ..engine.facts.gather import SWARM_STATE
from ..engine.facts.unfiltered_networks import swarm_active
from ..errors import DrawbridgeError
from ..host.boot import sysctl
from ..host.boot.sysctl_at_boot import value_at_boot
from ..host.system.system import System
from ..netfilter.kernel.chain_policy import DROP, policies_in
from ..netfilter.kernel.iptables import held_rulesets
from ..netfilter.rules.saved_ruleset import Ruleset
from ..policy.blocks.owners import NAT, PUBLISH
from ..policy.chains.nat_filter import CHAIN as NAT_FILTER
from . import forward_policy, leftovers
from .forwarding import Forwarding
from .ip_forward import BOOT_FILE

ENGINE = "unix:///var/run/docker.sock"
_FAMILY = {IPV4: "IPv4", IPV6: "IPv6"}
_OPTION = {IPV4: "ipv4", IPV6: "ipv6"}


class Accompanying(NamedTuple):
    """The same run's changes beside the engine's file. forwarding: families that it turns forwarding on for. policies: FORWARD's policies
    that it sets, by family. whole: whether these are all settings that this owner's files will have."""

    forwarding: FrozenSet[int] = frozenset()
    policies: Mapping[int, str] = {}
    whole: bool = False


def keep(
    system: System, wish: DesiredConfig, check_mode: bool, brings: Optional[Accompanying] = None, note: str = running_config.NOTE
) -> Configured:
    """Like ``configure``, but move the engine to another backend completely or not at all. Raises DrawbridgeError."""
    said = {BACKEND, IP_FORWARD}.intersection([*wish.values, *wish.absent])
    path, flag = next_start(system) if said else ("", None)
    if not said or (wish.path is not None and wish.path != path):
        return configure(system, wish, check_mode, note)
    tried = configure(system, wish, True, note)
    target = str(flag or tried.after.get(BACKEND) or KEYS[BACKEND].default)
    now = backends(system, note)
    moves = BACKEND in said and target != (now.running or ("" if target == NFTABLES else now.coming))
    lacking = _lacking(system, target, tried, brings or Accompanying(), moves)
    if lacking:
        what = "the engine cannot be moved to its %s backend as it is" if moves else "the engine would not start with its %s backend"
        raise DrawbridgeError(
            "%s: %s" % (what % target, "; ".join(lacking)), wish.place_of(BACKEND if moves else IP_FORWARD), "nothing was changed"
        )
    done = configure(system, wish, check_mode, note)
    told = [_told(target)] if moves and done.changed and now.running is not None else []
    return done._replace(warnings=done.warnings + told)


def _lacking(system: System, target: str, tried: Configured, brings: Accompanying, moves: bool) -> List[str]:
    """Return what the engine lacks. moves: whether it changes its backend. If not, it may still be told to check that the host forwards."""
    if target == NFTABLES:
        return _for_nftables(system, tried, brings) if moves else _forwards(system, tried, brings) if IP_FORWARD in tried.changes else []
    return _for_iptables(system) if moves else []


def _told(target: str) -> str:
    if target == NFTABLES:
        return (
            "at its next start the engine moves to its nftables backend: from then on ACCEPT in DOCKER-USER opens nothing, and IP forwarding is what"
            " this host says; what the engine made by iptables and does not clear away itself stays until the next boot"
        )
    return (
        "at its next start the engine moves to its iptables backend: where this host forwards already it leaves the policy of FORWARD as it is"
    )


def _for_iptables(system: System) -> List[str]:
    return [] if system.which("iptables") is not None else ["iptables is not installed, without which it does not start"]


def _for_nftables(system: System, tried: Configured, brings: Accompanying) -> List[str]:
    """Return what the move lacks, each with what to do about it."""
    rulesets = held_rulesets(system)
    return _swarm(system, tried) + _forwards(system, tried, brings) + _policies(system, rulesets, brings) + _without_effect(rulesets)


def _forwards(system: System, tried: Configured, brings: Accompanying) -> List[str]:
    if tried.after.get(IP_FORWARD) is False:
        return []
    return [text for family in _families_it_forwards() for text in _forwarding(system, family, brings)]


def _swarm(system: System, tried: Configured) -> List[str]:
    """Return a reason if the engine is in a swarm. An engine that makes no rules may be in one; so may a newer one with ``swarm-nftables``."""
    features = DaemonFile(system.read(tried.path) or "", tried.path).values.get("features")
    if tried.after.get("iptables") is False or (isinstance(features, dict) and features.get("swarm-nftables") is True):
        return []
    try:
        active = swarm_active(connect(ENGINE).info())
    except (EngineUnreachable, EngineError):
        active = False
    if active or system.read(SWARM_STATE) is not None:
        return ["it is in a swarm, which it does not start in with that backend (docker swarm leave)"]
    return []


def _families_it_forwards() -> List[int]:
    """Return the families that the engine needs forwarding for. If it cannot be asked, it may have IPv6 networks; IPv4 it always needs."""
    try:
        networks = connect(ENGINE).networks()
    except (EngineUnreachable, EngineError):
        networks = []
    return [IPV4, IPV6] if any(network.get("EnableIPv6") is True for network in networks) else [IPV4]


def _forwarding(system: System, family: int, brings: Accompanying) -> Iterable[str]:
    if family in brings.forwarding:
        return
    names = list(Forwarding({family: True}).settings())
    do = "ip_forward with %s: true" % _OPTION[family]
    refuses = "with that backend it starts only where the host forwards"
    ours = [BOOT_FILE] if brings.whole else [BOOT_FILE, leftovers.BOOT_FILE]
    if any(sysctl.value_now(system, name) != "1" for name in names):
        yield "%s forwarding is off, and %s (%s)" % (_FAMILY[family], refuses, do)
    elif any(value_at_boot(system, name, ours, [leftovers.BOOT_FILE] if brings.whole else []) != "1" for name in names):
        yield "nothing turns %s forwarding on at boot, and %s (%s)" % (_FAMILY[family], refuses, do)


def _policies(system: System, rulesets: Dict[str, Dict[int, Ruleset]], brings: Accompanying) -> List[str]:
    owners = [forward_policy.UNIT] if brings.whole else [forward_policy.UNIT, leftovers.UNIT]
    kept = [family for names in owners for family, policy in forward_policy.at_boot(system, names).items() if policy == DROP]
    now = {family: policy for found in rulesets.values() for family, policy in policies_in(found).items() if policy == DROP}
    dropping = [family for family in (IPV4, IPV6) if family in kept or brings.policies.get(family, now.get(family)) == DROP]
    if dropping:
        names = " and ".join(_FAMILY[family] for family in dropping)
        options = ", ".join("%s: ACCEPT" % _OPTION[family] for family in dropping)
        return [
            "the policy of iptables' FORWARD is DROP for %s, which would cut all its containers off (forward_policy with %s)" % (names, options)
        ]
    return []


def _without_effect(rulesets: Dict[str, Dict[int, Ruleset]]) -> List[str]:
    """Return our chains that have no effect beside that backend."""
    chains = {name for found in rulesets.values() for ruleset in found.values() for name in ruleset.tables.get(NAT, {})}
    found = []
    if NAT_FILTER in chains:
        found.append("published ports are closed by nat_filter_chain, which closes nothing there (nat_filter_chain with state absent, and host_policy)")
    if any(name.startswith(PUBLISH) for name in chains):
        found.append("ports are opened by container_port or a policy's open_ports, which opens nothing there (take them away first)")
    return found
