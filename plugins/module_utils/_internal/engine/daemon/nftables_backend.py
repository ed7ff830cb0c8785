# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Read the tables of an engine's nftables backend: ``ip docker-bridges`` and ``ip6 docker-bridges``. Only the parts in use here."""

from __future__ import annotations

import re
from typing import Dict, List, NamedTuple, Optional, Tuple

from ...address import IPV4, IPV6
from ...host.system.system import System

NAME = "docker-bridges"
_FAMILY = {IPV4: "ip", IPV6: "ip6"}
_CHAIN = r"^\tchain %s \{\n(.*?)^\t\}"
# If a network has trusted interfaces, they stand in braces together with its bridge.
_DIRECT = re.compile(
    r'^\t\tip6? daddr ([0-9A-Fa-f.:]+) iifname != (\{[^}]*\}|"[^"]+") (?:counter (?:packets \d+ bytes \d+ )?)?drop\b', re.MULTILINE
)
_QUOTED = re.compile(r'"([^"]+)"')
_DNAT = re.compile(r"^\t\t(?:.* )?(tcp|udp|sctp) dport (\d+) (?:.* )?dnat (?:ip6? )?to ", re.MULTILINE)


class BridgesTable(NamedTuple):
    """direct: packets to containers' own addresses are dropped. Pairs of an address and an interface that is exempt.

    dnated: protocols and ports of the host with DNAT.
    """

    direct: List[Tuple[str, str]]
    dnated: List[Tuple[str, int]]


def bridges_tables(system: System) -> Dict[int, BridgesTable]:
    """Return the engine's tables by family, none if there are none or nft is not installed."""
    program = system.which("nft")
    if program is None:
        return {}
    found = {}
    for family in _there(system, program):
        output = system.run([program, "--stateless", "list", "table", _FAMILY[family], NAME])
        if output.rc == 0:
            found[family] = parse_bridges_table(output.stdout)
    return found


def has_bridges_table(system: System) -> bool:
    """Tell whether an engine with the nftables backend made its tables here."""
    program = system.which("nft")
    return program is not None and bool(_there(system, program))


def _there(system: System, program: str) -> List[int]:
    listed = system.run([program, "list", "tables"]).stdout.splitlines()
    return [family for family, word in _FAMILY.items() if "table %s %s" % (word, NAME) in listed]


def parse_bridges_table(text: str) -> BridgesTable:
    """Parse the output of ``nft list table``."""
    translated = _chain(text, "nat-prerouting-and-output") or ""
    dropped = _DIRECT.findall(_chain(text, "raw-PREROUTING") or "")
    return BridgesTable(
        direct=[(address, name) for address, names in dropped for name in _QUOTED.findall(names)],
        dnated=[(protocol, int(port)) for protocol, port in _DNAT.findall(translated)],
    )


def _chain(text: str, name: str) -> Optional[str]:
    found = re.search(_CHAIN % re.escape(name), text, re.MULTILINE | re.DOTALL)
    return None if found is None else found.group(1)
