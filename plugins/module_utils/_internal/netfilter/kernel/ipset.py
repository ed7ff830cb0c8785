# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Address sets in the kernel: read them, and make the ipset lines that change one to its desired entries."""

from __future__ import annotations

import re
import time
from typing import Dict, FrozenSet, Iterable, List, NamedTuple, Optional

from ...address import IPV4, IPV6
from ...errors import DrawbridgeError
from ...host.system.netns import in_new_netns
from ...host.system.system import System
from ..rules.desired import SetType
from ..rules.ownership import scratch_set
from ..rules.timed_entries import TIMED, is_timed, read, written

_FAMILY_WORD = {IPV4: "inet", IPV6: "inet6"}
_FAMILY = {word: family for family, word in _FAMILY_WORD.items()}
# Create options that tune a set; two sets that differ in them alone are of the same type.
_TUNING = ("hashsize", "maxelem", "bucketsize", "initval")
_MIN_HASHSIZE = 1024
_MIN_MAXELEM = 65536
# Up to this share of changed entries, a set is patched. Beyond it, a new set is filled and swapped in.
_PATCH_SHARE = 0.2
_PATCH_ALWAYS = 64
_PROMPT = "ipset> "
# The first for a swap, the second for a destroy.
_BUSY = re.compile(r"Device or resource busy|in use by a kernel component")
_BUSY_SECONDS = 5.0
_BUSY_POLL = 0.02


class LiveSet(NamedTuple):
    """A set in the kernel. family: None for types without a family. entries: None if they were not read. size: the number of entries,
    None if the kernel does not tell. references: the number of rules and sets that name this set."""

    name: str
    type: SetType
    family: Optional[int]
    maxelem: int = _MIN_MAXELEM
    entries: Optional[FrozenSet[str]] = None
    size: Optional[int] = None
    references: int = 0


class SetTarget(NamedTuple):
    """A desired set. name: its name in the kernel. entries: in the kernel's spelling; None leaves the entries as they are."""

    name: str
    type: SetType
    family: int
    entries: Optional[FrozenSet[str]]


class Ipset:
    """The ipset command."""

    def __init__(self, system: System) -> None:
        self.system = system

    def headers(self) -> Dict[str, LiveSet]:
        """Return all sets of the namespace by name, without entries. Empty if ipset is not installed."""
        command = self.system.which("ipset")
        if command is None:
            return {}
        output = self.system.run([command, "list", "-t"])
        if output.rc != 0:
            raise DrawbridgeError("ipset list failed: %s" % output.stderr.strip())
        return parse_headers(output.stdout)

    def entries(self, names: Iterable[str]) -> Dict[str, FrozenSet[str]]:
        """Return the entries of these sets. The sets must exist. One command reads them all."""
        wanted = list(names)
        if not wanted:
            return {}
        output = self.system.run([self._command(), "-"], "".join("list %s\n" % name for name in wanted))
        if output.rc != 0:
            raise DrawbridgeError("ipset list failed: %s" % output.stderr.strip())
        return parse_entries(output.stdout)

    def with_entries(self, sets: Dict[str, LiveSet], names: Iterable[str]) -> Dict[str, LiveSet]:
        """Return the sets; those in ``names`` with their entries, read from the kernel."""
        entries = self.entries(name for name in dict.fromkeys(names) if name in sets)
        return {name: live._replace(entries=entries.get(name, live.entries)) for name, live in sets.items()}

    def spelt(self, kind: SetType, family: int, entries: List[str]) -> FrozenSet[str]:
        """Return entries as ipset prints them, from a throwaway namespace. Raises IpsetFailed with the refused entry."""
        lines = [create_line("judged", kind, family, len(entries))]
        lines.extend("add judged %s" % entry for entry in entries)

        def load() -> FrozenSet[str]:
            self.restore(lines)
            return self.entries(["judged"])["judged"]

        return in_new_netns(load)

    def holds(self, name: str, entry: str) -> bool:
        """Return whether a set exists and matches the entry."""
        return self.system.run([self._command(), "test", name, entry]).rc == 0

    def restore(self, lines: List[str]) -> None:
        """Run ipset commands in order. Creating what exists and removing what is gone are no errors.

        The kernel neither swaps nor destroys a set that somebody lists at this moment, nor destroys one that a rule names; nft releases a
        rule's sets a moment after the commit. So this retries for a while. Raises IpsetFailed."""
        deadline = time.monotonic() + _BUSY_SECONDS
        while lines:
            now = time.time()
            output = self.system.run([self._command(), "-exist", "restore"], "\n".join(written(line, now) for line in lines) + "\n")
            if output.rc == 0:
                return
            failed = IpsetFailed(lines, output.stderr.strip())
            if not failed.is_busy or time.monotonic() > deadline:
                raise failed
            # The lines ahead of it are done.
            lines = lines[failed.index:]
            time.sleep(_BUSY_POLL)

    def destroy(self, names: List[str]) -> None:
        """Remove sets that no rule names any more. Raises IpsetFailed if a set stays in use."""
        self.restore(["destroy %s" % name for name in names])

    def wait_until_unused(self, names: List[str]) -> None:
        """Wait the moment that nft takes until no rule names these sets. Raises DrawbridgeError if a rule still names one."""
        deadline = time.monotonic() + _BUSY_SECONDS
        while names:
            used = [name for name, live in self.headers().items() if name in names and live.references]
            if not used:
                break
            if time.monotonic() > deadline:
                raise DrawbridgeError("the set %s is in use" % used[0], None, "rules still name it: remove them first")
            time.sleep(_BUSY_POLL)

    def _command(self) -> str:
        return self.system.require("ipset", "ipset")


