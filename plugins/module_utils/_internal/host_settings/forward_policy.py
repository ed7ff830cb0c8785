# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Set the policy of the FORWARD chain: now, after each start of the engine, and at boot.

Docker sets it to DROP, but only when it turns forwarding on itself. It never sets ACCEPT. So DROP has to be set before the engine
starts, and ACCEPT has to be set again after each start.
"""

from __future__ import annotations

import os
import re
from typing import Dict, List, Mapping, NamedTuple, Optional, Tuple

from ..address import IPV4, IPV6
from ..engine.daemon.backend import Backends, backends
from ..errors import DrawbridgeError
from ..host.boot import unit
from ..host.system.system import System
from ..netfilter.kernel.chain_policy import ACCEPT, DROP, TABLE, command, policies_in, set_policies
from ..netfilter.kernel.netfilter import Netfilter

UNIT = "drawbridge-forward-%s.service"
_COMMAND = re.compile(r"^ExecStart=\S*/(iptables|ip6tables)\S* .*-P FORWARD", re.MULTILINE)
_FAMILY = {True: "IPv4", False: "IPv6"}
# Firewalls that load their own rules at boot; they have to finish first.
_FIREWALLS = "netfilter-persistent.service nftables.service ufw.service firewalld.service"
_TEXT = """# Kept by the Ansible collection drawbridge.docker; what is changed by hand here is overwritten.
[Unit]
Description=Policy %(policy)s of FORWARD
%(order)s
[Service]
Type=oneshot
RemainAfterExit=yes
%(commands)s
[Install]
WantedBy=multi-user.target%(wanted)s
"""
_BEFORE_DOCKER = """DefaultDependencies=no
After=local-fs.target %s
Wants=network-pre.target
Before=network-pre.target docker.service
Conflicts=shutdown.target
Before=shutdown.target
""" % _FIREWALLS
# PartOf: a restart of the engine restarts this unit too.
_AFTER_DOCKER = """After=docker.service %s
PartOf=docker.service
""" % _FIREWALLS


class Policies(NamedTuple):
    """before, after: the policies that change, by family. units: the units that change, by name: texts before and after,
    None for no unit."""

    before: Dict[int, str]
    after: Dict[int, str]
    units: Dict[str, Tuple[Optional[str], Optional[str]]]
    warnings: List[str]

    @property
    def changed(self) -> bool:
        return bool(self.after or self.units)


def compare(
    netfilter: Netfilter, wanted: Mapping[int, str], kept: Mapping[int, str], names: str = UNIT, engine: Optional[Backends] = None
) -> Policies:
    """Return what differs from ``wanted`` (by family, ACCEPT or DROP).

    kept: the policies that the units shall set. names: this owner's unit names, with %s for the policy. engine: its backends if
    known, None to look them up. Raises DrawbridgeError for a DROP that would cut the engine's containers off.
    """
    if DROP in wanted.values():
        _refuse_to_cut_off(backends(netfilter.system) if engine is None else engine)
    live = netfilter.rulesets()
    now = policies_in(live)
    warnings = ["the kernel has no IPv6: nothing was done about its policy"] if set(wanted) - set(now) else []
    after = {family: policy for family, policy in wanted.items() if now.get(family, policy) != policy}
    units = _units(netfilter, kept, names)
    if DROP in after.values():
        dropping = [family for family, policy in after.items() if policy == DROP]
        warnings += _stops(netfilter.system, dropping)
        if IPV6 in dropping and live[IPV6].chain(TABLE, "DOCKER") is None:
            warnings.append("Docker has no rules for IPv6 here: policy DROP stops the IPv6 traffic of containers too")
    if wanted and not unit.has_systemd(netfilter.system):
        warnings.append("systemd does not run this host: the policy holds until the next boot")
    return Policies({family: now[family] for family in after}, after, units, warnings)


def apply(netfilter: Netfilter, change: Policies) -> None:
    """Make the change."""
    if change.after:
        netfilter.system.remember({"forward/%s/%d" % (netfilter.variant, family): policy for family, policy in change.before.items()})
        set_policies(netfilter, change.after)
    for name, (_before, text) in change.units.items():
        if text is None:
            unit.uninstall(netfilter.system, name)
        else:
            unit.install(netfilter.system, name, text)


def at_boot(system: System, names: str = UNIT) -> Dict[int, str]:
    """Return the policies that this owner's units set, by family."""
    found = {}
    for policy in (DROP, ACCEPT):
        for program in _COMMAND.findall(unit.read(system, names % policy.lower()) or ""):
            found[IPV4 if program == "iptables" else IPV6] = policy
    return found


