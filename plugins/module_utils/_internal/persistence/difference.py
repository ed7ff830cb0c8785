# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Show the difference between two generations, for people. Pure."""

from __future__ import annotations

from typing import Dict, FrozenSet, List, Mapping

from ..address import FAMILIES
from ..netfilter.kernel.state import State, TableState
from ..netfilter.reconcile.diff import entry_lines, shown_rule
from ..netfilter.rules.ownership import any_generation, is_our_set

_PROGRAMS = {"ipv4": "iptables", "ipv6": "ip6tables"}


def difference(before: Mapping[str, str], after: Mapping[str, str]) -> Dict[str, str]:
    """Return Ansible's diff. before, after: the files of two generations, by name."""
    return {"before_header": "netfilter", "after_header": "netfilter", "before": _text(before, after), "after": _text(after, before)}


def states(files: Mapping[str, str]) -> Dict[int, State]:
    """Return, by family, our chains and jumps as a generation's rules create them."""
    return {family: _state(files.get("ipv%d" % family, "")) for family in FAMILIES}


def _state(text: str) -> State:
    found: State = {}
    table = ""
    for line in text.splitlines():
        command, _space, rest = line.partition(" ")
        if line.startswith("*"):
            table = line[1:]
            found[table] = TableState({}, {})
        elif command == "-I":
            parent, _place, rule = rest.split(" ", 2)
            found[table].jumps[parent] = found[table].jumps.get(parent, ()) + (rule,)
        elif command == "-A":
            chain, _space, rule = rest.partition(" ")
            found[table].chains[chain] = found[table].chains.get(chain, ()) + (rule,)
    return found


def _text(files: Mapping[str, str], others: Mapping[str, str]) -> str:
    lines: List[str] = []
    for name, program in _PROGRAMS.items():
        lines.append("# " + program)
        lines.extend(shown_rule(line) for line in files.get(name, "").splitlines())
    held, other = sets(files), sets(others)
    for name in sorted(held):
        same = other.get(name, frozenset())
        lines += ["create " + name, *entry_lines(name, held[name] - same, len(held[name] & same))]
    lines.extend(files.get("tables", "").splitlines())
    return "".join(line + "\n" for line in lines)


def sets(files: Mapping[str, str]) -> Dict[str, FrozenSet[str]]:
    """Return each set's entries, by the name that its generations share. (The files load them under scratch names.)"""
    found: Dict[str, FrozenSet[str]] = {}
    entries: List[str] = []
    for line in files.get("sets", "").splitlines():
        words = line.split(" ", 2)
        if words[0] == "create" and is_our_set(words[1]):
            found.setdefault(any_generation(words[1]), frozenset())
        elif words[0] == "add":
            entries.append(words[2])
        elif words[0] == "swap":
            found[any_generation(words[2])] = frozenset(entries)
            entries = []
    return found
