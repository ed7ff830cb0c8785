# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Netfilter in memory: iptables, ipset and nft as commands that keep what they are given, word for word."""

from __future__ import annotations

import re
from collections import Counter
from typing import Dict, List, NamedTuple, Optional, Tuple

Chains = Dict[str, "Chain"]
BUILT_IN = {
    "raw": ("PREROUTING", "OUTPUT"),
    "mangle": ("PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"),
    "nat": ("PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"),
    "filter": ("INPUT", "FORWARD", "OUTPUT"),
}
FAMILY = {"iptables": 4, "ip6tables": 6}
_VERDICTS = frozenset("ACCEPT DROP REJECT RETURN LOG MARK DNAT SNAT MASQUERADE REDIRECT CONNMARK CT NOTRACK TCPMSS NFLOG".split())
_RULE = re.compile(r"(?:\[\d+:\d+\] )?-([AID]) (\S+) (.*)")
_JUMP = re.compile(r"(?:^| )-[jg] (\S+)")
_SET = re.compile(r"--match-set (\S+) ")
_COUNTER = re.compile(r" packets \d+ bytes \d+")
_TABLE = re.compile(r"^table (\S+ \S+) \{\n.*?^\}\n", re.MULTILINE | re.DOTALL)


class Refused(Exception):
    """What the kernel does not take, in words."""


class Said(NamedTuple):
    """What a command printed, and its exit code."""

    out: str = ""
    rc: int = 0
    err: str = ""


class Chain(NamedTuple):
    """policy: ``-`` for chains that are not built in."""

    policy: str
    rules: List[str]


class Set(NamedTuple):
    """An ipset: the words behind its name in ``create``, and its entries."""

    kind: str
    entries: Dict[str, None]


