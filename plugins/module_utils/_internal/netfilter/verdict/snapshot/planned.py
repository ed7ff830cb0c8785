# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A snapshot as it will be after a plan: the plan's own input for iptables-restore and ipset is applied to its texts. Pure.

So a verdict can be had of rules before they are written, in check mode, too.
"""

from __future__ import annotations

import json
from typing import Dict, List, Tuple

from ....host.system.json_values import JsonObject, mapping, text
from ...kernel.iptables import NFT
from ...kernel.nft_table import TableChange, spoken
from ...reconcile.plan import Plan
from ...rules.saved_ruleset import SavedChain, Table, parse
from ...rules.timed_entries import is_timed
from .texts import Snapshot, save_name

_BUILT_IN = ("PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING")


def planned(snapshot: Snapshot, plan: Plan, variant: str = NFT, tables: str = "") -> Snapshot:
    """Return the snapshot after a plan. tables: how ``nft -j`` prints the plan's tables in nftables (``Nft.printed``). Without it, nothing is known of
    nftables after a plan that changes them."""
    texts: Dict[str, str] = dict(snapshot.texts)
    for family, part in plan.families.items():
        name = save_name(variant, family)
        texts[name] = restored(texts.get(name, ""), part.apply_text)
    texts["ipset"] = sets_restored(texts.get("ipset", ""), [*plan.before, *("destroy %s" % name for name in plan.unused)])
    changes = [change for change in plan.tables if change.is_needed]
    if changes and "nftables" in texts:
        texts.update(_with_tables(snapshot, changes, tables))
        if not tables:
            del texts["nftables"]
    return Snapshot(texts)


def _with_tables(snapshot: Snapshot, changes: List[TableChange], tables: str) -> Dict[str, str]:
    """The text of nftables with these tables as they will be. A set whose elements are not part of a table's text keeps them."""
    keys = {spoken(change.key) for change in changes}
    before = snapshot.objects("nftables")
    elements = {_name_of(item): mapping(item["set"]).get("elem") for item in before if "set" in item}
    after = [item for item in Snapshot({"nftables": tables}).objects("nftables") if _table_of(item) in keys]
    for item in after:
        found = mapping(item.get("set"))
        if found and "elem" not in found:
            # The engine's cgroup is put there right after the table.
            kept = elements.get(_name_of(item)) or (["docker.service"] if text(found.get("type")) == "cgroupsv2" else [])
            found["elem"] = kept
    return {"nftables": json.dumps({"nftables": [item for item in before if _table_of(item) not in keys] + after})}


def _table_of(item: JsonObject) -> str:
    """A table's family and name, of the table itself or of anything in it."""
    found = mapping(next(iter(item.values()), None))
    return "%s %s" % (text(found.get("family")), text(found.get("table")) or text(found.get("name")))


def _name_of(item: JsonObject) -> Tuple[str, str]:
    return _table_of(item), text(mapping(item.get("set")).get("name"))


def restored(saved: str, text: str) -> str:
    """Return iptables-save's text after ``iptables-restore --noflush`` of another text."""
    tables = parse(saved).tables
    table: Table = {}
    for line in text.splitlines():
        if line.startswith("*"):
            table = tables.setdefault(line[1:], {})
        elif line.startswith(":"):
            name, policy = line[1:].split(" ")[:2]
            table[name] = SavedChain(policy, [], [])
        elif line and line != "COMMIT":
            # Counters may stand ahead of a rule.
            _command(table, line.partition("] ")[2] if line.startswith("[") else line)
    return "".join("*%s\n%sCOMMIT\n" % (name, "".join(_table_lines(chains))) for name, chains in tables.items())


def _command(table: Table, line: str) -> None:
    verb, _space, rest = line.partition(" ")
    name, _space, rule = rest.partition(" ")
    if verb == "-X":
        table.pop(name, None)
        return
    # A table that is not there yet comes with its built-in chains.
    rules = (table.setdefault(name, SavedChain("ACCEPT", [], [])) if name in _BUILT_IN else table[name]).rules
    if verb == "-A":
        rules.append(rule)
    elif verb == "-D":
        rules.remove(rule)
    else:
        number, _space, rule = rule.partition(" ")
        rules.insert(int(number) - 1, rule)


def _table_lines(chains: Table) -> List[str]:
    heads = [":%s %s [0:0]\n" % (name, chain.policy) for name, chain in chains.items()]
    return heads + ["-A %s %s\n" % (name, rule) for name, chain in chains.items() for rule in chain.rules]


# A set: its line of creation, and its entries.
_Set = Tuple[str, Dict[str, None]]


def sets_restored(saved: str, lines: List[str]) -> str:
    """Return ipset save's text after ``ipset -exist restore`` of these lines."""
    sets: Dict[str, _Set] = {}
    for line in [*saved.split("\n"), *lines]:
        verb, _space, rest = line.partition(" ")
        name, _space, words = rest.partition(" ")
        if verb == "create":
            sets.setdefault(name, (words, {}))
        elif verb == "destroy":
            sets.pop(name, None)
        elif verb == "swap" and name in sets and words in sets:
            sets[name], sets[words] = sets[words], sets[name]
        elif name in sets:
            _change(sets[name], verb, words)
    return "".join("create %s %s\n%s" % (name, kind, "".join("add %s %s\n" % (name, entry) for entry in entries)) for name, (kind, entries) in sets.items())


def _change(held: _Set, verb: str, entry: str) -> None:
    kind, entries = held
    if is_timed(kind):
        # The lines of a plan spell times in another way than ipset does.
        entry = entry.partition(" ")[0]
    if verb == "flush":
        entries.clear()
    elif verb == "del":
        entries.pop(entry, None)
    elif verb == "add":
        entries[entry] = None
