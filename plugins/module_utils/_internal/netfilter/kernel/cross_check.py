# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A second reader for legacy iptables: python-iptables reads the kernel's rules, to be compared with iptables-save.

It runs in a child process, because its native code can crash or hang.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import sys
from importlib.machinery import PathFinder
from itertools import zip_longest
from typing import Any, Callable, Dict, Iterable, List, Mapping, NamedTuple, Optional, Set

from ...errors import DrawbridgeError
from ...host.system.parallel import on_all
from ...host.system.system import System
from ..rules.saved_ruleset import Ruleset, target_of
from .iptables import LEGACY, words_of
from .judge import ChainKey
from .state import State

NEVER, WHEN_AVAILABLE, ALWAYS = "never", "when_available", "always"
_PACKAGES = "install python3-iptables (Debian, Ubuntu) or python-iptables (PyPI; needs a C compiler) for the Python that runs the task"
# Seconds that python-iptables may take to read.
_SECONDS = 60
# Both readers run this often before a difference counts: somebody else may change rules between them.
_LOOKS = 2
# The child prints this for options of an extension that it cannot read.
_UNTOLD = "\0"
_PROTOCOL = re.compile(r"\A((?:(?:! )?-[sdio] \S+ )*(?:! )?-p )([^\s\d]\S*)")
# Protocols that iptables knows without /etc/protocols.
_NUMBERS = {
    "tcp": 6, "sctp": 132, "udp": 17, "udplite": 136, "icmp": 1, "icmpv6": 58, "ipv6-icmp": 58, "esp": 50, "ah": 51, "ipv6-mh": 135, "mh": 135,
    "dccp": 33,
}


class Disagreement(DrawbridgeError):
    """iptables-save's output differs from the kernel's rules."""


class Interpreter(NamedTuple):
    """The Python that has python-iptables, and its module search path."""

    program: str
    path: List[str]


def own_interpreter() -> Interpreter:
    """Return the Python that runs the task."""
    return Interpreter(sys.executable, [name for name in sys.path if os.path.isabs(name)])


class Report(NamedTuple):
    """rules: the number of rules that both readers agree on. by_name_only: matches and targets whose options python-iptables cannot read.
    skipped: why nothing was compared; empty after a comparison."""

    rules: int
    by_name_only: List[str]
    skipped: str = ""


class _Watched(NamedTuple):
    """A chain to compare. targets: compare only the rules that lead to these; None for all rules."""

    table: str
    chain: str
    targets: Optional[Set[str]]

    def saved(self, ruleset: Ruleset) -> Optional[List[str]]:
        """Return the compared rules as iptables-save prints them; None if the chain does not exist."""
        found = ruleset.chain(self.table, self.chain)
        if found is None or self.targets is None:
            return None if found is None else found.rules
        return [rule for rule in found.rules if target_of(rule) in self.targets]


class CrossCheck:
    """The task's setting for the second reader, and its result."""

    def __init__(self, system: System, variant: str, choice: str) -> None:
        """Raises DrawbridgeError if the choice is ``always`` and the comparison is impossible."""
        self._system = system
        self._must = choice == ALWAYS
        self._interpreter = own_interpreter()
        self.warnings: List[str] = []
        self.report: Optional[Report] = None
        self._reason = self._why_not(variant)
        if self._must and self._reason:
            raise DrawbridgeError("cross_check: always cannot be done: %s" % self._reason, None, _PACKAGES if variant == LEGACY else None)

    def _why_not(self, variant: str) -> str:
        if variant != LEGACY:
            return "python-iptables reads legacy iptables only, and this host uses iptables-%s" % variant
        return "" if PathFinder.find_spec("iptc", self._interpreter.path) else "python-iptables is not installed"

    def compare(self, states: Mapping[int, Iterable[State]], read: Callable[[], Mapping[int, Ruleset]]) -> None:
        """Compare our chains, and the jumps to them. states: by family, the states that name them. read: returns iptables-save's current rules.

        Raises Disagreement for the first rule that differs, and DrawbridgeError if the choice is ``always`` and the comparison fails.
        """
        if self._reason:
            self.report = Report(0, [], self._reason)
            return
        watched = {family: _watched(held) for family, held in states.items()}
        for left in range(_LOOKS, 0, -1):
            try:
                self.report = self._looked(watched, read())
                return
            except Disagreement:
                if left == 1:
                    raise
            except DrawbridgeError as error:
                if self._must:
                    raise
                self.report = Report(0, [], error.message)
                self.warnings.append("the rules in the kernel were not cross-checked: %s" % error.message)
                return

    def _looked(self, watched: Mapping[int, List[_Watched]], rulesets: Mapping[int, Ruleset]) -> Report:
        # Reading a table would create it.
        there = {family: [item for item in items if item.table in rulesets[family].tables] for family, items in watched.items()}
        kernel = on_all(lambda family: self._read(family, there[family]), list(there))
        reports = [_compared(family, there[family], rulesets[family], held) for family, held in zip(there, kernel)]
        return Report(sum(report.rules for report in reports), sorted({name for report in reports for name in report.by_name_only}))

    def _read(self, family: int, watched: List[_Watched]) -> List[Optional[List[str]]]:
        request = {
            "path": self._interpreter.path,
            "seconds": _SECONDS,
            "family": family,
            "chains": [(item.table, item.chain, None if item.targets is None else sorted(item.targets)) for item in watched],
        }
        # -I: import no modules from the current folder or the environment.
        output = self._system.run([self._interpreter.program, "-I", "-c", _program()], json.dumps(request))
        if output.rc == -signal.SIGALRM:
            raise DrawbridgeError("python-iptables did not read the rules within %d s" % _SECONDS)
        if output.rc != 0:
            raise DrawbridgeError("python-iptables crashed (status %d): %s" % (output.rc, words_of(output)))
        answer: Dict[str, Any] = json.loads(output.stdout)
        if "error" in answer:
            raise DrawbridgeError("python-iptables cannot be used by %s: %s" % (self._interpreter.program, answer["error"]), None, _PACKAGES)
        return list(answer["chains"])


