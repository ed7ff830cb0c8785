# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Which distribution runs on a host, from its os-release file."""

from __future__ import annotations

import re
import shlex
from typing import Dict, NamedTuple, Optional

from ..system.system import System

# The first one that exists counts (os-release(5)).
_FILES = "/etc/os-release", "/usr/lib/os-release"
_MAJOR = re.compile(r"\d+")

DEBIAN = "debian"
FEDORA = "fedora"
RHEL = "rhel"
AMAZON = "amazon"
SUSE = "suse"
ALPINE = "alpine"
ARCH = "arch"

# By ID: these would be taken for a relative that names its packages differently, or have no ID_LIKE.
_OF_ID = {
    "debian": DEBIAN, "ubuntu": DEBIAN, "raspbian": DEBIAN,
    "fedora": FEDORA,
    "rhel": RHEL, "centos": RHEL, "rocky": RHEL, "almalinux": RHEL, "ol": RHEL,
    "amzn": AMAZON,
    "sles": SUSE, "sled": SUSE, "opensuse-leap": SUSE, "opensuse-tumbleweed": SUSE,
    "alpine": ALPINE, "arch": ARCH,
}  # fmt: skip
# By ID_LIKE, whose words go from the nearest relative to the farthest.
_OF_LIKE = {"debian": DEBIAN, "ubuntu": DEBIAN, "rhel": RHEL, "centos": RHEL, "fedora": FEDORA, "suse": SUSE, "opensuse": SUSE, "arch": ARCH, "alpine": ALPINE}


class Distribution(NamedTuple):
    """name: for messages. family: None if its packages' names are not known here. major: 0 if there is no version (rolling releases)."""

    name: str
    family: Optional[str]
    major: int = 0


def read_distribution(system: System) -> Distribution:
    """Return the host's distribution."""
    text = next((found for found in map(system.read, _FILES) if found is not None), None)
    return Distribution("without an os-release file", None) if text is None else parse_distribution(text)


def parse_distribution(text: str) -> Distribution:
    """Parse the text of an os-release file."""
    values = _values(text)
    known = [_OF_ID.get(values.get("ID", "")), *map(_OF_LIKE.get, values.get("ID_LIKE", "").split())]
    major = _MAJOR.match(values.get("VERSION_ID", ""))
    name = values.get("PRETTY_NAME") or values.get("NAME") or values.get("ID") or "without a name"
    return Distribution(ascii(name[:80])[1:-1], next((family for family in known if family is not None), None), int(major.group()[:6]) if major else 0)


def _values(text: str) -> Dict[str, str]:
    """Return the assignments. Values are quoted as in a shell."""
    found = {}
    for line in text.splitlines():
        name, equals, value = line.strip().partition("=")
        try:
            words = shlex.split(value) if equals and not name.startswith("#") else []
        except ValueError:
            continue
        if words:
            found[name] = words[0]
    return found