class Kernel:
    """Netfilter of one network namespace."""

    def __init__(self) -> None:
        self.rules: Dict[int, Dict[str, Chains]] = {4: {}, 6: {}}
        self.sets: Dict[str, Set] = {}
        self.tables: Dict[str, str] = {}
        self.elements: Dict[str, List[str]] = {}

    def run(self, argv: List[str], stdin: str) -> Said:
        """Run a command. argv: without the program's folder. Raises Refused for what no test should come to."""
        found = re.fullmatch(r"(ip6?tables)(?:-(?:nft|legacy))?-(save|restore)", argv[0])
        try:
            if found and found.group(2) == "save":
                return Said(self.saved(FAMILY[found.group(1)], "-c" in argv))
            if found:
                self.restore(FAMILY[found.group(1)], stdin, "--test" in argv)
                return Said()
            if argv[0] == "ipset":
                return self._ipset(argv[1:], stdin)
            if argv[0] == "nft":
                return self._nft(argv[1:], stdin)
        except Refused as error:
            return Said(rc=1, err="%s\n" % error)
        raise AssertionError("no such command here: %s" % " ".join(argv))

    def saved(self, family: int, counters: bool = False) -> str:
        """As iptables-save prints a family."""
        lines = []
        for table, chains in self.rules[family].items():
            lines.append("*" + table)
            lines += [":%s %s [0:0]" % (name, chain.policy) for name, chain in chains.items()]
            head = "[0:0] " if counters else ""
            lines += ["%s-A %s %s" % (head, name, rule) for name, chain in chains.items() for rule in chain.rules]
            lines.append("COMMIT")
        return "".join(line + "\n" for line in lines)

    def restore(self, family: int, text: str, is_test: bool = False) -> None:
        """As iptables-restore --noflush does: each table at once, or not at all. Raises Refused."""
        for block in re.findall(r"^\*(\S+)\n(.*?)^COMMIT$", text, re.MULTILINE | re.DOTALL):
            chains = self._committed(family, *block)
            if not is_test:
                self.rules[family][block[0]] = chains

    def _committed(self, family: int, table: str, body: str) -> Chains:
        held = self.rules[family].get(table) or {name: Chain("ACCEPT", []) for name in BUILT_IN[table]}
        chains = {name: Chain(chain.policy, list(chain.rules)) for name, chain in held.items()}
        for line in body.splitlines():
            _command(chains, line)
        for name, chain in chains.items():
            for rule in chain.rules:
                target = _JUMP.search(rule)
                if target and target.group(1) not in chains and target.group(1) not in _VERDICTS:
                    raise Refused("%s %s: no chain or target %s" % (table, name, target.group(1)))
                missing = [known for known in _SET.findall(rule) if known not in self.sets]
                if missing:
                    raise Refused("%s %s: no set %s" % (table, name, missing[0]))
        return chains

    def _named(self) -> Counter[str]:
        every = (chain for tables in self.rules.values() for chains in tables.values() for chain in chains.values())
        return Counter(name for chain in every for rule in chain.rules for name in _SET.findall(rule))

    def _ipset(self, words: List[str], stdin: str) -> Said:
        named = self._named()
        if words == ["list", "-t"]:
            return Said("\n".join(self._header(name, named[name]) for name in self.sets))
        if words == ["-"]:
            asked = [line.split()[1] for line in stdin.splitlines()]
            return Said("".join("ipset> %s" % self._listed(name, named[name]) for name in asked) + "ipset> ")
        if words[0] == "test":
            return Said(rc=0 if words[1] in self.sets and words[2] in self.sets[words[1]].entries else 1)
        if words in (["-exist", "restore"], ["restore"]):
            for number, line in enumerate(stdin.splitlines(), 1):
                try:
                    self._set_command(line.split(" "))
                except Refused as error:
                    raise Refused("ipset: Error in line %d: %s" % (number, error)) from None
            return Said()
        raise AssertionError("no such command here: ipset %s" % " ".join(words))

    def _listed(self, name: str, references: int) -> str:
        return self._header(name, references) + "Members:\n" + "".join(entry + "\n" for entry in self.sets[name].entries)

    def _header(self, name: str, references: int) -> str:
        kind, _space, options = self.sets[name].kind.partition(" ")
        return "Name: %s\nType: %s\nHeader: %s\nReferences: %d\nNumber of entries: %d\n" % (
            name, kind, options, references, len(self.sets[name].entries))

    def _set_command(self, words: List[str]) -> None:
        verb, name = words[:2]
        if verb == "create":
            self.sets.setdefault(name, Set(" ".join(words[2:]), {}))
            return
        if name not in self.sets:
            if verb != "destroy":
                raise Refused("The set with the given name does not exist")
        elif verb == "add":
            self.sets[name].entries[" ".join(words[2:])] = None
        elif verb == "del":
            self.sets[name].entries.pop(" ".join(words[2:]), None)
        elif verb == "swap":
            self.sets[name], self.sets[words[2]] = self.sets[words[2]], self.sets[name]
        elif verb == "destroy":
            if name in self._named():
                raise Refused("Set cannot be destroyed: it is in use by a kernel component")
            del self.sets[name]
        else:
            raise AssertionError("no such command here: ipset %s" % verb)

    def _nft(self, words: List[str], stdin: str) -> Said:
        words = [word for word in words if word not in ("--stateless", "--terse")]
        if words == ["list", "tables"]:
            return Said("".join("table %s\n" % name for name in self.tables))
        name = " ".join(words[2:4])
        if words[:2] == ["list", "table"]:
            return Said(self.tables[name]) if name in self.tables else Said(rc=1, err="No such file or directory")
        if words[:2] == ["get", "element"]:
            return Said(rc=0 if words[5] in self.elements.get(name, []) else 1)
        if words == ["-f", "-"]:
            self.load(stdin)
            return Said()
        if words in (["-c", "-f", "-"], ["-i"]):
            return Said()
        raise AssertionError("no such command here: nft %s" % " ".join(words))

    def load(self, text: str) -> None:
        """As ``nft -f`` does."""
        for name in [found.group(1) for found in _TABLE.finditer(text)]:
            self.tables.pop(name, None)
        for found in _TABLE.finditer(text):
            self.tables[found.group(1)] = _COUNTER.sub("", found.group())
        text = _TABLE.sub(lambda found: "made %s\n" % found.group(1), text)
        made = re.findall(r"^made (.*)$", text, re.MULTILINE)
        for line in text.splitlines():
            verb, kind, *rest = line.split(" ")
            name = " ".join(rest[:2])
            if (verb, kind) in (("delete", "table"), ("destroy", "table")) and name not in made:
                self.tables.pop(name, None)
                self.elements.pop(name, None)
            elif (verb, kind) == ("add", "element"):
                self.elements.setdefault(name, []).append(line[line.index("{"):])
            elif verb != "made" and (verb, kind) not in (("add", "table"), ("delete", "table"), ("flush", "set")):
                raise AssertionError("no such command here: nft %s" % line)


def _command(chains: Chains, line: str) -> None:
    """One line of iptables-restore's input."""
    found = _RULE.fullmatch(line)
    if line.startswith(":"):
        name, policy = line[1:].split(" ")[:2]
        # A chain that is declared is emptied, unless it is built in.
        chains[name] = Chain(policy, [] if policy == "-" else chains[name].rules if name in chains else [])
    elif line.startswith("-X "):
        name = line[3:]
        if name not in chains or chains[name].rules:
            raise Refused("cannot remove the chain %s" % name)
        del chains[name]
    elif line.startswith("-F "):
        chains[line[3:]].rules.clear()
    elif found is None:
        raise AssertionError("not a line of iptables-restore's input: %s" % line)
    else:
        _rule_command(chains, *found.groups())


def _rule_command(chains: Chains, letter: str, name: str, rule: str) -> None:
    if name not in chains:
        raise Refused("no chain %s" % name)
    rules = chains[name].rules
    place: Optional[Tuple[str, str]] = None
    numbered = re.fullmatch(r"(\d+)(?: (.*))?", rule)
    if numbered:
        place = (numbered.group(1), numbered.group(2) or "")
    if letter == "A":
        rules.append(rule)
    elif letter == "I":
        number, text = place or ("1", rule)
        if int(number) > len(rules) + 1:
            raise Refused("RULE_INSERT failed (Invalid argument): rule in chain %s" % name)
        rules.insert(int(number) - 1, text)
    elif rule in rules:
        rules.remove(rule)
    else:
        raise Refused("Bad rule (does a matching rule exist in that chain?): -D %s %s" % (name, rule))
