# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Tell whether a port that the guard does not know yet is closed all the same: behind DOCKER-USER if it is DNATed, in INPUT if docker-proxy
serves it; and whether a port that is published from now on would be open. Pure."""

from __future__ import annotations

from typing import Iterable, Optional, Tuple

from ..engine.api.answers import PublishedPort
from ..engine.daemon.proxy import OFF
from ..netfilter.rules.matches import PortMatch, ProtocolMatch, Translation
from ..netfilter.rules.saved_rule import SavedRule, parse
from ..netfilter.rules.saved_ruleset import Ruleset
from ..policy.chains import forward, guard, host_input
from ..policy.chains.nat_filter import CHAIN as NAT_FILTER
from ..policy_pipeline.late_ports import KERNEL, NEXT_RUN, UNTIL_RESTART
from .guarded_ports import is_hooked, is_in_a_set
from .jumps import entered_chains, jumps_to
from .situation import Situation

LATE_PORTS_OPEN = "late_ports_open"
_ASK = "run host_policy: its late_ports says what closes them then; where the kernel cannot tell the engine's sockets, have event_service"
_TOLD = {
    NEXT_RUN: ("a port that is published from now on is open where docker-proxy serves it, until the next run of host_policy: neither the"
               " kernel nor the event service closes it", _ASK),
    UNTIL_RESTART: ("once the engine is started anew, a port that is published then is open where docker-proxy serves it, until the next run"
                    " of host_policy: nothing tells the kernel the engine's new cgroup", "have boot_restore, or event_service"),
}
# Not for SCTP: there the kernel does not tell whose socket it is.
_BY_THE_KERNEL = (KERNEL, UNTIL_RESTART)


def is_closed(host: Situation, port: PublishedPort) -> bool:
    """Whether no source outside can reach the port on any path, or only sources that the policy allows for that port."""
    ruleset = host.rulesets.get(port.family)
    if ruleset is None or not _drops_what_was_dnated(ruleset):
        return False
    by_the_kernel = host.late_ports in _BY_THE_KERNEL and port.protocol != "sctp" and not is_in_a_set(host.sets, port)
    return host.proxy == OFF or by_the_kernel or _drops_host_services(ruleset) or _never_comes_to_the_proxy(host, ruleset, port)


def _drops_what_was_dnated(ruleset: Ruleset) -> bool:
    ways = [("FORWARD", forward.PARENT), (forward.PARENT, forward.CHAIN)]
    is_entered = all(any(jump.passed_by is None for jump in jumps_to(ruleset, forward.TABLE, *way)) for way in ways)
    last = ruleset.rules(forward.TABLE, forward.DIALLED)[-1:]
    return is_entered and forward.DIALLED in entered_chains(ruleset, forward.TABLE) and last == ["-j DROP"]


def _drops_host_services(ruleset: Ruleset) -> bool:
    """Whether INPUT drops host services by default. The final drop may be in a second chain for traffic from outside, named after the first."""
    hooked = any(jump.passed_by is None for jump in jumps_to(ruleset, host_input.TABLE, host_input.HOOK.parent, host_input.CHAIN))
    chains = ruleset.tables.get(host_input.TABLE, {})
    judging = [chain for name, chain in chains.items() if name == host_input.CHAIN or name.startswith(host_input.CHAIN + "-OUT")]
    return hooked and any(chain.rules[-1:] == ["-j DROP"] for chain in judging)


def _never_comes_to_the_proxy(host: Situation, ruleset: Ruleset, port: PublishedPort) -> bool:
    """Whether nat PREROUTING DNATs packets before docker-proxy gets them. The engine's rule takes local addresses: no broadcast, multicast or VRF's."""
    return port.protocol != "udp" and not host.vrfs and ruleset.chain("nat", NAT_FILTER) is None and _is_dnated(host, ruleset, port)


def _is_dnated(host: Situation, ruleset: Ruleset, port: PublishedPort) -> bool:
    table = host.engine_tables.get(port.family)
    if table is not None and (port.protocol, port.port) in table.dnated:
        return True
    if not any(jump.passed_by is None for jump in jumps_to(ruleset, "nat", "PREROUTING", "DOCKER")):
        return False
    return any(_leads_on(parse(rule), port) for rule in ruleset.rules("nat", "DOCKER"))


def _leads_on(rule: SavedRule, port: PublishedPort) -> bool:
    """Whether a rule translates the port. Its other matches are ignored, known or not."""
    asked = (ProtocolMatch("-p", port.protocol), PortMatch("--dport", str(port.port)))
    return isinstance(rule.target, Translation) and rule.target.name == "DNAT" and set(asked) <= set(rule.matches)


def late_ports_open(rulesets: Iterable[Ruleset], late_ports: Optional[str], proxy: str) -> Optional[Tuple[str, str]]:
    """Return the message and the hint; None if the policy limits no port, or if something closes new ports."""
    if proxy == OFF or late_ports not in _TOLD:
        return None
    if not any(is_hooked(ruleset) and ruleset.chain(guard.TABLE, guard.PORTS) for ruleset in rulesets):
        return None
    return _TOLD[late_ports]