def _program() -> str:
    """Return the child's source, from a folder or from the archive that Ansible sends. Imported late: most tasks do not need it."""
    from . import cross_check_child  # pylint: disable=import-outside-toplevel

    loader: Any = cross_check_child.__loader__
    return str(loader.get_source(cross_check_child.__name__))


def _watched(states: Iterable[State]) -> List[_Watched]:
    """Return all rules of our chains in these states, and the jumps to our chains in their parents."""
    chains: Dict[ChainKey, None] = {}
    parents: Dict[ChainKey, Set[str]] = {}
    for state in states:
        for table, held in state.items():
            chains.update(((table, name), None) for name in held.chains)
            for parent, jumps in held.jumps.items():
                parents.setdefault((table, parent), set()).update(target_of(jump) or "" for jump in jumps)
    whole = [_Watched(table, name, None) for table, name in chains]
    return whole + [_Watched(table, name, targets) for (table, name), targets in parents.items()]


def _compared(family: int, watched: List[_Watched], ruleset: Ruleset, kernel: List[Optional[List[str]]]) -> Report:
    rules = 0
    untold: Set[str] = set()
    for item, held in zip(watched, kernel):
        saved = item.saved(ruleset)
        where = "IPv%d, table %s, chain %s" % (family, item.table, item.chain)
        if (saved is None) != (held is None):
            raise _differing(where, *("no such chain" if lines is None else "this chain" for lines in (saved, held)))
        for place, (said, found) in enumerate(zip_longest(saved or [], held or [])):
            if said is None or found is None or not _are_alike(said, found):
                raise _differing("%s, rule %d" % (where, place + 1), _shown(said), _shown(found))
            untold.update(re.findall(r"(\S+)\0", found) if _UNTOLD in found else ())
        rules += len(held or [])
    return Report(rules, sorted(untold))


def _are_alike(said: str, found: str) -> bool:
    """Return whether iptables-save and the child print the same rule."""
    said = _PROTOCOL.sub(lambda match: match.group(1) + _number(match.group(2)), said)
    if _UNTOLD not in found:
        return said == found
    return re.fullmatch("(?: .*)?".join(re.escape(part) for part in found.split(_UNTOLD)), said, re.DOTALL) is not None


def _number(protocol: str) -> str:
    try:
        return str(_NUMBERS.get(protocol) or socket.getprotobyname(protocol))
    except OSError:
        return protocol


def _shown(rule: Optional[str]) -> str:
    return "no rule" if rule is None else ascii(rule.replace(_UNTOLD, " ..."))


def _differing(where: str, said: str, found: str) -> Disagreement:
    return Disagreement(
        "iptables-save does not say what the kernel holds: %s: it says %s, and python-iptables reads %s" % (where, said, found),
        None,
        "look at the programs iptables-legacy-save and ip6tables-legacy-save of this host",
    )
