# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Set IP forwarding in the kernel and at boot, and keep the engine from turning it on again."""

from __future__ import annotations

import glob
import os
from typing import Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from ..address import IPV4, IPV6
from ..engine.api.answers import NFTABLES
from ..engine.daemon import forwarding
from ..engine.daemon.backend import Backends, backends
from ..engine.daemon.forwarding import KEY, Kept
from ..host.boot import sysctl
from ..host.boot.sysctl_at_boot import value_at_boot
from ..host.system.system import System
from . import leftovers
from .forwarding import (
    Forwarding,
    boot_settings,
    for_all,
    forwards_all_the_same,
    host_settings,
    is_for_host,
    is_for_one,
    loses_advertisements,
    said_again,
    values_in_reach,
    without,
)

# After 99-sysctl.conf, which some distributions link to /etc/sysctl.conf.
BOOT_FILE = "/etc/sysctl.d/99-zz-drawbridge.conf"
_OWNERS = (BOOT_FILE, leftovers.BOOT_FILE)


class ForwardingChange(NamedTuple):
    """before, after: kernel settings that change, by name. boot_before, boot_after: our file's settings."""

    before: Dict[str, str]
    after: Dict[str, str]
    boot_before: Dict[str, str]
    boot_after: Dict[str, str]
    kept: Kept
    warnings: List[str]

    @property
    def changed(self) -> bool:
        return bool(self.after) or self.boot_before != self.boot_after or self.kept.changed


class Host(NamedTuple):
    """The host, for forwarding. daemon_config: set, require or ignore. boot_file: our file of one owner."""

    system: System
    daemon_config: str
    check_mode: bool
    boot_file: str = BOOT_FILE


def keep(host: Host, wanted: Sequence[Forwarding], boot_old: Optional[Mapping[str, str]] = None) -> ForwardingChange:
    """Bring the host to ``wanted``.

    boot_old: the settings that stay in our file; None for all of them. Raises DrawbridgeError; if the reason is the engine's
    configuration, before anything is changed.
    """
    system = host.system
    said = sysctl.read_boot(system, host.boot_file)
    now = {name: sysctl.value_now(system, name) for name in host_settings()}
    kept = Kept(None, [])
    if any(item.turns_host_off for item in wanted):
        kept = forwarding.keep_off(system, host.daemon_config, host.check_mode)
    boot = dict(said if boot_old is None else boot_old)
    settings: Dict[str, str] = {}
    for item in wanted:
        settings.update(item.settings())
    for item in wanted:
        boot = {**boot_settings(boot, item, now, kept.configured is not None), **settings}
    off = sorted({family for item in wanted if item.turns_host_off for family, on in item.families.items() if not on})
    ours = _of_both_owners(host, boot)
    # If the host forwards now, turning it off sets all interfaces.
    strays = forwards_all_the_same(system, ours, [family for family in off if now[for_all(family)] == "0"])
    before, told, missing = _changes(system, {**settings, **strays}, boot)
    warnings = kept.warnings + missing + _warnings(system, wanted, boot, told) + _turned_on_at_boot(host, off, ours)
    warnings += ["%s overrides this at boot, or when somebody runs sysctl --system" % line for line in sysctl.contradictions(system, host.boot_file, boot)]
    if not host.check_mode:
        if boot != said:
            sysctl.write_boot(system, host.boot_file, boot)
        system.remember(values_in_reach(system, told))
        for name, value in told.items():
            sysctl.set_now(name, value)
    changed = {name: value for name, value in told.items() if before[name] != value}
    return ForwardingChange({name: before[name] for name in changed}, changed, said, boot, kept, warnings)


def _beside(host: Host, name: str) -> str:
    return os.path.join(os.path.dirname(host.boot_file), os.path.basename(name))


def _of_both_owners(host: Host, boot: Mapping[str, str]) -> Dict[str, str]:
    """Return the settings of our files, a task's and a policy's."""
    said = dict(boot)
    for owner in _OWNERS:
        said.update(sysctl.read_boot(host.system, _beside(host, owner)))
    return said


def _turned_on_at_boot(host: Host, off: Sequence[int], ours: Mapping[str, str]) -> List[str]:
    """Return warnings about others' files that let an interface forward although the host does not. At boot the kernel forwards nothing yet,
    so "off" for the host does not turn interfaces off."""
    found = []
    for path in sorted(glob.glob(_beside(host, "*.conf"))):
        if path not in [host.boot_file, *(_beside(host, owner) for owner in _OWNERS)]:
            lines = sysctl.read_boot(host.system, path).items()
            found += ["%s: %s = %s" % (path, *line) for line in lines if line[1] == "1" and line[0] not in ours and is_for_one(line[0], off)]
    return ["%s lets that interface forward from boot on, until this is run again" % line for line in found]


