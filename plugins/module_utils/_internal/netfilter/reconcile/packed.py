# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Rules on the way from the controller to a host: the controller compiles them into one text, and the host checks it again."""

from __future__ import annotations

import re
from typing import List, Tuple

from ...address import BOTH, IPV4, IPV6
from ...errors import DrawbridgeError
from ..rules.canonical import COMMON, is_plain
from ..rules.desired import Line
from ..rules.rule_strings import written_rule
from ..rules.structured import compile_rules

_FAMILIES = {"4": (IPV4,), "6": (IPV6,), "46": BOTH}
# Families and index, then a common rule, or a rule to check. One search for all lines: a call costs as much as its match.
_PACKED = re.compile(r"^(?:(46|4|6) ([0-9]+) )?(?:(?P<common>%s)|(.*))$" % COMMON, re.MULTILINE)


def rule_lines(rules: object, families: Tuple[int, ...], path: str) -> List[Line]:
    """Return the user's list of rules, or the text that ``pack`` made from it, as lines. families: the families that the rules are used
    for. path: the user's name for the list. Raises DrawbridgeError if a rule fits none of the families."""
    lines = unpack(rules, path) if isinstance(rules, str) else compile_rules(rules, path)
    for line in lines if set(families) != set(BOTH) else ():
        if not set(families).intersection(line.families):
            raise DrawbridgeError("the rule is for IPv%d, which ip_version leaves out" % line.families[0], line.path)
    return lines


def pack(rules: object, path: str) -> str:
    """Compile rules into one text to send to the host. 1,000 dicts as arguments cost more time there than all the rest.

    path: the user's name for the list, for errors.
    """
    packed = []
    for line in compile_rules(rules, path):
        families = "".join(map(str, line.families))
        packed.append("%s %s %s" % (families, (line.path or path)[len(path) + 1:-1], line.text))
    return "\n".join(packed)


def unpack(text: str, path: str) -> List[Line]:
    """Return the lines of a text from ``pack``. This runs on the host, so it checks every line again."""
    lines = []
    for families, index, common, _protocol, other in _PACKED.findall(text) if text else ():
        place = "%s[%s]" % (path, index)
        if not families:
            raise DrawbridgeError("not packed rules", place)
        rule = common or (other if is_plain(other) else written_rule(other, place).text)
        lines.append(Line(rule, _FAMILIES[families], place, bool(common)))
    return lines
