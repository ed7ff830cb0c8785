# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""IP forwarding as kernel settings. Pure, except that it reads the kernel's files.

Another value for net/ipv4/ip_forward, or any write to net/ipv6/conf/all/forwarding, sets every interface. So settings for
single interfaces have to be written again after it.
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
# The kernel sets these too when ``_EVERY`` is set.
_ALONG = {IPV4: ("net/ipv4/conf/all/accept_redirects",), IPV6: ()}
# In /proc/net/ipv6_route: a default route, learned from a router advertisement.
_ANYWHERE = "0" * 32
_BY_ADVERTISEMENT = 0x00040000


class Forwarding(NamedTuple):
    """families: on or off, by family; a missing family is left as it is.
    interfaces: names; none stands for the whole host."""

    families: Dict[int, bool]
    interfaces: Tuple[str, ...] = ()

    @property
    def turns_host_off(self) -> bool:
        return not self.interfaces and False in self.families.values()

    def settings(self) -> Dict[str, str]:
        """Return the settings by name, in the order in which to write them."""
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
    """Whether a setting is about a single interface and one of the families; ``default`` stands for future interfaces."""
    alike = [re.escape(_ONE[family]).replace("%s", "(?!all/).+") for family in families]
    return not is_for_host(name) and any(re.fullmatch(pattern, name) for pattern in alike)


def boot_settings(
    old: Mapping[str, str], wanted: Forwarding, now: Mapping[str, Optional[str]], engine_is_kept: bool
) -> Dict[str, str]:
    """Return our file's new settings, from its old ones and the host's own values now.

    engine_is_kept: whether the engine is kept from turning forwarding on. Then the file also turns the other family on at boot, if it is
    on now: the engine no longer does. A family that is off is not ours to keep off. If one interface is off, the file also turns on what is
    on for the host. Otherwise Docker, for example, turns it on for the host after the boot, and with it for every interface.
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
    """Return our file's settings without these. No interfaces stand for everything about the families."""
    gone = [name for family in families for name in _names(family, interfaces)]
    if not interfaces:
        prefixes = tuple(_ONE[family].partition("%s")[0] for family in families)
        gone += [name for name in old if name.startswith(prefixes)]
    return {name: value for name, value in old.items() if name not in gone}


def said_again(boot: Mapping[str, str], told: Mapping[str, str]) -> Dict[str, str]:
    """Return our file's settings for single interfaces, for families whose host-wide setting is being written."""
    found = {}
    for family in FAMILIES:
        if any(name in told for name in _EVERY[family]):
            prefix = _ONE[family].partition("%s")[0]
            found.update({name: boot[name] for name in boot if name.startswith(prefix) and not is_for_host(name)})
    return found


def for_all(family: int) -> str:
    """Return the setting that sets all interfaces."""
    return _EVERY[family][0]


def forwards_all_the_same(system: System, boot: Mapping[str, str], off: Iterable[int]) -> Dict[str, str]:
    """Return new settings for single interfaces that still forward a family that is off for the host.

    The kernel goes by a packet's incoming interface. boot: our files' settings; an interface that has one there is left alone.
    """
    found = {}
    for family in off:
        for name in _conf_folders(family):
            setting = _ONE[family] % name
            if setting not in boot and (system.read("%s/%s" % (PROC_SYS, setting)) or "").strip() == "1":
                found[setting] = "0"
    return found


def _conf_folders(family: int) -> List[str]:
    """Return the interfaces, and ``default`` for future ones."""
    try:
        names = os.listdir("%s/%s" % (PROC_SYS, _ONE[family].partition("/%s")[0]))
    except OSError:
        return []
    return sorted(name for name in names if name != "all")


def values_in_reach(system: System, told: Iterable[str]) -> Dict[str, str]:
    """Return the current values, by name, of everything that writing these settings can change. A host-wide setting sets all interfaces;
    for IPv4 it also sets the host's redirects."""
    names = list(told)
    for family in FAMILIES:
        if any(name in _EVERY[family] for name in names):
            names += [*_EVERY[family], *_ALONG[family], *(_ONE[family] % name for name in _conf_folders(family))]
    now = {name: sysctl.value_now(system, name) for name in names}
    return {name: value for name, value in now.items() if value is not None}


def host_settings() -> List[str]:
    """Return the names of all host-wide settings."""
    return [name for family in FAMILIES for name in _EVERY[family]]


def loses_advertisements(system: System, wanted: Forwarding, proc: str = "/proc") -> List[str]:
    """Return interfaces whose default route comes from router advertisements that the kernel ignores once it forwards IPv6."""
    if wanted.families.get(IPV6) is not True:
        return []
    names = set()
    for line in (system.read(proc + "/net/ipv6_route") or "").splitlines():
        fields = line.split()
        if len(fields) == 10 and fields[0] == _ANYWHERE and fields[1] == "00" and int(fields[8], 16) & _BY_ADVERTISEMENT:
            names.add(fields[9])
    about = [name for name in sorted(names) if not wanted.interfaces or name in wanted.interfaces]
    return [name for name in about if (system.read("%s/sys/net/ipv6/conf/%s/accept_ra" % (proc, name)) or "").strip() != "2"]
