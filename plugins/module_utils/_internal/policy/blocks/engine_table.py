# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The nftables table that closes the engine's own sockets: the ports that docker-proxy listens on, known to the policy or not.

The kernel tells a socket's owner by the cgroup that the socket was made in. Ahead of iptables' mangle table, packets to the engine's
sockets get a mark. In mangle, the policy clears the mark of packets that it allows (policy/chains/late_ports.py). Behind mangle, packets
that still have the mark are dropped. So removing iptables' rules closes the ports, and opens nothing.

A cgroup gets a new id at each start of the unit. The id is in a set, which is not part of the table's text. The set is filled by the code that
loads the table, and by the engine's unit before its first process (persistence/install.py). A comment in the table names the unit's cgroup.
"""

from __future__ import annotations

import re
from typing import Dict, List, Optional

from ...errors import DrawbridgeError
from ...host.system import cgroup
from ...host.system.json_values import JsonObject
from ...host.system.netns import NamespaceUnavailable, in_new_netns
from ...netfilter.kernel.nft_table import Nft, spoken, table_text
from ...netfilter.rules.desired import INET, TableKey
from ...netfilter.rules.ownership import ENGINE_MARK, ENGINE_TABLE

NAME = ENGINE_TABLE
KEY: TableKey = (INET, NAME)
SET = "engine"
# Marks packets that are not allowed yet. Only iptables' mangle INPUT sees the mark: it is cleared there, or the packet is dropped right behind.
MARK = ENGINE_MARK
# Around mangle (-150), the priority of both iptables variants.
_AHEAD, _BEHIND = -151, -149
# The path of a unit's cgroup. Paths with other characters (systemd escapes with a backslash) are not accepted.
_UNIT = re.compile(r"(?:[A-Za-z0-9_.@:-]+/)*[A-Za-z0-9_.@:-]*docker[A-Za-z0-9_.@:-]*\.service")
# The length limit of nft's comments, and the deepest cgroup level that the kernel matches.
_MAX_PATH, _MAX_LEVEL = 127, 255
_COMMENT = re.compile(r'drop comment "([^"]+)"')


def is_usable(path: Optional[str]) -> bool:
    """Whether a cgroup is a Docker unit's, so that all its sockets are the engine's. An engine started by hand is in the cgroup of a login session."""
    if path is None or len(path) > _MAX_PATH or _UNIT.fullmatch(path) is None:
        return False
    return path.count("/") < _MAX_LEVEL


def body(path: str) -> List[str]:
    """Return the table's lines, spelt as nft prints them. This saves asking nft for its spelling.

    They mark every TCP packet that opens a connection, in any state of connection tracking, and every UDP packet that is no reply.
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


def as_json() -> List[JsonObject]:
    """Return the table as ``nft -j list ruleset`` prints it, with the engine's cgroup in its set."""
    place: JsonObject = {"family": "inet", "table": NAME}
    mark: JsonObject = {"meta": {"key": "mark"}}
    owner = _match({"socket": {"key": "cgroupv2"}}, "@" + SET)
    ask: JsonObject = {"mangle": {"key": mark, "value": {"|": [mark, MARK]}}}
    is_udp = _match({"meta": {"key": "l4proto"}}, "udp")
    opens = _match({"&": [{"payload": {"protocol": "tcp", "field": "flags"}}, ["fin", "syn", "rst", "ack"]]}, "syn")
    rules: Dict[str, List[List[JsonObject]]] = {
        "ask": [[_match({"meta": {"key": "iifname"}}, "lo"), {"accept": None}], [opens, owner, ask],
                [is_udp, _match({"ct": {"key": "direction"}}, "reply"), {"accept": None}], [is_udp, owner, ask]],
        "close": [[_match({"&": [mark, MARK]}, MARK), owner, {"drop": None}]],
    }  # fmt: skip
    found: List[JsonObject] = [{"table": {"family": "inet", "name": NAME}}, {"set": {**place, "name": SET, "type": "cgroupsv2", "elem": ["docker.service"]}}]
    for name, priority in (("ask", _AHEAD), ("close", _BEHIND)):
        found.append({"chain": {**place, "name": name, "type": "filter", "hook": "input", "prio": priority, "policy": "accept"}})
    return found + [{"rule": {**place, "chain": name, "expr": expression}} for name, each in rules.items() for expression in each]


def _match(left: JsonObject, right: object) -> JsonObject:
    return {"match": {"op": "==", "left": left, "right": right}}


def _priority(number: int) -> str:
    return "mangle %s 1" % ("-" if number < -150 else "+")


def path_in(text: Optional[str]) -> Optional[str]:
    """Return the unit's cgroup that a table's text names."""
    found = _COMMENT.search(text or "")
    return found.group(1) if found else None


def is_possible(nft: Nft, path: str) -> bool:
    """Whether kernel (from 5.13) and nft (from 0.9.9) take the table. Tried in a new network namespace, where it does no harm."""
    if not nft.is_installed or not cgroup.tells_sockets():
        return False
    try:
        in_new_netns(lambda: nft.load(table_text(KEY, body(path))))
    except (DrawbridgeError, NamespaceUnavailable):
        return False
    return True


def is_filled(nft: Nft, path: str) -> bool:
    """Whether the set has the unit's cgroup. True for a unit that does not run: it has no cgroup."""
    named = cgroup.as_nft_names(path)
    return named is None or nft.has_element(KEY, SET, '"%s"' % named)


def fill(nft: Nft, path: str) -> None:
    """Put the unit's current cgroup into the set. Raises DrawbridgeError."""
    named = cgroup.as_nft_names(path)
    if named is not None:
        table = spoken(KEY)
        nft.load('flush set {0} {1}\nadd element {0} {1} {{ "{2}" }}\n'.format(table, SET, named))
