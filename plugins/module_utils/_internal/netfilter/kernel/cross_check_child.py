# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A separate program: reads chains of legacy iptables with python-iptables, and prints them like iptables-save.

:mod:`.cross_check` runs the text of this file with ``python -I -c``, because native code that crashes ends its process. So this file
imports nothing from the collection. It reads one JSON object from standard input and writes one to standard output.

Two things differ from iptables-save: a protocol is always a number, and ``\\0`` stands for options that cannot be read.
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
# The first fields of struct xt_entry_match and of xt_entry_target: size, name, revision.
_HEAD = struct.Struct("=H29sB")
# Bits of the field invflags in struct ipt_ip and struct ip6t_ip6.
_NOT_IN, _NOT_OUT, _NOT_SOURCE, _NOT_DESTINATION, _NOT_FRAGMENT, _NOT_PROTOCOL = 0x01, 0x02, 0x08, 0x10, 0x20, 0x40
# Bits of the field flags; they differ between the two structs.
_IPV4_FRAGMENT, _IPV4_GOTO, _IPV6_PROTOCOL, _IPV6_GOTO = 0x01, 0x02, 0x01, 0x04


class Reader:
    """The legacy tables of one family."""

    def __init__(self, iptc: Any, family: int) -> None:
        self._family = family
        self._table_class = iptc.Table if family == 4 else iptc.Table6
        # A rule looks for chains in all tables. That would create missing tables, so it gets an empty list.
        self._rule = type("Rule", (iptc.Rule if family == 4 else iptc.Rule6,), {"tables": []})()
        self._match, self._target = iptc.Match, iptc.Target
        self._libc = ctypes.CDLL(None)
        self._told: Dict[Tuple[bytes, int], str] = {}

    def chain(self, table_name: str, name: str, targets: Optional[List[str]]) -> Optional[List[str]]:
        """Return a chain's rules; with ``targets``, only the rules that lead to one of them. None if the chain does not exist."""
        # By default the library commits a table when it releases it, even if it only read.
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
        # An IPv6 rule without the flag matches every protocol, even if the field proto is set.
        if ip.proto and (self._family == 4 or ip.flags & _IPV6_PROTOCOL):
            add(_NOT_PROTOCOL, "-p", str(ip.proto))
        if self._family == 4 and ip.flags & _IPV4_FRAGMENT:
            add(_NOT_FRAGMENT, "-f", "")
        return words

    def _extension(self, kind: Any, keyword: str, ip: Any, address: int, size: int) -> str:
        """Return the name and options of a match or target. The answer for the same bytes is cached."""
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
            # The library raises several kinds of errors for a missing extension.
            return name + _UNTOLD
        module = found._module  # pylint: disable=protected-access
        if module.revision != revision or found.size != size:
            return name + _UNTOLD
        return "%s%s" % (found.name, self._printed(found, module, ip))

    def _printed(self, extension: Any, module: Any, ip: Any) -> str:
        """Return the options that an extension prints. The library's own function reads at most 1,024 bytes."""
        os.ftruncate(1, 0)
        os.lseek(1, 0, os.SEEK_SET)
        if module.save:
            extension._xt.save(module, ip, extension._ptr)  # pylint: disable=protected-access
        self._libc.fflush(None)
        # The library adds a newline at the end.
        return os.pread(1, os.fstat(1).st_size, 0).decode("utf-8", "surrogateescape").rstrip("\n")


def _head(address: int) -> Tuple[int, str, int]:
    """Return size, name and revision of the extension at this address."""
    size, name, revision = _HEAD.unpack_from(ctypes.string_at(address, _HEAD.size))
    # The bytes after the name's end are left over from earlier use of the memory.
    return size, name.partition(b"\0")[0].decode(), revision


def _interface(name: bytes, mask: bytes) -> str:
    length = len(mask.rstrip(b"\0"))
    if mask != (b"\xff" * length).ljust(len(mask), b"\0"):
        return "%s/%s" % (name.decode("utf-8", "surrogateescape"), mask.hex())
    # The mask of a whole name also covers the zero byte at its end.
    return name[:length].decode("utf-8", "surrogateescape") + ("" if length > len(name) else "+")


def _raw(ip: Any, field: str) -> bytes:
    """Return all bytes of a field. ctypes itself ends an array of characters at the first zero byte."""
    place = getattr(type(ip), field)
    return ctypes.string_at(ctypes.addressof(ip) + place.offset, place.size)


def _spoken(address: bytes) -> str:
    return socket.inet_ntop(socket.AF_INET if len(address) == 4 else socket.AF_INET6, address)


def _length(mask: bytes) -> str:
    """Return a netmask's prefix length, or the mask itself if it has holes."""
    bits = "".join("{:08b}".format(byte) for byte in mask)
    return _spoken(mask) if "01" in bits else str(bits.count("1"))


def work(request: Dict[str, Any]) -> List[Any]:
    """Return the requested chains, in order. All are of one family: the library mixes up the extensions of two families."""
    reader = Reader(importlib.import_module("iptc"), request["family"])
    return [reader.chain(*chain) for chain in request["chains"]]


def main() -> None:
    request = json.load(sys.stdin)
    # The alarm also ends native code that hangs.
    signal.alarm(request["seconds"])
    answers = os.fdopen(os.dup(1), "w", encoding="ascii")
    # Extensions print to standard output.
    os.dup2(os.memfd_create("printed"), 1)
    sys.path.extend(name for name in request["path"] if name not in sys.path)
    try:
        answer: Dict[str, Any] = {"chains": work(request)}
    except Exception as error:  # pylint: disable=broad-exception-caught
        # A compiled part that does not fit this Python or its libraries can raise any error.
        answer = {"error": "%s: %s" % (type(error).__name__, error)}
    json.dump(answer, answers)
    answers.flush()
    # The work is done. A normal exit runs destructors of native code, which could crash.
    os._exit(0)  # pylint: disable=protected-access


if __name__ == "__main__":
    main()
