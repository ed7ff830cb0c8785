# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The table that closes the engine's own sockets: what docker-proxy listens on, known to the policy or not.

The kernel tells whose socket a packet is for, by the cgroup that the socket was made in. Ahead of iptables' mangle table such packets get a
mark, there the policy takes it off those that it lets pass (policy/chains/late_ports.py), and behind it whatever still has the mark is dropped. So
who takes iptables' rules away closes, and opens nothing.

The id of a cgroup is a new one at each start of the unit. It stands in a set, which is no part of the table's text: it is filled by whoever
loads the table, and by the engine's unit before its first process (persistence/install.py). The unit's cgroup is told by a comment.
"""

from __future__ import annotations

import re
from typing import List, Optional

from ...errors import DrawbridgeError
from ...host.system import cgroup
from ...host.system.netns import NamespaceUnavailable, in_new_netns
from ...netfilter.kernel.nft_table import Nft, spoken, table_text
from ...netfilter.rules.desired import INET, TableKey

NAME = "drawbridge-engine"
KEY: TableKey = (INET, NAME)
SET = "engine"
# Asked and not answered. Seen by nobody but iptables' mangle INPUT: a packet with it is answered there, or dropped right behind.
MARK = 0x20000000
# Around mangle (-150), which both variants of iptables register at.
_AHEAD, _BEHIND = -151, -149
# In the path of a unit's cgroup; what else could be in one (systemd escapes by a backslash) is not taken.
_UNIT = re.compile(r"(?:[A-Za-z0-9_.@:-]+/)*[A-Za-z0-9_.@:-]*docker[A-Za-z0-9_.@:-]*\.service")
# nft's longest comment, and the deepest cgroup that the kernel matches.
_MAX_PATH, _MAX_LEVEL = 127, 255
_COMMENT = re.compile(r'drop comment "([^"]+)"')


def is_usable(path: Optional[str]) -> bool:
    """Whether a cgroup is that of a unit of Docker's, whose sockets are all the engine's. One that was started by hand is in somebody's session."""
    if path is None or len(path) > _MAX_PATH or _UNIT.fullmatch(path) is None:
        return False
    return path.count("/") < _MAX_LEVEL


def body(path: str) -> List[str]:
    """The table's lines. Spelt as nft prints them, which saves a look at how it would.

    Every new connection is asked about, whatever connection tracking takes it for; of UDP whatever is not a reply.
    """
    ours = "socket cgroupv2 level %d @%s" % (path.count("/") + 1, SET)
    ask = "%s meta mark set meta mark | 0x%08x" % (ours, MARK)
    return [
        "set %s {" % SET,
        "\ttype cgroupsv2",
        "}",
        "",
        "chain ask {",
        "\ttype filter hook input priority %s; policy accept;" % _priority(_AHEAD),
        '\tiifname "lo" accept',
        "\ttcp flags & (fin | syn | rst | ack) == syn " + ask,
        "\tmeta l4proto udp ct direction reply accept",
        "\tmeta l4proto udp " + ask,
        "}",
        "",
        "chain close {",
        "\ttype filter hook input priority %s; policy accept;" % _priority(_BEHIND),
        '\tmeta mark & 0x%08x == 0x%08x %s drop comment "%s"' % (MARK, MARK, ours, path),
        "}",
    ]


def _priority(number: int) -> str:
    return "mangle %s 1" % ("-" if number < -150 else "+")


def path_in(text: Optional[str]) -> Optional[str]:
    """The unit's cgroup that a table's text names."""
    found = _COMMENT.search(text or "")
    return found.group(1) if found else None


def is_possible(nft: Nft, path: str) -> bool:
    """Whether kernel and nft take the table, tried where it harms nobody: both came to know it at some time (5.13, 0.9.9)."""
    if not nft.is_installed or not cgroup.tells_sockets():
        return False
    try:
        in_new_netns(lambda: nft.load(table_text(KEY, body(path))))
    except (DrawbridgeError, NamespaceUnavailable):
        return False
    return True


def is_filled(nft: Nft, path: str) -> bool:
    """Whether the set has the unit's cgroup; a unit that does not run has none."""
    named = cgroup.as_nft_names(path)
    return named is None or nft.has_element(KEY, SET, '"%s"' % named)


def fill(nft: Nft, path: str) -> None:
    """Have the set hold the unit's cgroup, as it is now. Raises DrawbridgeError."""
    named = cgroup.as_nft_names(path)
    if named is not None:
        table = spoken(KEY)
        nft.load('flush set {0} {1}\nadd element {0} {1} {{ "{2}" }}\n'.format(table, SET, named))
