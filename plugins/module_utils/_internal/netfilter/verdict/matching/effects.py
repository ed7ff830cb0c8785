# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Targets after which a packet goes on: they change its mark, its connection's mark, or whether it is tracked. Pure."""

from __future__ import annotations

from typing import Dict, Optional, Tuple

from ...rules.matches import Words
from .packet import Packet

_ALL = 0xFFFFFFFF
# Extensions that change nothing that any verdict needs.
WITHOUT_EFFECT = frozenset(("TEE", "ECN", "IDLETIMER", "SECMARK", "CONNSECMARK", "RATEEST", "LED", "ULOG", "CHECKSUM", "TRACE"))


def apply_effect(packet: Packet, name: str, options: Words) -> str:
    """Change the packet as a target does. Returns the change in words, empty without any that matters."""
    if name == "MARK":
        packet.mark = _marked(packet.mark, _values(options))
        return "mark is %s" % _mark_words(packet.mark)
    if name == "CONNMARK":
        return _connmark(packet, options)
    if name == "NOTRACK" or name == "CT" and "--notrack" in options:
        if packet.connection is None:
            packet.is_untracked = True
            return "is not tracked"
    return ""


def _connmark(packet: Packet, options: Words) -> str:
    connection = packet.connection
    if connection is None:
        return ""
    masks = _values(options)
    nfmask, ctmask = masks.get("--nfmask", (_ALL, _ALL))[0], masks.get("--ctmask", (_ALL, _ALL))[0]
    if "--save-mark" in options:
        connection.mark = None if packet.mark is None or connection.mark is None else connection.mark & ~ctmask & _ALL ^ packet.mark & nfmask
    elif "--restore-mark" in options:
        packet.mark = None if packet.mark is None or connection.mark is None else packet.mark & ~nfmask & _ALL ^ connection.mark & ctmask
        return "mark is %s" % _mark_words(packet.mark)
    else:
        connection.mark = _marked(connection.mark, masks)
    return "mark of the connection is %s" % _mark_words(connection.mark)


def _values(options: Words) -> Dict[str, Tuple[int, int]]:
    """Return each option's value and mask. An option without a mask is about all bits."""
    found: Dict[str, Tuple[int, int]] = {}
    for option, word in zip(options, options[1:]):
        value, _slash, mask = word.partition("/")
        if option.startswith("--") and not word.startswith("--"):
            found[option] = (int(value, 0), int(mask, 0) if mask else _ALL)
    return found


def _marked(mark: Optional[int], values: Dict[str, Tuple[int, int]]) -> Optional[int]:
    for option, (value, mask) in values.items():
        if option in ("--set-xmark", "--set-mark") and mask == _ALL:
            return value
        if mark is None:
            return None
        if option == "--set-xmark":
            return (mark & ~mask & _ALL) ^ value
        if option == "--set-mark":
            return mark & ~mask & _ALL & ~value | value
        if option == "--and-mark":
            return mark & value
        if option == "--or-mark":
            return mark | value
        if option == "--xor-mark":
            return mark ^ value
    return mark


def _mark_words(mark: Optional[int]) -> str:
    return "unknown" if mark is None else "0x%x" % mark
