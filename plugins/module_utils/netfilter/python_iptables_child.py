# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A program of its own: python-iptables writes rules as one JSON request on standard input says.

The parent runs the text of this file with ``python -I -c``, since python-iptables' native code can take its process along. So
it uses nothing of the collection. The request is described in :mod:`.python_iptables`. It answers on standard output: a line with
the number of each rule before the rule is made, so that a crash has a name, ``commit`` before each commit, and at last a line of JSON: ``{"differing": [...]}``
or ``{"error": KIND, "words": ...}``.
"""

from __future__ import annotations

import ctypes
import fcntl
import importlib
import json
import os
import re
import struct
import sys
import time
from typing import Any, Dict, List

_POLL_SECONDS = 0.05
_NAME_SIZE = 16
# Of struct ipt_ip and struct ip6t_ip6 alike.
_INVERTED_IN, _INVERTED_OUT, _INVERTED_FRAGMENT = 0x01, 0x02, 0x20
_FRAGMENT = 0x01
_HAS_PROTOCOL = 0x01
# Head of struct xt_entry_match and xt_entry_target alike: size, name, revision.
_EXTENSION = struct.Struct("=H29sB")


class Failed(Exception):
    """kind: missing, busy or refused. The text is for the user."""

    def __init__(self, kind: str, words: str) -> None:
        super().__init__(words)
        self.kind = kind


class Writer:
    """python-iptables for one family, with what it gets wrong set right: nothing is committed until told, no table is opened but
    those of the request (merely looking would make them), interface masks and IPv6 protocols are whole."""

    def __init__(self, family: int, say: Any) -> None:
        try:
            # By name: nobody has to have it but the hosts that are told to use it.
            iptc: Any = importlib.import_module("iptc")
        except Exception as error:  # pylint: disable=broad-exception-caught
            # A compiled part that does not fit the Python or the libraries here fails in any way it likes.
            raise Failed("missing", "%s: %s" % (type(error).__name__, error)) from None
        self.say = say
        self.family = family
        self.made = 0
        self._table_class: Any = iptc.Table if family == 4 else iptc.Table6
        self._rule_class: Any = iptc.Rule if family == 4 else iptc.Rule6
        self._match, self._target = iptc.Match, iptc.Target
        self._open: Dict[str, Any] = {}
        self._rules_of: Dict[str, Any] = {}

    def table(self, name: str) -> Any:
        """The table as the kernel holds it now."""
        if name in self._open:
            self._open[name].refresh()
        else:
            self._open[name] = self._table_class(name, autocommit=False)
            # Where it looks for chains of the target's name: by default in all tables, which makes those that do not exist.
            self._rules_of[name] = type("Rule", (self._rule_class,), {"tables": [self._open[name]]})
        return self._open[name]

    def write(self, block: Dict[str, Any]) -> None:
        """One table, one commit."""
        table = self.table(block["table"])
        for command in block["commands"]:
            getattr(self, "_" + command["do"])(table, command)
        # From here on it is not about one rule.
        self.say("commit")
        table.commit()

    def _declare(self, table: Any, command: Dict[str, Any]) -> None:
        chain = command["chain"]
        if command["policy"] is not None:
            table.set_policy(chain, command["policy"])
        elif table.is_chain(chain):
            table.flush_entries(chain)
        else:
            table.create_chain(chain)

    def _remove(self, table: Any, command: Dict[str, Any]) -> None:
        table.delete_chain(command["chain"])

    def _append(self, table: Any, command: Dict[str, Any]) -> None:
        table.append_entry(command["chain"], self._rule(table, command).rule)

    def _insert(self, table: Any, command: Dict[str, Any]) -> None:
        table.insert_entry(command["chain"], self._rule(table, command).rule, command["place"] - 1)

    def _delete(self, table: Any, command: Dict[str, Any]) -> None:
        rule = self._rule(table, command)
        entry = rule.rule
        table.delete_entry(command["chain"], entry, rule.mask)

    def _rule(self, table: Any, command: Dict[str, Any]) -> Any:
        self.say(str(self.made))
        self.made += 1
        rule = self._rules_of[table.name]()
        parts = command["rule"]
        self._header(rule, parts)
        for name, options in parts["matches"]:
            match = self._match(rule, name=name)
            self._options(match, options)
            rule.add_match(match)
        target = self._target(rule, name=parts["target"], goto=parts["goto"])
        self._options(target, parts["options"])
        rule.target = target
        if command["counters"]:
            rule.counters = tuple(command["counters"])
        return rule

    def _header(self, rule: Any, parts: Dict[str, Any]) -> None:
        if parts["source"]:
            rule.src = parts["source"]
        if parts["destination"]:
            rule.dst = parts["destination"]
        header = rule.get_ip()
        if parts["protocol"]:
            inverted, number = parts["protocol"]
            rule.protocol = ("!" if inverted else "") + str(number)
            if self.family == 6 and number:
                # Without it the kernel does not look at the protocol at all.
                header.flags |= _HAS_PROTOCOL
        if parts["in"]:
            header.iniface, header.iniface_mask = _interface(parts["in"][1])
            header.invflags |= _INVERTED_IN if parts["in"][0] else 0
        if parts["out"]:
            header.outiface, header.outiface_mask = _interface(parts["out"][1])
            header.invflags |= _INVERTED_OUT if parts["out"][0] else 0
        if parts["fragment"]:
            header.flags |= _FRAGMENT
            header.invflags |= _INVERTED_FRAGMENT if parts["fragment"][0] else 0

    @staticmethod
    def _options(extension: Any, options: List[Any]) -> None:
        for name, inverted, values in options:
            _keep_notes(extension)
        # A list even for one value: a text that begins with an exclamation mark would be taken for a negation.
            if values or inverted:
                extension.set_parameter(name, (["!"] if inverted else []) + values)
            else:
                extension.set_parameter(name)
        # Not final_check(): that reads the values back through a buffer of 1,024 bytes, and sets them anew.
        extension._final_check()  # pylint: disable=protected-access

    def differing(self, table_name: str, one: str, other: str, without_target: List[int]) -> List[int]:
        """The places of the rules whose bytes in the kernel differ between two chains."""
        table = self.table(table_name)
        pairs = zip(_entries(table, one), _entries(table, other))
        found = []
        for place, (left, right) in enumerate(pairs):
            if _content(left, place in without_target) != _content(right, place in without_target):
                found.append(place)
        return found


def _keep_notes(extension: Any) -> None:
    """Memory for what an extension notes while it reads its options: python-iptables gives it some that is free again by then."""
    module = extension._module  # pylint: disable=protected-access
    size = getattr(module, "udata_size", 0)
    if size:
        extension._notes = (ctypes.c_ubyte * size)()  # pylint: disable=protected-access
        module.udata = ctypes.cast(extension._notes, ctypes.c_void_p)  # pylint: disable=protected-access


def _interface(name: str) -> Any:
    """Name and mask as iptables writes them; in IPv6 python-iptables' own mask lets every second letter pass."""
    raw = name.encode("utf-8")
    if not 0 < len(raw) < _NAME_SIZE:
        raise ValueError("interface name too long")
    kept = len(raw) - 1 if raw.endswith(b"+") else len(raw) + 1
    return raw, b"\xff" * kept


