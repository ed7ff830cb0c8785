# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The transport that writes by python-iptables (``iptc``), for hosts on legacy iptables.

Each write is a child process: native code that crashes takes only the child along. Reading, and taking back a change that failed
half-way, stay with the host's own iptables: it reads exactly, and has not just failed. No rule goes live that was not first
written by python-iptables in a throwaway namespace and found to be the rule that iptables-restore makes.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

from ..errors import DrawbridgeError
from ..host.lock import lock_holders
from ..host.netns import in_new_netns
from ..host.system import Output, System
from . import python_iptables_child
from .address import quoted
from .judge import ChainKey, restore_text
from .restore_commands import APPEND, DELETE, INSERT, Block, Command, parse_blocks, rule_parts
from .transport import LEGACY, XTABLES_WAIT, RestoreFailed, Transport, lock_file, words_of

PACKAGES = "install python3-iptables (Debian, Ubuntu) or python-iptables (PyPI; needs a C compiler) for the Python that runs the task"

Twin = Tuple[str, str, str, List[int]]
_WITH_RULE = (APPEND, INSERT, DELETE)


class ChildEnded(RestoreFailed):
    """The child did not do what it was told. rule: the one it was at, empty where it was at none. words: what is said of it."""

    def __init__(self, words: str, rule: str, hint: Optional[str] = None) -> None:
        super().__init__("%s, at the rule %s" % (words, rule) if rule else words, None, hint)
        self.words = words
        self.rule = rule


class Interpreter(NamedTuple):
    """The Python that has iptc, and where it looks for modules on top of its own folders."""

    program: str
    path: List[str]


def own_interpreter() -> Interpreter:
    """The Python that runs the task, with its own idea of where modules are."""
    return Interpreter(sys.executable, [name for name in sys.path if os.path.isabs(name)])


class PythonIptables(Transport):
    """Writes legacy rules by python-iptables; reads them as the default transport does. Both families."""

    def __init__(self, system: System, env: Optional[Dict[str, str]] = None, interpreter: Optional[Interpreter] = None) -> None:
        super().__init__(system, LEGACY, env)
        self.interpreter = own_interpreter() if interpreter is None else interpreter

    def restore(self, family: int, text: str) -> None:
        """Load ``text`` beside what is there. Each block in it is one commit.

        Raises RestoreFailed; a block that was committed before the failing one stays.
        """
        blocks = parse_blocks(text)
        if blocks:
            self.write(family, blocks, [])

    def take_back(self, family: int, text: str) -> None:
        super().restore(family, text)

    def write(self, family: int, blocks: List[Block], twins: List[Twin]) -> Dict[str, List[int]]:
        """Write the blocks, then compare chains in the kernel: for each twin (table, one chain, the other, places of rules without a
        target) the places of the rules that differ, by table."""
        rules = [command.rule for block in blocks for command in block.commands if command.do in _WITH_RULE]
        request = {
            "path": self.interpreter.path,
            "family": family,
            "lock": lock_file(self.env),
            "wait": XTABLES_WAIT,
            "blocks": [{"table": block.table, "commands": [_request(command) for command in block.commands]} for block in blocks],
            "twins": twins,
        }
        # -I: modules from the current folder or the environment have no business in here.
        argv = [self.interpreter.program, "-I", "-c", _program()]
        output = self.system.run(argv, json.dumps(request), self.env)
        *progress, last = output.stdout.splitlines() or [""]
        if output.rc != 0 or not last.startswith("{"):
            # What is on standard output are whole lines: how far it came.
            raise _crashed(output, _rule_at(rules, progress + [last]))
        answer: Dict[str, Any] = json.loads(last)
        if "error" in answer:
            raise self._failed(answer, output, _rule_at(rules, progress))
        return dict(answer["differing"])

    def _failed(self, answer: Dict[str, Any], output: Output, rule: str) -> RestoreFailed:
        if answer["error"] == "missing":
            words = "python-iptables cannot be used by %s: %s" % (self.interpreter.program, answer["words"])
            return RestoreFailed(words, None, PACKAGES)
        if answer["error"] == "busy":
            return RestoreFailed(answer["words"], None, "held by %s" % lock_holders(self.system, lock_file(self.env)))
        return ChildEnded("the library python-iptables says: %s%s" % (answer["words"], _said(output)), rule)


def _request(command: Command) -> Dict[str, Any]:
    request: Dict[str, Any] = command._asdict()
    if command.do in _WITH_RULE:
        request["rule"] = rule_parts(command.rule)
    return request


def _program() -> str:
    """The child's text, out of a folder or out of the archive that Ansible sends."""
    loader: Any = python_iptables_child.__loader__
    text = loader.get_source(python_iptables_child.__name__)
    if not isinstance(text, str):
        raise DrawbridgeError("the text of %s is not at hand" % python_iptables_child.__name__)
    return text


def _crashed(output: Output, rule: str) -> ChildEnded:
    reason = _signal_name(-output.rc) if output.rc < 0 else "exit status %d" % output.rc
    return ChildEnded("python-iptables crashed (%s)%s" % (reason, _said(output)), rule, "use transport: legacy")


