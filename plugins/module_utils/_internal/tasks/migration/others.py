# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The rules of other firewalls on a host: which they are, and the host as it is without them. Pure.

Taken away is all that judges packets and is neither the engine's nor ours. What only translates addresses stays: other software needs it.
"""

from __future__ import annotations

import json
import re
from typing import Dict, FrozenSet, Iterable, Iterator, List, NamedTuple, Set, Tuple

from ...address import FAMILIES, IPV4, IPV6
from ...engine.daemon.nftables_backend import NAME as ENGINES_TABLE
from ...host.system.json_values import JsonObject, mapping, objects, text
from ...netfilter.kernel.iptables import NFT
from ...netfilter.rules.matches import InterfaceMatch
from ...netfilter.rules.ownership import OUR_TABLES, is_ours
from ...netfilter.rules.saved_rule import parse as parse_rule
from ...netfilter.rules.saved_ruleset import SavedChain, Table, parse, target_of
from ...netfilter.verdict.snapshot.nft_tables import read_tables
from ...netfilter.verdict.snapshot.planned import restored
from ...netfilter.verdict.snapshot.texts import Snapshot, save_name

_USER = "DOCKER-USER"
_ENGINES = re.compile(r"DOCKER(-[A-Z0-9-]+)?")
_FIREWALLD = "firewalld"
_FIREWALLD_CHAINS = ("INPUT_ZONES", "INPUT_direct", "FORWARD_IN_ZONES")


class Line(NamedTuple):
    """A rule of another firewall. ruleset: the snapshot's name of its text. rule: iptables' text, or nftables' statements as JSON."""

    ruleset: str
    table: str
    chain: str
    number: int
    rule: str

    @property
    def place(self) -> str:
        return "%s %s %s, rule %d" % (self.ruleset, self.table, self.chain, self.number)


class Others(NamedTuple):
    """names: the firewalls that were found. lines: their rules. policies: built-in chains that drop, by their places."""

    names: List[str]
    lines: List[Line]
    policies: List[str]

    def are_in(self, rulesets: Iterable[str]) -> bool:
        """Whether any is in one of these rulesets of iptables, or in nftables."""
        names = ("nftables", *rulesets)
        return any(line.ruleset in names for line in self.lines) or any(place.partition(" ")[0] in names for place in self.policies)


def is_engines(chain: str) -> bool:
    """Whether a chain of iptables is the engine's alone."""
    return _ENGINES.fullmatch(chain) is not None and chain != _USER and not is_ours(chain)


def found_in(snapshot: Snapshot, bridges: Iterable[str]) -> Others:
    """Return the rules of others. bridges: of the engine's networks."""
    known = frozenset(bridges)
    lines: List[Line] = []
    policies: List[str] = []
    for name in _rulesets(snapshot):
        for table, chains in parse(snapshot.text(name) or "").tables.items():
            if table == "nat":
                continue
            for chain, saved in _entered(chains).items():
                lines += [Line(name, table, chain, place, rule) for place, rule in enumerate(saved.rules, 1) if not _stays(table, chain, saved, rule, known)]
                if saved.policy == "DROP" and chain != "FORWARD":
                    policies.append("%s %s %s: policy DROP" % (name, table, chain))
    saved_chains = _chains(snapshot)
    for nft in read_tables(_nftables(snapshot)):
        theirs = [chain for chain in nft.chains if _is_others(nft.family, nft.name, chain, saved_chains)]
        if any(base.kind == "filter" and base.name in theirs for base in nft.bases):
            lines += [Line("nftables", str(nft), chain, rule.number, json.dumps(rule.statements)) for chain in theirs for rule in nft.chains[chain]]
    return Others(list(_names(lines)), lines, policies)


def without(snapshot: Snapshot, bridges: Iterable[str]) -> Snapshot:
    """Return the host without the rules of others. Built-in chains then accept, as after ``ufw disable``."""
    known = frozenset(bridges)
    texts: Dict[str, str] = dict(snapshot.texts)
    for name in _rulesets(snapshot):
        texts[name] = restored(texts[name], "".join(_changes(texts[name], known)))
    if "nftables" in texts:
        texts["nftables"] = json.dumps({"nftables": list(_kept(_nftables(snapshot), _chains(snapshot)))})
    return Snapshot(texts)


def with_rates_in_doubt(snapshot: Snapshot) -> Snapshot:
    """Return the host with limits that may be reached or not: a verdict that depends on one is then unknown. Else they are taken for not reached."""
    texts: Dict[str, str] = dict(snapshot.texts)
    for name in _rulesets(snapshot):
        for known, unknown in _RATES:
            texts[name] = texts[name].replace(known, unknown)
    if "nftables" in texts:
        texts["nftables"] = json.dumps({"nftables": [_in_doubt(item) for item in _nftables(snapshot)]})
    return Snapshot(texts)


# A comment that has these words in it is a comment still.
_RATES = (
    (" -m limit --limit ", " -m rate --limit "), (" --hashlimit-upto ", " --rate-upto "), (" --hashlimit-above ", " --rate-above "),
    (" --connlimit-upto ", " --rate-upto "), (" --connlimit-above ", " --rate-above "),
)


def _in_doubt(item: JsonObject) -> JsonObject:
    rule = mapping(item.get("rule"))
    if not rule:
        return item
    statements = [{"quota": statement["limit"]} if "limit" in statement else statement for statement in objects(rule.get("expr"))]
    return {"rule": dict(rule, expr=statements)}


