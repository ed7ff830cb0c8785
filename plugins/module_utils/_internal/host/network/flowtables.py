# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""nftables flowtables. Open flows in a flowtable bypass all rules."""

from __future__ import annotations

import re
from typing import List

from ..system.system import System

_TABLE = re.compile(r"^table (\S+ \S+) \{\n(.*?)^\}", re.MULTILINE | re.DOTALL)
_FLOWTABLE = re.compile(r"^\tflowtable (\S+) \{\n(.*?)^\t\}", re.MULTILINE | re.DOTALL)
_DEVICES = re.compile(r"\bdevices = \{ ([^}]*) \}")


def flowtables(system: System) -> List[str]:
    """Return this host's flowtables, as ``inet filter fast: br0, eth0``. Empty if nft is not installed or fails."""
    program = system.which("nft")
    output = None if program is None else system.run([program, "list", "flowtables"])
    return parse_flowtables(output.stdout) if output is not None and output.rc == 0 else []


def parse_flowtables(text: str) -> List[str]:
    """Parse the output of ``nft list flowtables``."""
    return [
        "%s %s: %s" % (table, name, ", ".join(_DEVICES.findall(body)) or "no device")
        for table, content in _TABLE.findall(text)
        for name, body in _FLOWTABLE.findall(content)
    ]
