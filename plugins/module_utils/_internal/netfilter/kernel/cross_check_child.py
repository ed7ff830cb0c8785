# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A program of its own: reads chains of legacy iptables by python-iptables, and says them as iptables-save does.

:mod:`.cross_check` runs the text of this file with ``python -I -c``, because native code that crashes ends its process. So it uses
nothing of the collection. The request is one JSON object on standard input, the answer another on standard output.

Two words differ from iptables-save's: a protocol is always a number, and ``\\0`` stands for options that cannot be told.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import os
import signal
import socket
import struct
import sys
from typing import Any, Dict, List, Optional, Tuple

_UNTOLD = "\0"
# Head of struct xt_entry_match and of xt_entry_target: size, name, revision.
_HEAD = struct.Struct("=H29sB")
# Of struct ipt_ip and of struct ip6t_ip6: bits of invflags.
_NOT_IN, _NOT_OUT, _NOT_SOURCE, _NOT_DESTINATION, _NOT_FRAGMENT, _NOT_PROTOCOL = 0x01, 0x02, 0x08, 0x10, 0x20, 0x40
# Bits of flags, where the two differ.
_IPV4_FRAGMENT, _IPV4_GOTO, _IPV6_PROTOCOL, _IPV6_GOTO = 0x01, 0x02, 0x01, 0x04


class Reader:
    """The legacy tables of one family."""

    def __init__(self, iptc: Any, family: int) -> None:
        self._family = family
        self._table_class = iptc.Table if family == 4 else iptc.Table6
        # A rule looks for chains in all tables, which would make those that do not exist.
        self._rule = type("Rule", (iptc.Rule if family == 4 else iptc.Rule6,), {"tables": []})()
        self._match, self._target = iptc.Match, iptc.Target
        self._libc = ctypes.CDLL(None)
        self._told: Dict[Tuple[bytes, int], str] = {}

    def chain(self, table_name: str, name: str, targets: Optional[List[str]]) -> Optional[List[str]]:
        """A chain's rules, or those of them that lead to one of ``targets``. None where there is no such chain."""
        # The library commits what it has read when it lets go of a table, unless told.
        table = self._table_class(table_name, autocommit=False)
        if not table.is_chain(name):
            return None
        rules = []
        entry = table.first_rule(name)
        while entry:
            target = table.get_target(entry).decode()
            if targets is None or target in targets:
                rules.append(self._text(entry, target))
            entry = table.next_rule(entry)
        return rules

    def _text(self, entry: Any, target: str) -> str:
        ip = entry.ip if self._family == 4 else entry.ipv6
        words = self._header(ip)
        start = ctypes.addressof(entry)
        at = type(entry).elems.offset
        while at < entry.target_offset:
            size, _name, _revision = _head(start + at)
            words.append("-m " + self._extension(self._match, "match", ip, start + at, size))
            at += size
        size, name, _revision = _head(start + at)
        if name:
            target = self._extension(self._target, "target", ip, start + at, size)
        if target:
            goto = ip.flags & (_IPV4_GOTO if self._family == 4 else _IPV6_GOTO)
            words.append(("-g " if goto else "-j ") + target)
        return " ".join(words)

    def _header(self, ip: Any) -> List[str]:
        words: List[str] = []

        def add(inverted: int, option: str, value: str) -> None:
            words.extend((["!"] if ip.invflags & inverted else []) + [option] + ([value] if value else []))

        for inverted, option, address, mask in (
            (_NOT_SOURCE, "-s", bytes(ip.src), bytes(ip.smsk)), (_NOT_DESTINATION, "-d", bytes(ip.dst), bytes(ip.dmsk)),
        ):
            if any(address) or any(mask) or ip.invflags & inverted:
                add(inverted, option, "%s/%s" % (_spoken(address), _length(mask)))
        for inverted, option, name, mask in (
            (_NOT_IN, "-i", ip.iniface, _raw(ip, "iniface_mask")), (_NOT_OUT, "-o", ip.outiface, _raw(ip, "outiface_mask")),
        ):
            if any(mask) or ip.invflags & inverted:
                add(inverted, option, _interface(name, mask))
        # An IPv6 rule without the flag is for every protocol, whatever it says.
        if ip.proto and (self._family == 4 or ip.flags & _IPV6_PROTOCOL):
            add(_NOT_PROTOCOL, "-p", str(ip.proto))
        if self._family == 4 and ip.flags & _IPV4_FRAGMENT:
            add(_NOT_FRAGMENT, "-f", "")
        return words

    def _extension(self, kind: Any, keyword: str, ip: Any, address: int, size: int) -> str:
        """A match or a target: its name and options. The same bytes are asked about once."""
        key = (ctypes.string_at(address, size), ip.proto)
        if key not in self._told:
            self._told[key] = self._asked(kind, keyword, ip, address, size)
        return self._told[key]

    def _asked(self, kind: Any, keyword: str, ip: Any, address: int, size: int) -> str:
        _size, name, revision = _head(address)
        struct_class = getattr(importlib.import_module("iptc.xtables"), "xt_entry_" + keyword)
        try:
            found = kind(self._rule, **{keyword: struct_class.from_address(address)})
        except Exception:  # pylint: disable=broad-exception-caught
            # The library says that it has no such extension in several ways.
            return name + _UNTOLD
        module = found._module  # pylint: disable=protected-access
        if module.revision != revision or found.size != size:
            return name + _UNTOLD
        return "%s%s" % (found.name, self._printed(found, module, ip))

    def _printed(self, extension: Any, module: Any, ip: Any) -> str:
        """What an extension prints of itself. The library's own way takes 1,024 bytes at most."""
        os.ftruncate(1, 0)
        os.lseek(1, 0, os.SEEK_SET)
        if module.save:
            extension._xt.save(module, ip, extension._ptr)  # pylint: disable=protected-access
        self._libc.fflush(None)
        # The library ends it with a newline.
        return os.pread(1, os.fstat(1).st_size, 0).decode("utf-8", "surrogateescape").rstrip("\n")


