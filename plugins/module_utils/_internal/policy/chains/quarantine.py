# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Cut one container off: the chains inside its network namespace, and the host's table for its bridge ports. Pure functions.

Neighbours on a bridge are not seen by the host's iptables, so rules stand inside the namespace. A container with NET_ADMIN could remove those, and one
with NET_RAW sends past them. Neither can change what the host drops at the container's ports.
"""

from __future__ import annotations

import re
from typing import Iterable

from ...address import IPV4
from ...netfilter.rules.desired import Chain, DesiredState, Hook, Line

# Before connection tracking would make entries, and before NAT: in mangle, where both directions have a chain.
TABLE = "mangle"
INBOUND = "DB-QUARANTINE"
OUTBOUND = "DB-QUARANTINE-OUT"
_OWNED = [(TABLE, INBOUND), (TABLE, OUTBOUND)]
_PRIORITY = 10
_DROP = Line("-j DROP")
# The engine answers at this address of the loopback, and asks other name servers from the host: data would leave by names.
_RESOLVER = Line("-d 127.0.0.11/32 -j DROP", (IPV4,))

PORTS_TABLE = "drawbridge-quarantine"
PORTS_SET = "ports"
_PORT = re.compile(r"[A-Za-z0-9_.-]{1,15}")
_TEXT = """table bridge {table} {{
  set {set} {{
    type ifname
    elements = {{ {elements} }}
  }}
  chain from-containers {{
    type filter hook prerouting priority -310; policy accept;
    iifname @{set} counter drop
  }}
  chain to-containers {{
    type filter hook postrouting priority -310; policy accept;
    oifname @{set} counter drop
  }}
}}
"""


def cut_off() -> DesiredState:
    """Drop all that comes into a namespace or leaves it, for both families. What stays inside it passes."""
    return DesiredState(
        [
            Chain(TABLE, INBOUND, [Line("-i lo -j RETURN"), _DROP]),
            Chain(TABLE, OUTBOUND, [_RESOLVER, Line("-o lo -j RETURN"), _DROP]),
        ],
        [Hook(TABLE, "PREROUTING", INBOUND, _PRIORITY), Hook(TABLE, "OUTPUT", OUTBOUND, _PRIORITY)],
        _OWNED,
    )


def not_cut_off() -> DesiredState:
    """Remove both chains."""
    return DesiredState([], [], _OWNED)


def is_port(name: str) -> bool:
    """Whether a bridge port's name can be written into the table as it is. Those that engines make can."""
    return _PORT.fullmatch(name) is not None


def ports_text(ports: Iterable[str]) -> str:
    """Return ``nft -f`` input that replaces the table by one that drops everything at these ports, or removes it if there is none."""
    removed = "add table bridge {0}\ndelete table bridge {0}\n".format(PORTS_TABLE)
    elements = ", ".join('"%s"' % port for port in sorted(ports))
    return removed + (_TEXT.format(table=PORTS_TABLE, set=PORTS_SET, elements=elements) if elements else "")
