# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Check whether iptables sees packets between containers on one network: they only cross a bridge."""

from __future__ import annotations

from typing import List

from ...engine.facts.facts import HostFacts
from ...errors import DrawbridgeError
from ...host.system.system import System
from ..chains.egress import limits_peers
from ..language.egress import Egress

_SETTINGS = "/proc/sys/net/bridge/bridge-nf-call-"


def refuse_unseen_peers(system: System, egress: Egress, host: HostFacts) -> None:
    """Raises DrawbridgeError if the policy limits containers on one network and the kernel would not enforce it."""
    path = limits_peers(egress)
    if path is None:
        return
    has_ipv6 = any(":" in subnet for network in host.networks for subnet in network.subnets)
    for why in unseen(system):
        if has_ipv6 or "ip6tables" not in why:
            raise DrawbridgeError(
                "packets between containers on one network do not pass iptables on this host: %s" % why,
                path,
                "load the kernel module br_netfilter and set it to 1, at boot too, or leave peers out",
            )


def unseen(system: System) -> List[str]:
    """Return why iptables does not see bridged packets, for each family, IPv4 first; empty if it does."""
    held = {name: (system.read(_SETTINGS + name) or "").strip() for name in ("iptables", "ip6tables")}
    return ["net.bridge.bridge-nf-call-%s is %s" % (name, value or "not there") for name, value in held.items() if value != "1"]