def _entries(table: Any, chain: str) -> List[Any]:
    entries = []
    entry = table.first_rule(chain)
    while entry:
        entries.append(entry)
        entry = table.next_rule(entry)
    return entries


def _content(entry: Any, without_target: bool) -> List[Any]:
    """What the kernel goes by: the header, then each match and the target as size, name, revision and data."""
    raw = ctypes.string_at(ctypes.addressof(entry), entry.next_offset)
    kind = type(entry)
    # Behind the header stands what only notes: a cache, counters, where the rule is come to from.
    content: List[Any] = [raw[: kind.nfcache.offset], entry.target_offset]
    at = kind.elems.offset
    while at < entry.next_offset:
        size, name, revision = _EXTENSION.unpack_from(raw, at)
        # A rule without a target leads to the next one, by its place in the table.
        data = b"" if without_target and at == entry.target_offset else raw[at + _EXTENSION.size : at + size]
        # What stands behind the end of the name was left there by whatever was in the memory before.
        content.append((size, name.partition(b"\0")[0], revision, data))
        at += max(size, _EXTENSION.size)
    return content


def take_lock(path: str, wait: float) -> None:
    """The lock that iptables itself takes, held until this process ends."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    deadline = time.monotonic() + wait
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except OSError:
            if time.monotonic() >= deadline:
                raise Failed("busy", "the xtables lock %s was not free within %g s" % (path, wait)) from None
        time.sleep(_POLL_SECONDS)


def work(request: Dict[str, Any], say: Any) -> Dict[str, Any]:
    """What the request says; what the last line answers."""
    writer = Writer(request["family"], say)
    take_lock(request["lock"], request["wait"])
    for block in request["blocks"]:
        writer.write(block)
    differing = [[twin[0], writer.differing(*twin)] for twin in request["twins"]]
    return {"differing": differing}


def main() -> None:
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    # python-iptables and the extensions of iptables print to standard output.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)

    def say(line: str) -> None:
        answers.write(line.encode("ascii") + b"\n")

    request = json.load(sys.stdin)
    sys.path.extend(name for name in request["path"] if name not in sys.path)
    try:
        answer: Dict[str, Any] = work(request, say)
    except Failed as error:
        answer = {"error": error.kind, "words": str(error)}
    except Exception as error:  # pylint: disable=broad-exception-caught
        # It quotes the words of C code as Python's bytes.
        words = re.sub(r"\bb'([^']*)'", r"\1", str(error))
        answer = {"error": "refused", "words": "%s: %s" % (type(error).__name__, words)}
    say(json.dumps(answer))
    # Nothing is left to do, and destructors of native code could still crash.
    os._exit(0)  # pylint: disable=protected-access


if __name__ == "__main__":
    main()