def _said(output: Output) -> str:
    """What native code wrote to standard error on its way."""
    return ": " + words_of(Output(output.rc, "", output.stderr)) if output.stderr.strip() else ""


def _rule_at(rules: List[str], progress: List[str]) -> str:
    at = int(progress[-1]) if progress and progress[-1].isdigit() else -1
    return rules[at] if 0 <= at < len(rules) else ""


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return "signal %d" % number


class Stage(NamedTuple):
    """What has to stand in the throwaway namespace. chains: that rules may jump to. sets: ``ipset restore`` lines."""

    family: int
    chains: List[ChainKey]
    sets: List[str]


class Rehearsal:
    """Rules tried where they hurt nobody: written by iptables-restore and by python-iptables, side by side, and compared as
    iptables-save prints them and byte by byte."""

    def __init__(self, transport: PythonIptables) -> None:
        self.transport = transport

    def check(self, family: int, text: str, chains: List[ChainKey], sets: List[str]) -> None:
        """text: what shall be written. chains: those of others that rules may jump to. sets: ``ipset restore`` lines for the sets
        that they may name.

        Raises DrawbridgeError that names the first rule that python-iptables cannot write as it is, NamespaceUnavailable where
        no namespace can be made: nothing is written unrehearsed.
        """
        blocks = parse_blocks(text)
        rules: Dict[str, List[str]] = {}
        for block in blocks:
            found = [command.rule for command in block.commands if command.do in _WITH_RULE]
            rules[block.table] = list(dict.fromkeys(rules.get(block.table, []) + found))
        rules = {table: lines for table, lines in rules.items() if lines}
        known = chains + [(block.table, command.chain) for block in blocks for command in block.commands]
        stage = Stage(family, known, sets)
        try:
            self._try(rules, stage)
        except ChildEnded as error:
            rule, words = (error.rule, error.words) if error.rule else self._first_refused(rules, stage, error)
            raise DrawbridgeError("python-iptables cannot write the rule %s: %s" % (rule, words), None, "use transport: legacy") from None

    def _first_refused(self, rules: Dict[str, List[str]], stage: Stage, error: ChildEnded) -> Tuple[str, str]:
        """The rule that makes a whole table fail, by halving, and what is said of it."""
        flat = [(table, rule) for table, lines in rules.items() for rule in lines]
        good, bad, words = 0, len(flat), error.words
        while bad - good > 1:
            middle = (good + bad) // 2
            some: Dict[str, List[str]] = {}
            for table, rule in flat[:middle]:
                some.setdefault(table, []).append(rule)
            try:
                self._try(some, stage)
                good = middle
            except ChildEnded as again:
                bad, words = middle, again.words
        return flat[bad - 1][1], words

    def _try(self, rules: Dict[str, List[str]], stage: Stage) -> None:
        if not rules:
            return
        system = self.transport.system
        handle, lockfile = tempfile.mkstemp(prefix="drawbridge-")
        os.close(handle)
        transport = PythonIptables(system, {"XTABLES_LOCKFILE": lockfile}, self.transport.interpreter)

        def body() -> None:
            if stage.sets:
                output = system.run([system.require("ipset", "ipset"), "restore"], "\n".join(stage.sets) + "\n")
                if output.rc != 0:
                    raise DrawbridgeError("ipset restore failed: %s" % words_of(output))
            _compare(transport, rules, stage)

        try:
            in_new_netns(body)
        finally:
            os.unlink(lockfile)


# Chains of the throwaway namespace: what iptables-restore wrote, what python-iptables wrote.
_MODEL, _COPY = "DB-MODEL", "DB-COPY"


def _compare(transport: PythonIptables, rules: Dict[str, List[str]], stage: Stage) -> None:
    declared = [key for key in stage.chains if key[0] in rules] + [(table, _COPY) for table in rules]
    transport.take_back(stage.family, restore_text({(table, _MODEL): lines for table, lines in rules.items()}, declared))
    blocks = [Block(table, [Command(APPEND, _COPY, rule) for rule in lines]) for table, lines in rules.items()]
    twins = [(table, _MODEL, _COPY, _without_target(lines)) for table, lines in rules.items()]
    differing = transport.write(stage.family, blocks, twins)
    saved = transport.read(stage.family)
    for table, lines in rules.items():
        model, copy = saved.rules(table, _MODEL), saved.rules(table, _COPY)
        if len(model) != len(lines) or len(copy) != len(lines):
            raise DrawbridgeError("python-iptables wrote %d rules of %d in table %s" % (len(copy), len(lines), table))
        for place, (meant, made) in enumerate(zip(model, copy)):
            if meant != made or place in differing.get(table, []):
                raise _different(meant, made)


def _without_target(lines: List[str]) -> List[int]:
    return [place for place, line in enumerate(lines) if not rule_parts(line)["target"]]


def _different(meant: str, made: str) -> DrawbridgeError:
    what = quoted(made) if made != meant else "a rule that prints alike and matches other packets"
    return DrawbridgeError("python-iptables cannot write the rule %s: it makes %s" % (meant, what), None, "use transport: legacy")
