# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Kernel settings, now and at boot. A setting's name is its file below /proc/sys: ``net/ipv4/conf/eth0.100/forwarding``.

Names have slashes because interface names may have dots. systemd and procps both read such names in sysctl.d.
"""

from __future__ import annotations

import glob
import os
from typing import Dict, Iterable, List, Mapping, Optional

from ...errors import DrawbridgeError
from ..system.system import System

PROC_SYS = "/proc/sys"
# procps or a firewall's own service reads these files after ours.
LATER = ("/etc/sysctl.conf", "/etc/ufw/sysctl.conf")
# Two names for the same setting.
_ALIASES = {"net/ipv4/conf/all/forwarding": "net/ipv4/ip_forward"}
_HEAD = "# Kept by the Ansible collection drawbridge.docker; what is changed by hand here is overwritten.\n"


def value_now(system: System, name: str, root: str = PROC_SYS) -> Optional[str]:
    """Return the kernel's value, None if the kernel does not have the setting."""
    text = system.read(os.path.join(root, name))
    return None if text is None else text.strip()


def set_now(name: str, value: str, root: str = PROC_SYS) -> None:
    """Set the kernel's value. Raises DrawbridgeError if that fails."""
    try:
        with open(os.path.join(root, name), "w", encoding="ascii") as stream:
            stream.write(value + "\n")
    except OSError as error:
        raise DrawbridgeError("cannot set %s to %s: %s" % (name, value, error.strerror)) from None


def read_boot(system: System, path: str) -> Dict[str, str]:
    """Return the settings in one of our files, none if the file is missing."""
    return parse(system.read(path) or "")


def parse(text: str) -> Dict[str, str]:
    """Parse lines of sysctl.d, with dots or slashes. Other lines are skipped."""
    found = {}
    for line in text.splitlines():
        name, equals, value = line.strip().lstrip("-").partition("=")
        name = name.strip()
        if not equals or name.startswith(("#", ";")):
            continue
        dot, slash = name.find("."), name.find("/")
        if dot >= 0 and (slash < 0 or dot < slash):
            name = name.translate(str.maketrans("./", "/."))
        found[name] = value.strip()
    return found


def render(settings: Mapping[str, str]) -> str:
    """Return the text of our file. Settings for all interfaces come first: the kernel applies them to every interface."""
    return _HEAD + "".join("%s = %s\n" % (name, settings[name]) for name in sorted(settings, key=place))


def place(name: str) -> List[object]:
    """Return the sort key of a setting. Settings for all interfaces come first."""
    folder = name.split("/conf/")[-1].split("/")[0]
    return ["/conf/" in name, {"all": 0, "default": 1}.get(folder, 2), name]


def write_boot(system: System, path: str, settings: Mapping[str, str]) -> None:
    """Write these settings to our file, or remove the file if there are none."""
    if settings:
        system.write(path, render(settings).encode("ascii"))
    else:
        system.remove(path)


def same_setting(one: str, other: str) -> bool:
    """Tell whether two names are for the same setting."""
    return _ALIASES.get(one, one) == _ALIASES.get(other, other)


def contradictions(system: System, path: str, settings: Mapping[str, str]) -> List[str]:
    """Return contradicting lines of files that are read after ours at boot, as ``FILE: NAME = VALUE``."""
    folder, own = os.path.split(path)
    after = [other for other in sorted(glob.glob(os.path.join(folder, "*.conf"))) if os.path.basename(other) > own]
    found = []
    for other in [*after, *LATER]:
        if os.path.realpath(other) in [os.path.realpath(seen) for seen in after if seen != other]:
            continue
        for name, value in parse(system.read(other) or "").items():
            if settings.get(_ALIASES.get(name, name), value) != value:
                found.append("%s: %s = %s" % (other, name, value))
    return found


def differing(system: System, settings: Mapping[str, str], root: str = PROC_SYS) -> Dict[str, Optional[str]]:
    """Return the settings that the kernel has with another value, with that value. None if the kernel does not have the setting."""
    now = {name: value_now(system, name, root) for name in settings}
    return {name: value for name, value in now.items() if value != settings[name]}


def missing(found: Mapping[str, Optional[str]]) -> Iterable[str]:
    """Return the settings that the kernel does not have."""
    return [name for name, value in found.items() if value is None]
