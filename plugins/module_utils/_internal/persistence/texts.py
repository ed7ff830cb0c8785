# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Turn the kernel's live state into the texts that restore it. Pure.

The texts hold everything of Drawbridge, whichever module wrote it: chains, jumps from foreign chains, sets, nftables tables. They also hold
the foreign objects that these need in an empty kernel: chains that they are entered from or jump to, and sets that they name.
"""

from __future__ import annotations

import hashlib
from typing import Collection, Dict, FrozenSet, Iterable, List, NamedTuple, Optional

from ..netfilter.kernel import ipset
from ..netfilter.kernel.ipset import LiveSet
from ..netfilter.kernel.netfilter import Live
from ..netfilter.rules.ownership import called, is_our_set, is_ours, scratch_set
from ..netfilter.rules.saved_rule import set_names
from ..netfilter.rules.saved_ruleset import Ruleset, Table, target_of
from ..policy.values.named_containers import followed
from .fallback import fallback_text, hold_text

NAMES = frozenset(("variant", "ssh", "sets", "tables", "hold", "ipv4", "ipv6", "fallback4", "fallback6"))
# The only foreign chain that in turn needs a jump from a built-in chain.
_ENTERED = {"DOCKER-USER": "-I FORWARD 1 -j DOCKER-USER"}


class Generation(NamedTuple):
    """One saved state. files: the texts in a generation's folder, by name, without the digest."""

    files: Dict[str, str]

    @property
    def digest(self) -> str:
        """The sha256 of every file, in sha256sum's format."""
        return "".join("%s  %s\n" % (sha256(text), name) for name, text in sorted(self.files.items()))

    @property
    def name(self) -> str:
        """The folder's name: the same for the same content."""
        return sha256(self.digest)[:16]


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def generation(variant: str, live: Live, ssh_ports: Iterable[int], without: Collection[str] = ()) -> Generation:
    """Return the live state as a generation.

    live: rules of each family, sets with entries for those that ``needed_sets`` returns, our nftables tables.
    without: sets that are about to be destroyed.
    """
    ports = [str(port) for port in ssh_ports]
    files = {"variant": variant + "\n", "ssh": ",".join(ports) + "\n"}
    files["sets"] = sets_text({name: live.sets[name] for name in needed_sets(live) if name not in without})
    files["tables"] = "".join(text for _key, text in sorted(live.tables.items()) if text is not None)
    files["hold"] = hold_text(live.rulesets.values(), live.sets, ports)
    for family in (4, 6):
        ruleset = live.rulesets.get(family, Ruleset())
        files["ipv%d" % family] = rules_text(ruleset)
        files["fallback%d" % family] = fallback_text(family, ruleset, live.sets, ports)
    return Generation(files)


def needed_sets(live: Live) -> List[str]:
    """Return our sets' names, and those of foreign sets in our rules."""
    named = {
        name
        for ruleset in live.rulesets.values()
        for table in ruleset.tables.values()
        for chain, saved in table.items()
        if is_ours(chain)
        for rule in saved.rules
        for name in set_names(rule)
    }
    return sorted(name for name in live.sets if is_our_set(name) or name in named)


def rules_text(ruleset: Ruleset) -> str:
    """Return iptables-restore input that creates our chains and jumps from nothing."""
    return "".join(_table_text(name, ruleset.tables[name]) for name in sorted(ruleset.tables))


def _table_text(name: str, table: Table) -> str:
    chains = sorted(chain for chain in table if is_ours(chain))
    jumps = {
        parent: [rule for rule in saved.rules if is_jump_of_ours(rule)] for parent, saved in table.items() if not is_ours(parent)
    }
    jumps = {parent: rules for parent, rules in sorted(jumps.items()) if rules}
    if not chains and not jumps:
        return ""
    needed = {target_of(rule) for chain in chains for rule in table[chain].rules} | set(jumps)
    others = sorted(chain for chain, saved in table.items() if chain in needed and not is_ours(chain) and not saved.is_builtin)
    lines = ["*" + name]
    lines.extend(":%s - [0:0]" % chain for chain in others + chains)
    lines.extend(_ENTERED[chain] for chain in others if chain in _ENTERED and chain in jumps)
    for parent, rules in jumps.items():
        lines.extend("-I %s %d %s" % (parent, place, rule) for place, rule in enumerate(rules, 1))
    for chain in chains:
        lines.extend("-A %s %s" % (chain, rule) for rule in table[chain].rules)
    return "\n".join(lines) + "\nCOMMIT\n"


def is_jump_of_ours(rule: str) -> bool:
    """Whether a rule of a foreign chain jumps to one of ours."""
    return ("DB" in rule or "DOCKER-FILTER" in rule) and is_ours(target_of(rule) or "")


def sets_text(sets: Dict[str, LiveSet]) -> str:
    """Return ipset restore input. Our sets are filled under a scratch name and swapped in, so that a set in use is never half full."""
    lines: List[str] = []
    for name, live in sorted(sets.items()):
        # Where containers are now is not true any more when the texts are loaded. What such sets hold is open.
        entries: FrozenSet[str] = frozenset() if followed(called(name)) is not None else live.entries or frozenset()
        lines.append(_create(name, live, len(entries)))
        filled = scratch_set(name) if is_our_set(name) else name
        if filled != name:
            lines.append(_create(filled, live, len(entries)))
        lines.extend("add %s %s" % (filled, entry) for entry in sorted(entries))
        if filled != name:
            lines.extend(["swap %s %s" % (filled, name), "destroy %s" % filled])
    return "".join(line + "\n" for line in lines)


def _create(name: str, live: LiveSet, size: int) -> str:
    family: Optional[int] = live.family
    if family is None:
        return " ".join(word for word in ("create", name, live.type.name, live.type.options) if word)
    return ipset.create_line(name, live.type, family, size)
