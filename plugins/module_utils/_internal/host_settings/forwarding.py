# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""IP forwarding as kernel settings. Pure but for what is asked of the kernel's files.

What the kernel makes of them: writing another value to net/ipv4/ip_forward, or any to net/ipv6/conf/all/forwarding, is an
order to every interface there is; so what is said about single interfaces has to be said again after it.
"""

from __future__ import annotations

import os
import re
from typing import Dict, Iterable, List, Mapping, NamedTuple, Optional, Tuple

from ..address import FAMILIES, IPV4, IPV6
from ..host.boot import sysctl
from ..host.boot.sysctl import PROC_SYS
from ..host.system.system import System

_EVERY = {
    IPV4: ("net/ipv4/ip_forward",),
    IPV6: ("net/ipv6/conf/all/forwarding", "net/ipv6/conf/default/forwarding"),
}
_ONE = {IPV4: "net/ipv4/conf/%s/forwarding", IPV6: "net/ipv6/conf/%s/forwarding"}
# Set by the kernel with it.
_ALONG = {IPV4: ("net/ipv4/conf/all/accept_redirects",), IPV6: ()}
# In /proc/net/ipv6_route: a default route, learned from a router advertisement.
_ANYWHERE = "0" * 32
_BY_ADVERTISEMENT = 0x00040000


class Forwarding(NamedTuple):
    """families: on or off, by family; one that is not in it is left as it is.
    interfaces: names; none stands for the whole host."""

    families: Dict[int, bool]
    interfaces: Tuple[str, ...] = ()

    @property
    def turns_host_off(self) -> bool:
        return not self.interfaces and False in self.families.values()

    def settings(self) -> Dict[str, str]:
        """By name, in the order in which the kernel is to be told."""
        return {
            name: "1" if on else "0"
            for family, on in sorted(self.families.items())
            for name in _names(family, self.interfaces)
        }


def _names(family: int, interfaces: Tuple[str, ...]) -> Tuple[str, ...]:
    return tuple(_ONE[family] % name for name in interfaces) if interfaces else _EVERY[family]


def is_for_host(name: str) -> bool:
    """Whether a setting is about all interfaces."""
    return any(name in names for names in _EVERY.values())


def is_for_one(name: str, families: Iterable[int]) -> bool:
    """Whether a setting is about a single interface and one of the families; ``default`` is one that is yet to come."""
    alike = [re.escape(_ONE[family]).replace("%s", "(?!all/).+") for family in families]
    return not is_for_host(name) and any(re.fullmatch(pattern, name) for pattern in alike)


def boot_settings(
    old: Mapping[str, str], wanted: Forwarding, now: Mapping[str, Optional[str]], engine_is_kept: bool
) -> Dict[str, str]:
    """What our file shall say, given what it says and the host's own values now.

    engine_is_kept: whether the engine is kept from turning forwarding on. What it turned on of the other family has to come
    back at boot without it; what is off there is not ours to keep off. Off for one interface is said beside what is on for the
    host for a similar reason: whoever turns forwarding on for the host after the boot, as Docker does, turns it on for every
    interface.
    """
    found = dict(old)
    if wanted.interfaces:
        recorded = [family for family, on in wanted.families.items() if not on]
    else:
        recorded = [family for family in FAMILIES if engine_is_kept and family not in wanted.families]
    for family in recorded:
        for name in _EVERY[family]:
            if now.get(name) == "1":
                found.setdefault(name, "1")
    found.update(wanted.settings())
    return found


def without(old: Mapping[str, str], families: List[int], interfaces: Tuple[str, ...]) -> Dict[str, str]:
    """What our file says when these are taken out of it; no interfaces stand for everything about the families."""
    gone = [name for family in families for name in _names(family, interfaces)]
    if not interfaces:
        prefixes = tuple(_ONE[family].partition("%s")[0] for family in families)
        gone += [name for name in old if name.startswith(prefixes)]
    return {name: value for name, value in old.items() if name not in gone}


def said_again(boot: Mapping[str, str], told: Mapping[str, str]) -> Dict[str, str]:
    """What our file says about single interfaces of the families whose host-wide setting is being told."""
    found = {}
    for family in FAMILIES:
        if any(name in told for name in _EVERY[family]):
            prefix = _ONE[family].partition("%s")[0]
            found.update({name: boot[name] for name in boot if name.startswith(prefix) and not is_for_host(name)})
    return found


def for_all(family: int) -> str:
    """The setting that is an order to all interfaces."""
    return _EVERY[family][0]


def forwards_all_the_same(system: System, boot: Mapping[str, str], off: Iterable[int]) -> Dict[str, str]:
    """Single interfaces that somebody let forward a family that is off for the host, and what they are to be told.

    The kernel goes by the interface that a packet comes in by. boot: our files; what they say of an interface holds.
    """
    found = {}
    for family in off:
        for name in _conf_folders(family):
            setting = _ONE[family] % name
            if setting not in boot and (system.read("%s/%s" % (PROC_SYS, setting)) or "").strip() == "1":
                found[setting] = "0"
    return found


def _conf_folders(family: int) -> List[str]:
    """Interfaces, and ``default`` for those to come."""
    try:
        names = os.listdir("%s/%s" % (PROC_SYS, _ONE[family].partition("/%s")[0]))
    except OSError:
        return []
    return sorted(name for name in names if name != "all")


def values_in_reach(system: System, told: Iterable[str]) -> Dict[str, str]:
    """What everything is now that telling the kernel these settings can change, by name: what holds for the host is an order to all
    interfaces, and for IPv4 to the host itself about redirects."""
    names = list(told)
    for family in FAMILIES:
        if any(name in _EVERY[family] for name in names):
            names += [*_EVERY[family], *_ALONG[family], *(_ONE[family] % name for name in _conf_folders(family))]
    now = {name: sysctl.value_now(system, name) for name in names}
    return {name: value for name, value in now.items() if value is not None}


def host_settings() -> List[str]:
    """The names of all host-wide settings."""
    return [name for family in FAMILIES for name in _EVERY[family]]


def loses_advertisements(system: System, wanted: Forwarding, proc: str = "/proc") -> List[str]:
    """Interfaces whose default route comes by router advertisements that the kernel ignores once it forwards IPv6."""
    if wanted.families.get(IPV6) is not True:
        return []
    names = set()
    for line in (system.read(proc + "/net/ipv6_route") or "").splitlines():
        fields = line.split()
        if len(fields) == 10 and fields[0] == _ANYWHERE and fields[1] == "00" and int(fields[8], 16) & _BY_ADVERTISEMENT:
            names.add(fields[9])
    about = [name for name in sorted(names) if not wanted.interfaces or name in wanted.interfaces]
    return [name for name in about if (system.read("%s/sys/net/ipv6/conf/%s/accept_ra" % (proc, name)) or "").strip() != "2"]
