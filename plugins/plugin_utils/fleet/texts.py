# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Texts for a terminal: what hosts told, and the names of many hosts."""

from __future__ import annotations

import re
from typing import List, Sequence, Tuple

# A shorter run is spelt out.
_SHORTEST_RUN = 3
# More names or runs are cut.
_MOST_PARTS = 4
_IN_FIRST_LABEL = re.compile(r"(?=.*[a-zA-Z])([^.]*?)([0-9]+)([^0-9.]*(?:[.].*)?)", re.DOTALL)
_LAST = re.compile(r"(.*?)([0-9]+)([^0-9]*)", re.DOTALL)


def printable(text: str) -> str:
    """Return a text without anything that a terminal obeys: control characters, escape sequences, changes of direction are spelt out."""
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode("ascii") for each in text)


def first_line(text: str, most: int = 400) -> str:
    """Return the first line of a text, printable and cut to a length."""
    shown = printable((text.splitlines() or [""])[0])
    return shown if len(shown) <= most else shown[:most - 1] + "…"


def how_many(count: int, what: str = "host") -> str:
    """``1 host``, ``5 hosts``"""
    return "%d %s%s" % (count, what, "" if count == 1 else "s")


def abbreviated(names: Sequence[str]) -> str:
    """``web1 … web49, web51 … web97, db1``. Names whose numbers follow each other become one run."""
    runs: List[List[str]] = []
    for name in sorted(names, key=_order):
        if runs and _follows(runs[-1][-1], name):
            runs[-1].append(name)
        else:
            runs.append([name])
    parts = [part for run in runs for part in ([[name] for name in run] if len(run) < _SHORTEST_RUN else [run])]
    said = ", ".join(printable(part[0] if len(part) == 1 else "%s … %s" % (part[0], part[-1])) for part in parts[:_MOST_PARTS])
    left = sum(map(len, parts[_MOST_PARTS:]))
    return "%s and %d more" % (said, left) if left else said


def _parts(name: str) -> Tuple[str, str, str]:
    """Return what stands before a name's number, the number, and the rest. It is the first label's last number, of an address the last one."""
    found = _IN_FIRST_LABEL.fullmatch(name) or _LAST.fullmatch(name)
    return (name, "", "") if found is None else (found.group(1), found.group(2), found.group(3))


def _order(name: str) -> Tuple[str, str, int, str]:
    head, number, end = _parts(name)
    return head, end, int(number or 0), name


def _follows(before: str, name: str) -> bool:
    (head, number, end), (next_head, next_number, next_end) = _parts(before), _parts(name)
    if not number or not next_number or (head, end) != (next_head, next_end) or int(number) + 1 != int(next_number):
        return False
    # web09, web10, but not web9, web010.
    return len(number) == len(next_number) or not (number.startswith("0") or next_number.startswith("0"))
