# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Routing rules: whether an address may be the host's by another table than the usual ones."""

from __future__ import annotations

import struct

from .netlink import DUMP, REQUEST, ask, attributes

_RTM_GETRULE = 34
# struct fib_rule_hdr; the table's number is in an attribute of its own, since it has more than a byte.
_HEAD = struct.Struct("=8BI")
_FRA_TABLE = 15
_DEFAULT, _MAIN, _LOCAL = 253, 254, 255


def has_rules_of_its_own() -> bool:
    """Whether a rule leads to a table of its own, of either family, as TPROXY and VRFs have them."""
    answers = ask(_RTM_GETRULE, REQUEST | DUMP, bytes(_HEAD.size))
    return any(_table(answer) not in (0, _DEFAULT, _MAIN, _LOCAL) for answer in answers)


def _table(answer: bytes) -> int:
    found = dict(attributes(answer[_HEAD.size:])).get(_FRA_TABLE)
    return struct.unpack("=I", found)[0] if found else answer[4]
