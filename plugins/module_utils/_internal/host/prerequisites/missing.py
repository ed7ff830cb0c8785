# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Find out what a host lacks of what Drawbridge uses. Nothing is run and nothing is changed: a host that has everything costs some stat calls."""

from __future__ import annotations

import os
from typing import Collection, Iterable, List, NamedTuple, Optional

from ...errors import DrawbridgeError
from ..boot.unit import has_systemd
from ..system.system import System
from .distribution import Distribution, read_distribution
from .needs import COMMANDS, COMMANDS_IPV6, MODULES, MODULES_LEGACY, MODULES_NFT, SYSTEMD, Need
from .packages import package_of, package_of_modules

COMMAND = "command"
MODULE = "kernel module"
INIT = "init system"


class Missing(NamedTuple):
    """Something that the host lacks.

    kind: COMMAND, MODULE or INIT. needed_by: the parts that use it, in words. is_needed: whether these fail without it; otherwise they do less.
    package: the distribution's package with it, None if there is none or it is not known. instead: what to do then.
    """

    name: str
    kind: str
    needed_by: str
    is_needed: bool
    package: Optional[str]
    instead: str = ""


class Prerequisites(NamedTuple):
    """What a host lacks; empty on a host that has everything. distribution: None then, as nobody looked."""

    missing: List[Missing]
    distribution: Optional[Distribution] = None

    @property
    def packages(self) -> List[str]:
        """The packages that bring all of it, as far as packages do."""
        return _packages(self.missing)

    @property
    def needed(self) -> List[Missing]:
        """What the parts that were asked about fail without."""
        return [item for item in self.missing if item.is_needed]

    @property
    def needed_packages(self) -> List[str]:
        """The packages that bring what is needed."""
        return _packages(self.needed)

    def refuse(self) -> None:
        """Raises DrawbridgeError if something needed is missing, with what to do about it."""
        if self.needed:
            kinds = {item.kind: [other.name for other in self.needed if other.kind == item.kind] for item in self.needed}
            words = ["%s%s %s" % (kind, "s" if len(names) > 1 else "", ", ".join(names)) for kind, names in kinds.items()]
            raise DrawbridgeError("missing on this host: %s" % "; ".join(words), None, "; ".join(_remedies(self.needed)))


def look(system: System, parts: Collection[str]) -> Prerequisites:
    """Return what the host lacks for these parts (needs.POLICY, BOOT_RESTORE, EVENT_SERVICE)."""
    commands = [need for need in _used(parts, _commands(system)) if system.which(need.name) is None]
    modules = _absent_modules(system, _used(parts, _modules(system)))
    init = [] if has_systemd(system) else _used(parts, [SYSTEMD])
    if not commands and not modules and not init:
        return Prerequisites([])
    distribution = read_distribution(system)
    found = [_missing_command(distribution, need) for need in commands] + [_missing_module(distribution, need) for need in modules]
    return Prerequisites(found + [_missing_init(need) for need in init], distribution)


def look_for_modules(system: System, needs: List[Need]) -> Prerequisites:
    """Return which of these modules of the kernel the host lacks."""
    modules = _absent_modules(system, needs)
    if not modules:
        return Prerequisites([])
    distribution = read_distribution(system)
    return Prerequisites([_missing_module(distribution, need) for need in modules], distribution)


def _used(parts: Collection[str], needs: Iterable[Need]) -> List[Need]:
    return [need for need in needs if any(part in parts for part in need.parts)]


def _commands(system: System) -> List[Need]:
    return COMMANDS + (COMMANDS_IPV6 if system.read("/proc/net/if_inet6") is not None else [])


def _modules(system: System) -> List[Need]:
    iptables = system.which("iptables")
    program = "" if iptables is None else os.path.basename(os.path.realpath(iptables))
    return MODULES + (MODULES_NFT if "nft" in program else MODULES_LEGACY if "legacy" in program else [])


def _absent_modules(system: System, needs: List[Need]) -> List[Need]:
    """Return the modules that are neither loaded, nor built in, nor on the disk. None if the host does not tell, as in a container."""
    loaded = {line.partition(" ")[0] for line in (system.read("/proc/modules") or "").splitlines()}
    absent = [need for need in needs if need.name not in loaded]
    for name in ("modules.builtin", "modules.dep"):
        text = system.read("/lib/modules/%s/%s" % (os.uname().release, name)) if absent else ""
        if text is None:
            return []
        absent = [need for need in absent if "/%s.ko" % need.name not in text]
    return absent


def _missing_command(distribution: Distribution, need: Need) -> Missing:
    package = package_of(distribution, need.source)
    instead = "" if package is not None else "install the packages that have these commands: this distribution (%s) is not known here" % distribution.name
    return Missing(need.name, COMMAND, need.by, need.is_needed, package, instead)


def _missing_module(distribution: Distribution, need: Need) -> Missing:
    release = os.uname().release
    package = package_of_modules(distribution, release)
    instead = "" if package is not None else "install the rest of the modules of the running kernel %s, or boot the distribution's usual kernel" % release
    return Missing(need.name, MODULE, need.by, need.is_needed, package, instead)


def _missing_init(need: Need) -> Missing:
    return Missing(need.name, INIT, need.by, need.is_needed, None, "this host was not booted by systemd: leave %s out here" % need.by)


def _packages(missing: Iterable[Missing]) -> List[str]:
    return sorted({item.package for item in missing if item.package is not None})


def _remedies(missing: List[Missing]) -> List[str]:
    packages = _packages(missing)
    found = ["install %s" % ", ".join(packages)] if packages else []
    return found + list(dict.fromkeys(item.instead for item in missing if item.package is None))