def _rulesets(snapshot: Snapshot) -> List[str]:
    return [name for family in FAMILIES for name in snapshot.save_names(family)]


def _nftables(snapshot: Snapshot) -> List[JsonObject]:
    return snapshot.objects("nftables")


def _changes(saved_text: str, bridges: FrozenSet[str]) -> Iterator[str]:
    """Yield the lines of iptables-restore that take the rules away."""
    for table, chains in parse(saved_text).tables.items():
        if table == "nat":
            continue
        yield "*%s\n" % table
        for chain, saved in chains.items():
            if saved.is_builtin or chain == _USER:
                yield ":%s %s [0:0]\n" % (chain, "ACCEPT" if saved.is_builtin else "-")
                for rule in saved.rules:
                    if _stays(table, chain, saved, rule, bridges):
                        yield "-A %s %s\n" % (chain, rule)
            elif not is_engines(chain) and not is_ours(chain):
                yield "-X %s\n" % chain
        yield "COMMIT\n"


def _stays(table: str, chain: str, saved: SavedChain, rule: str, bridges: FrozenSet[str]) -> bool:
    """Whether a rule is the engine's or ours. The engine's own ends DOCKER-USER."""
    if is_engines(chain) or is_ours(chain):
        return True
    target = target_of(rule) or ""
    if chain == _USER:
        return is_ours(target) or rule == "-j RETURN"
    if not saved.is_builtin:
        return False
    return is_ours(target) or is_engines(target) or target == _USER or _is_engines_rule(table, chain, target, rule, bridges)


def _is_engines_rule(table: str, chain: str, target: str, rule: str, bridges: FrozenSet[str]) -> bool:
    """Whether the engine wrote a rule into a chain that others use, too: it names one of its bridges."""
    if (table, chain) not in (("filter", "FORWARD"), ("raw", "PREROUTING")) or target not in ("ACCEPT", "DROP"):
        return False
    if table == "raw" and rule.startswith("-d 127.") and " ! -i lo " in rule:
        return True
    return any(isinstance(match, InterfaceMatch) and match.name in bridges for match in parse_rule(rule).matches)


def _entered(chains: Table) -> Table:
    """Return the chains that packets can come to: ufw leaves some behind that nothing leads to."""
    found = {name: saved for name, saved in chains.items() if saved.is_builtin}
    waiting = list(found.values())
    while waiting:
        for rule in waiting.pop().rules:
            target = target_of(rule) or ""
            if target in chains and target not in found:
                found[target] = chains[target]
                waiting.append(chains[target])
    return found


def _chains(snapshot: Snapshot) -> Set[Tuple[str, str, str]]:
    """Return iptables' chains as nftables calls them: family, table and chain. Others may add chains to its tables."""
    found: Set[Tuple[str, str, str]] = set()
    for family, name in ((IPV4, "ip"), (IPV6, "ip6")):
        for table, chains in parse(snapshot.text(save_name(NFT, family)) or "").tables.items():
            found.update((name, table, chain) for chain in chains)
    return found


def _is_others(family: str, table: str, chain: str, saved: Set[Tuple[str, str, str]]) -> bool:
    """Whether a chain of nftables is neither ours, nor the engine's, nor iptables' own."""
    return not (table.startswith(OUR_TABLES) or table == ENGINES_TABLE or (family, table, chain) in saved)


def _kept(found: List[JsonObject], saved: Set[Tuple[str, str, str]]) -> Iterator[JsonObject]:
    """Yield nftables' objects without the base chains of others that judge packets. Without these nothing leads to their rules."""
    gone: Set[Tuple[str, str, str]] = set()
    for item in found:
        chain = mapping(item.get("chain"))
        family, table, name = text(chain.get("family")), text(chain.get("table")), text(chain.get("name"))
        if text(chain.get("hook")) and _is_others(family, table, name, saved) and (text(chain.get("type")) == "filter" or table == _FIREWALLD):
            gone.add((family, table, name))
    for item in found:
        chain, rule = mapping(item.get("chain")), mapping(item.get("rule"))
        inner = chain or rule
        if (text(inner.get("family")), text(inner.get("table")), text(chain.get("name")) or text(rule.get("chain"))) not in gone:
            yield item


def _names(lines: List[Line]) -> Iterator[str]:
    """Yield the names of the firewalls whose rules these are. What nobody is known to write is by hand, or of other software."""
    chains = {line.chain for line in lines}
    in_user = [line.rule for line in lines if line.chain == _USER]
    is_ufw = any(chain.startswith(("ufw-", "ufw6-")) for chain in chains)
    is_ufw_docker = any(target_of(rule) in ("ufw-user-forward", "ufw6-user-forward") for rule in in_user)
    if is_ufw:
        yield "ufw"
    if is_ufw_docker:
        yield "ufw-docker"
    if any(line.table == "inet " + _FIREWALLD for line in lines) or chains.intersection(_FIREWALLD_CHAINS):
        yield "firewalld"
    if in_user and not is_ufw_docker:
        yield _USER
    if any(_is_nobodys(line) for line in lines):
        yield "others"


def _is_nobodys(line: Line) -> bool:
    known = ("ufw-", "ufw6-")
    if line.chain == _USER or line.chain.startswith(known) or line.table == "inet " + _FIREWALLD:
        return False
    return not (line.ruleset != "nftables" and (target_of(line.rule) or "").startswith(known))
