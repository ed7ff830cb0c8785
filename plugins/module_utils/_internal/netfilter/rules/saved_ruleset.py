# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Parse iptables-save's text into values, and render it again."""

from __future__ import annotations

from typing import Dict, Iterable, Iterator, List, Mapping, NamedTuple, Optional, Sequence

from ...errors import DrawbridgeError


class SavedChain(NamedTuple):
    """policy: a built-in chain's policy, ``-`` for others. rules: the texts after ``-A CHAIN``. counters: each rule's
    ``[packets:bytes]``, empty if they were not saved."""

    policy: str
    rules: List[str]
    counters: List[str]

    @property
    def is_builtin(self) -> bool:
        return self.policy != "-"


Table = Dict[str, SavedChain]


class Ruleset:
    """One family's tables, as iptables-save prints them."""

    def __init__(self, tables: Optional[Dict[str, Table]] = None) -> None:
        self.tables: Dict[str, Table] = {} if tables is None else tables

    def chain(self, table: str, name: str) -> Optional[SavedChain]:
        return self.tables.get(table, {}).get(name)

    def rules(self, table: str, name: str) -> List[str]:
        """Return a chain's rules; an empty list if the chain does not exist."""
        found = self.chain(table, name)
        return [] if found is None else found.rules


def parse(text: str) -> Ruleset:
    """Parse iptables-save's output, with or without ``-c``."""
    ruleset = Ruleset()
    table: Table = {}
    for line in _logical_lines(text):
        if line.startswith(("-A ", "[")):
            _add_rule(table, line)
        elif line.startswith(":"):
            name, policy = line[1:].split(" ")[:2]
            table[name] = SavedChain(policy, [], [])
        elif line.startswith("*"):
            table = ruleset.tables.setdefault(line[1:].strip(), {})
        elif line and not line.startswith("#") and line != "COMMIT":
            raise DrawbridgeError("iptables-save printed a line that is not understood: %s" % ascii(line[:120]))
    return ruleset


def parse_expecting(text: str, expected: Mapping[str, Mapping[str, Sequence[str]]]) -> Ruleset:
    """Parse iptables-save's output without ``-c``. expected: likely rules, by table and chain. A chain that has exactly these rules is not
    parsed line by line."""
    found = []
    for table, chains in expected.items():
        for name, rules in chains.items():
            rest = _without(text, table, name, rules)
            if rest is not None:
                text = rest
                found.append((table, name, rules))
    ruleset = parse(text)
    for table, name, rules in found:
        ruleset.tables[table][name].rules.extend(rules)
    return ruleset


def _without(text: str, table: str, name: str, rules: Sequence[str]) -> Optional[str]:
    """Return ``text`` without the rules of a chain; None if the chain does not have exactly these rules."""
    head = "-A %s " % name
    block = "\n%s%s\n" % (head, ("\n" + head).join(rules))
    start = text.find(block) if rules else -1
    end = start + len(block)
    if start < 0 or text.startswith(head, end) or text.startswith(head, text.rfind("\n", 0, start) + 1):
        return None
    if not text.startswith("*%s\n" % table, text.rfind("\n*", 0, start) + 1):
        return None
    return text[: start + 1] + text[end:]


def _add_rule(table: Table, line: str) -> None:
    """Add a line ``-A CHAIN RULE``, perhaps with ``[packets:bytes]`` before it."""
    counters, _append, rest = line.partition("-A ")
    name, _space, rule = rest.partition(" ")
    chain = table[name]
    chain.rules.append(rule)
    chain.counters.append(counters[:-1])


def _logical_lines(text: str) -> Iterator[str]:
    """Yield the lines. A foreign rule may have a newline in its quoted comment: its lines are joined again."""
    held = ""
    for line in text.split("\n"):
        if held:
            line = held + "\n" + line
        if '"' in line and _quote_is_open(line):
            held = line
            continue
        held = ""
        yield line


def _quote_is_open(line: str) -> bool:
    quotes = line.count('"')
    if "\\" in line:
        quotes -= line.replace("\\\\", "").count('\\"')
    return quotes % 2 == 1


def target_of(rule: str) -> Optional[str]:
    """Return the chain or target after ``-j`` or ``-g``; None for a rule that only counts. This runs for every rule of a host. So it only splits
    words, which is faster than :mod:`.saved_rule`, and skips the text of comments."""
    words = split_words(rule)
    for index, word in enumerate(words[:-1]):
        if word in ("-j", "-g") and (not index or words[index - 1] not in _FREE_TEXT):
            return words[index + 1]
    return None


# The word after these options may be any text, even -j.
_FREE_TEXT = ("--comment", "--string")


def split_words(rule: str) -> List[str]:
    """Split a rule into words like iptables-restore: at white space, with double quotes, and backslashes inside them."""
    if '"' not in rule:
        return rule.split()
    words: List[str] = []
    current: Optional[str] = None
    quoted = escaped = False
    for char in rule:
        if escaped:
            current, escaped = (current or "") + char, False
        elif quoted and char == "\\":
            escaped = True
        elif char == '"':
            quoted, current = not quoted, current or ""
        elif char in " \t\n" and not quoted:
            if current is not None:
                words.append(current)
            current = None
        else:
            current = (current or "") + char
    if quoted or escaped:
        raise ValueError("a quote is not closed")
    if current is not None:
        words.append(current)
    return words


_BARE = frozenset("_-0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")


def quote(word: str) -> str:
    """Return a word as iptables-save spells it: simple words bare, others quoted, with ``"``, ``\\`` and ``'`` escaped.

    Source: xtables_save_string() in iptables' libxtables.
    """
    if word and _BARE.issuperset(word):
        return word
    return '"%s"' % "".join("\\" + char if char in "\"\\'" else char for char in word)


def render(chains: Dict[str, Iterable[str]]) -> List[str]:
    """Return the ``-A`` lines of these chains, in order."""
    return ["-A %s %s" % (name, rule) for name, rules in chains.items() for rule in rules]
