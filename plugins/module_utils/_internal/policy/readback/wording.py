# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Words for rules: their targets and the other ends. Pure."""

from __future__ import annotations

from typing import Dict, FrozenSet, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from ...address import FAMILIES, quoted
from ..values.values import ANY, ICMP, Ports, Target
from .limit_words import unlimited
from .rules_to_policy import BY, UNTIL, Who, expanded, is_list

# A longer list is shown as its length and its set's name: a different list has a different name.
_SHOWN_ADDRESSES = 8
# A set's entries, by the name that its generations share.
Lists = Mapping[str, FrozenSet[str]]
HEADER = "who reaches what"


class Line(NamedTuple):
    """What is said about one subject at one moment. what: a port, a service, containers. who: the other ends. of: the containers that publish the
    port, as the engine names them. note: what the user wrote about it."""

    what: str
    who: str
    of: Tuple[str, ...] = ()
    note: str = ""

    def __str__(self) -> str:
        of = " (%s)" % ", ".join(map(quoted, self.of)) if self.of else ""
        return "%s%s: %s%s" % (self.what, of, self.who, self.note)


class Words(NamedTuple):
    """The lines about a change, before and after. ``--diff`` shows them as text, the result's ``changes`` those that differ as values."""

    before: Sequence[Line]
    after: Sequence[Line]

    def as_diff(self) -> Optional[Dict[str, str]]:
        """Return Ansible's diff; None if the lines are the same."""
        if self.before == self.after:
            return None
        texts = ["".join("%s\n" % (line,) for line in lines) for lines in self]
        return {"before_header": HEADER, "after_header": HEADER, "before": texts[0], "after": texts[1]}

    def as_changes(self) -> List[Dict[str, object]]:
        """Return a value for each subject of which something else is said. None: nothing is said about it at that moment."""
        was, will = ({(line.what, line.of): line.who for line in lines} for lines in self)
        return [
            {"what": what, "before": was.get((what, of)), "after": will.get((what, of)), **({"containers": list(of)} if of else {})}
            for what, of in {**will, **was} if was.get((what, of)) != will.get((what, of))
        ]


class Wording:
    """lists: at least the lists that the rules name."""

    def __init__(self, lists: Lists) -> None:
        self._short = {name: entries for name, entries in lists.items() if len(entries) <= _SHOWN_ADDRESSES}
        self._sizes = {name: len(entries) for name, entries in lists.items()}

    def each(self, ends: Who, anything: str) -> List[str]:
        """Return a text for each end. anything: the word for ``any``."""
        return [self._one(end, anything) for end in expanded(ends, self._short)]

    def _one(self, end: str, anything: str) -> str:
        name, space, behind = end.partition(" ")
        text = anything if name == ANY else "%d addresses in %s" % (self._sizes.get(name, 0), name) if is_list(name) else name
        return text + space + behind


def merged(by_family: Mapping[int, Sequence[str]]) -> List[str]:
    """Return both families' texts as one list. A text that only one family has gets the family's name, unless an address at its end tells it."""
    found: List[str] = []
    for text in dict.fromkeys(text for texts in by_family.values() for text in texts):
        having = [family for family in FAMILIES if text in by_family.get(family, ())]
        source = unlimited(text).partition(UNTIL)[0].partition(BY)[0]
        alone = len(having) < len(by_family) and not _is_address(source.rpartition(" ")[2])
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