class IpsetFailed(DrawbridgeError):
    """ipset restore stopped at a line. line, index: that line and its place; None and 0 if ipset does not name it. is_busy: whether the
    kernel may accept the same line a moment later."""

    def __init__(self, lines: List[str], words: str) -> None:
        found = re.search(r"Error in line (\d+): (.*)", words, re.DOTALL)
        self.line: Optional[str] = None
        self.index = 0
        if found and 0 < int(found.group(1)) <= len(lines):
            self.index = int(found.group(1)) - 1
            self.line = lines[self.index]
            words = found.group(2)
        self.is_busy = _BUSY.search(words) is not None
        advice = "a rule names the set, or somebody lists it: end `ipset list` or `ipset save`" if self.is_busy else None
        super().__init__("ipset refuses %s: %s" % (ascii(self.line or "its input"), " ".join(words.split())), None, advice)


def parse_headers(text: str) -> Dict[str, LiveSet]:
    """Parse the output of ``ipset list -t``."""
    sets: Dict[str, LiveSet] = {}
    for block in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line)
        if "Name" in fields and "Type" in fields:
            name = fields["Name"]
            size, references = fields.get("Number of entries", ""), fields.get("References", "")
            live = _live_set(name, fields["Type"], fields.get("Header", ""))
            sets[name] = live._replace(
                size=int(size) if size.isdigit() else None, references=int(references) if references.isdigit() else 0
            )
    return sets


def _live_set(name: str, type_name: str, header: str) -> LiveSet:
    words = header.split()
    family: Optional[int] = None
    maxelem = _MIN_MAXELEM
    options: List[str] = []
    index = 0
    while index < len(words):
        word = words[index]
        if word == "family":
            family = _FAMILY.get(words[index + 1])
        elif word == "maxelem":
            maxelem = int(words[index + 1])
        elif word not in _TUNING:
            options.append(word)
            index += 1
            continue
        index += 2
    return LiveSet(name, SetType(type_name, " ".join(options)), family, maxelem)


def parse_entries(text: str) -> Dict[str, FrozenSet[str]]:
    """Parse the output of ``ipset list`` commands, one for each set. Return entries by set. Works on whole texts: a set may have a
    million lines."""
    sets: Dict[str, FrozenSet[str]] = {}
    for block in ("\n" + text).split("\n" + _PROMPT + "Name: ")[1:]:
        header, _members, body = block.partition("\nMembers:\n")
        # ipset prints its prompt again after the last set.
        body = (body[: -len(_PROMPT)] if body.endswith(_PROMPT) else body).rstrip("\n")
        entries = frozenset(body.split("\n")) if body else frozenset()
        sets[header.partition("\n")[0]] = read(entries, time.time()) if is_timed(header) else entries
    return sets


def create_line(name: str, kind: SetType, family: int, size: int = 0) -> str:
    """Return a ``create`` line. Its hash table fits ``size`` entries, which halves the time to fill it."""
    words = ["create", name, kind.name]
    if kind.has_family:
        words += ["family", _FAMILY_WORD[family]]
        words += ["hashsize", str(max(_MIN_HASHSIZE, _power_of_two(size)))]
        words += ["maxelem", str(max(_MIN_MAXELEM, _power_of_two(size)))]
    if kind.options:
        words.append(kind.options)
    return " ".join(words)


def same_kind(live: LiveSet, target: SetTarget) -> bool:
    """Return whether a live set can hold the target's entries, or be swapped with a set that holds them."""
    return live.type == target.type and (not target.type.has_family or live.family == target.family)


def _differs_in_times(live: LiveSet, target: SetTarget) -> bool:
    """Return whether entries may end in one of both alone. The kernel swaps such sets."""
    return same_kind(live._replace(type=target.type), target) and live.type.name == target.type.name and {live.type.options, target.type.options} == {"", TIMED}


def fill_lines(target: SetTarget) -> List[str]:
    """Return the lines that create and fill the set."""
    entries = target.entries or frozenset()
    lines = [create_line(target.name, target.type, target.family, len(entries))]
    lines.extend("add %s %s" % (target.name, entry) for entry in sorted(entries))
    return lines


def bring_lines(target: SetTarget, held: Optional[LiveSet]) -> List[str]:
    """Return the lines that change the kernel's set of that name, if any, to the target. Empty if it is like the target already."""
    if held is None:
        return fill_lines(target)
    if same_kind(held, target) or _differs_in_times(held, target):
        return update_lines(target, held)
    return ["destroy %s" % target.name] + fill_lines(target)


def update_lines(target: SetTarget, live: LiveSet) -> List[str]:
    """Return the lines that change a live set of the same kind to the target's entries. Small differences are patched, others swapped.

    A patch adds before it deletes. So at every moment the set covers all addresses that both its old and its new entries cover.
    This does not work for an entry whose options change: such a set is swapped.
    """
    if target.entries is None or live.entries is None:
        return []
    added = target.entries - live.entries
    gone = live.entries - target.entries
    if not added and not gone and live.type == target.type:
        return []
    fits = len(live.entries) + len(added) <= live.maxelem and live.type == target.type
    if fits and len(added) + len(gone) <= max(_PATCH_ALWAYS, _PATCH_SHARE * len(live.entries)):
        if not {entry.split(" ")[0] for entry in added} & {entry.split(" ")[0] for entry in gone}:
            lines = ["add %s %s" % (target.name, entry) for entry in sorted(added)]
            return lines + ["del %s %s" % (target.name, entry) for entry in sorted(gone)]
    scratch = scratch_set(target.name)
    lines = fill_lines(target._replace(name=scratch))
    return lines + ["swap %s %s" % (scratch, target.name), "destroy %s" % scratch]


def _power_of_two(number: int) -> int:
    return 1 << max(0, number - 1).bit_length()