def _refuse_to_cut_off(engine: Backends) -> None:
    """Raises DrawbridgeError for the nftables backend. It accepts packets in its own table, but these still have to pass iptables' FORWARD."""
    if engine.nftables is not None:
        raise DrawbridgeError(
            "policy DROP of FORWARD would cut all containers off: %s, which accepts nothing in iptables" % engine.nftables,
            "forward_policy",
            "leave it out, or say ACCEPT: that engine drops by itself what comes to its networks unpublished; for what else is forwarded write"
            " rules by docker_user_chain",
        )


def _units(
    netfilter: Netfilter, wanted: Mapping[int, str], names: str
) -> Dict[str, Tuple[Optional[str], Optional[str]]]:
    if not unit.has_systemd(netfilter.system):
        return {}
    found = {}
    for policy in (DROP, ACCEPT):
        name = names % policy.lower()
        families = [family for family, value in sorted(wanted.items()) if value == policy and family in netfilter.families]
        text = _unit_text(netfilter, policy, families) if families else None
        held = unit.read(netfilter.system, name)
        if held != text:
            found[name] = (held, text)
    return found


def _unit_text(netfilter: Netfilter, policy: str, families: List[int]) -> str:
    early = policy == DROP
    return _TEXT % {
        "policy": policy,
        "order": _BEFORE_DOCKER if early else _AFTER_DOCKER,
        "commands": "".join("ExecStart=%s\n" % command(netfilter, family, policy) for family in families),
        "wanted": "" if early else " docker.service",
    }


def _stops(system: System, families: List[int], sys: str = "/sys/class/net", proc: str = "/proc/sys/net") -> List[str]:
    """Return warnings about what a policy DROP stops beside Docker: forwarding between interfaces that are not Docker's."""
    found = []
    for family in families:
        names = [name for name in _interfaces(sys) if _forwards(system, "%s/%s" % (proc, _folder(family)), name)]
        if len(names) > 1:
            found.append(
                "policy DROP stops what is forwarded over %s between %s, unless rules accept it: VMs, VPNs and other"
                " networks behind this host" % (_FAMILY[family == IPV4], ", ".join(names))
            )
    return found


def _folder(family: int) -> str:
    return "ipv4" if family == IPV4 else "ipv6"


def _forwards(system: System, folder: str, name: str) -> bool:
    return (system.read("%s/conf/%s/forwarding" % (folder, name)) or "").strip() == "1"


def _interfaces(folder: str) -> List[str]:
    """Return the interfaces except the loopback, ports of bridges, and bridges that look like Docker's."""
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        return []
    return [
        name
        for name in names
        if name != "lo" and not name.startswith(("docker", "br-")) and not os.path.exists("%s/%s/brport" % (folder, name))
    ]


def texts(change: Policies) -> Dict[str, str]:
    """Return Ansible's diff."""
    sides = []
    for policies, at in ((change.before, 0), (change.after, 1)):
        lines = ["%s: -P FORWARD %s" % (_FAMILY[family == IPV4], policy) for family, policy in sorted(policies.items())]
        for name, held in change.units.items():
            lines += ["%s: %s" % (name, line) for line in (held[at] or "").splitlines() if line.startswith("ExecStart=")]
        sides.append("".join(line + "\n" for line in lines))
    return {"before_header": "policy of FORWARD", "after_header": "policy of FORWARD", "before": sides[0], "after": sides[1]}
