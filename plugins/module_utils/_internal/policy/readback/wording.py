# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Words for rules: their targets and the other ends. Pure."""

from __future__ import annotations

from typing import Dict, FrozenSet, List, Mapping, Optional, Sequence, Tuple

from ...address import FAMILIES
from ..language.values import ANY, ICMP, Ports, Target
from .rules_to_policy import Who, expanded, is_list

# A longer list is shown as its length and its set's name: a different list has a different name.
_SHOWN_ADDRESSES = 8
# A set's entries, by the name that its generations share.
Lists = Mapping[str, FrozenSet[str]]
HEADER = "who reaches what"


def as_diff(before: List[str], after: List[str]) -> Optional[Dict[str, str]]:
    """Return Ansible's diff of two lists of lines; None if they are the same."""
    if before == after:
        return None
    texts = ["".join(line + "\n" for line in lines) for lines in (before, after)]
    return {"before_header": HEADER, "after_header": HEADER, "before": texts[0], "after": texts[1]}


class Wording:
    """lists: at least the lists that the rules name."""

    def __init__(self, lists: Lists) -> None:
        self._short = {name: entries for name, entries in lists.items() if len(entries) <= _SHOWN_ADDRESSES}
        self._sizes = {name: len(entries) for name, entries in lists.items()}

    def each(self, ends: Who, anything: str) -> List[str]:
        """Return a text for each end. anything: the word for ``any``."""
        return [self._one(end, anything) for end in expanded(ends, self._short)]

    def _one(self, end: str, anything: str) -> str:
        if end == ANY:
            return anything
        return "%d addresses in %s" % (self._sizes.get(end, 0), end) if is_list(end) else end


def merged(by_family: Mapping[int, Sequence[str]]) -> List[str]:
    """Return both families' texts as one list. A text that only one family has gets the family's name, unless an address at its end tells it."""
    found: List[str] = []
    for text in dict.fromkeys(text for texts in by_family.values() for text in texts):
        having = [family for family in FAMILIES if text in by_family.get(family, ())]
        alone = len(having) < len(by_family) and not _is_address(text.rpartition(" ")[2])
        found.append("%s by IPv%d" % (text, having[0]) if alone else text)
    return found


def _is_address(word: str) -> bool:
    return ":" in word or (word[0].isdigit() and "." in word)


def target_text(target: Target) -> str:
    """``8000-8010/udp at 192.0.2.7``"""
    at = "" if target.address is None else " at %s" % target.address.address
    if target.protocol == ICMP:
        return "ping" + at
    ports = "" if target.ports is None else str(target.ports).replace(":", "-") + "/"
    return ports + target.protocol + at


def in_order(target: Target) -> Tuple[int, int, str, str]:
    """Return a sort key: ports first."""
    ports = target.ports or Ports(0, 0)
    return ports.first, ports.last, target.protocol, target_text(target)