def _changes(
    system: System, settings: Mapping[str, str], boot: Mapping[str, str]
) -> Tuple[Dict[str, str], Dict[str, str], List[str]]:
    """Return the kernel's values now, the values to write, in order, and warnings about settings that it does not have."""
    differing = sysctl.differing(system, settings)
    told = {name: settings[name] for name in settings if differing.get(name) is not None}
    before = {name: value for name, value in differing.items() if value is not None}
    for name, value in said_again(boot, told).items():
        held = sysctl.value_now(system, name)
        if held is not None:
            before[name] = held
            told.pop(name, None)
            told[name] = value
    return before, told, [_lacks(name) for name in sysctl.missing(differing)]


def _lacks(name: str) -> str:
    if is_for_host(name):
        return "the kernel has no %s: it was started without that protocol" % name
    return "the kernel has no %s now: it is set when the interface comes up" % name


def leave(host: Host, families: List[int], interfaces: List[str]) -> ForwardingChange:
    """Remove the forwarding settings from our boot file. The kernel's values stay as they are."""
    said = sysctl.read_boot(host.system, host.boot_file)
    boot = without(said, families, tuple(interfaces))
    kept = Kept(None, [])
    if not interfaces and not any(boot.get(name) == "0" for name in host_settings()):
        kept = forwarding.leave_to_engine(host.system, host.daemon_config, host.check_mode)
    if boot != said and not host.check_mode:
        sysctl.write_boot(host.system, host.boot_file, boot)
    return ForwardingChange({}, {}, said, boot, kept, kept.warnings + _nobody_forwards(host, said, boot, kept))


def _nobody_forwards(host: Host, said: Mapping[str, str], boot: Mapping[str, str], kept: Kept) -> List[str]:
    """Return a warning if only the removed settings turned forwarding on, and the engine does not do so itself."""
    name = for_all(IPV4)
    leaves = said.get(name) == "1" != boot.get(name) or kept.changed
    if not leaves or not _demands_forwarding(backends(host.system), kept):
        return []
    others = [_beside(host, owner) for owner in _OWNERS if _beside(host, owner) != host.boot_file]
    if boot.get(name) == "1" or value_at_boot(host.system, name, others, [host.boot_file]) == "1":
        return []
    return [
        "nothing turns IPv4 forwarding on at boot any more, and the engine has the nftables backend: at the next boot it does not start and loses its"
        " networks, unless another service of this host turns forwarding on before it"
    ]


def _demands_forwarding(engine: Backends, kept: Kept) -> bool:
    """Whether the engine demands forwarding. Its key may have been removed just now, or would be."""
    taken_out = kept.configured is not None and KEY not in kept.configured.after
    return engine.demands_forwarding or (engine.coming == NFTABLES and taken_out)


def _warnings(system: System, wanted: Sequence[Forwarding], boot: Mapping[str, str], told: Mapping[str, str]) -> List[str]:
    """Return warnings about other effects. Only the run that causes them tells them."""
    found = []
    off = {family for item in wanted if item.turns_host_off for family, on in item.families.items() if not on}
    if told and IPV4 in off:
        found.append(
            "with IPv4 forwarding off containers reach no other host, other hosts and VMs behind this one reach nobody through it,"
            " and ports published over IPv4 are not reached from outside; docker-proxy (IPv6 on IPv4-only networks) and"
            " connections of the host itself go on"
        )
        engine = backends(system)
        if engine.nftables is not None:
            found.append("%s: no container starts while IPv4 forwarding is off" % engine.nftables)
    if told and IPV6 in off:
        found.append("with IPv6 forwarding off, nothing is forwarded from and to IPv6 networks of Docker")
    for name in sorted({name for item in wanted for name in loses_advertisements(system, item)}):
        found.append(
            "%s has its IPv6 default route from router advertisements, which the kernel ignores while it forwards IPv6:"
            " set net.ipv6.conf.%s.accept_ra to 2" % (name, name)
        )
    # The nftables backend never sets the policy of FORWARD.
    if told and any(boot.get(name) == "1" for name in host_settings()) and backends(system).coming != NFTABLES:
        found.append(
            "Docker sets the policy of FORWARD to DROP only when it turns forwarding on itself, which it will not do after"
            " the next boot: keep the policy by forward_policy"
        )
    return found


def texts(done: ForwardingChange) -> Dict[str, str]:
    """Return Ansible's diff: the kernel's settings, then our file's."""
    sides = []
    for kernel, boot in ((done.before, done.boot_before), (done.after, done.boot_after)):
        lines = ["%s = %s" % item for item in kernel.items()]
        if done.boot_before != done.boot_after:
            lines += ["at boot: %s = %s" % item for item in sorted(boot.items())]
        sides.append("".join(line + "\n" for line in lines))
    return {"before_header": "IP forwarding", "after_header": "IP forwarding", "before": sides[0], "after": sides[1]}