def _head(address: int) -> Tuple[int, str, int]:
    """Size, name and revision of the extension there."""
    size, name, revision = _HEAD.unpack_from(ctypes.string_at(address, _HEAD.size))
    # Behind the end of the name stands whatever was in the memory before.
    return size, name.partition(b"\0")[0].decode(), revision


def _interface(name: bytes, mask: bytes) -> str:
    length = len(mask.rstrip(b"\0"))
    if mask != (b"\xff" * length).ljust(len(mask), b"\0"):
        return "%s/%s" % (name.decode("utf-8", "surrogateescape"), mask.hex())
    # The mask of a whole name covers the zero behind it, too.
    return name[:length].decode("utf-8", "surrogateescape") + ("" if length > len(name) else "+")


def _raw(ip: Any, field: str) -> bytes:
    """A field's bytes; ctypes ends an array of characters at the first zero."""
    place = getattr(type(ip), field)
    return ctypes.string_at(ctypes.addressof(ip) + place.offset, place.size)


def _spoken(address: bytes) -> str:
    return socket.inet_ntop(socket.AF_INET if len(address) == 4 else socket.AF_INET6, address)


def _length(mask: bytes) -> str:
    """A netmask's length, or the mask where it has holes."""
    bits = "".join("{:08b}".format(byte) for byte in mask)
    return _spoken(mask) if "01" in bits else str(bits.count("1"))


def work(request: Dict[str, Any]) -> List[Any]:
    """The chains that the request names, in its order. Of one family: the library mixes up what it loads for two."""
    reader = Reader(importlib.import_module("iptc"), request["family"])
    return [reader.chain(*chain) for chain in request["chains"]]


def main() -> None:
    request = json.load(sys.stdin)
    # It ends native code that hangs, too.
    signal.alarm(request["seconds"])
    answers = os.fdopen(os.dup(1), "w", encoding="ascii")
    # Extensions print to standard output.
    os.dup2(os.memfd_create("printed"), 1)
    sys.path.extend(name for name in request["path"] if name not in sys.path)
    try:
        answer: Dict[str, Any] = {"chains": work(request)}
    except Exception as error:  # pylint: disable=broad-exception-caught
        # A compiled part that does not fit the Python or the libraries here fails in any way it likes.
        answer = {"error": "%s: %s" % (type(error).__name__, error)}
    json.dump(answer, answers)
    answers.flush()
    # Nothing is left to do, and destructors of native code could still crash.
    os._exit(0)  # pylint: disable=protected-access


if __name__ == "__main__":
    main()
