# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The interface that the host answers an address by, and the interface that has an address."""

from __future__ import annotations

from typing import List, NamedTuple, Optional

from ..system.system import System


class Answer(NamedTuple):
    """interface: empty if there is no route. source: the address that the host answers from."""

    interface: str = ""
    source: Optional[str] = None


def answered_by(system: System, address: str) -> Answer:
    """Return the interface and source address for the host's answers to an address."""
    words = _said(system, ["route", "get", address])
    return Answer(_after(words, "dev") or "", _after(words, "src"))


def interface_with(system: System, address: str) -> Optional[str]:
    """Return the interface that has this address of the host."""
    words = _said(system, ["address", "show", "to", address])
    return words[1].partition("@")[0] if len(words) > 1 else None


def _said(system: System, words: List[str]) -> List[str]:
    return system.run([system.require("ip", "iproute2"), "-o", *words]).stdout.split()


def _after(words: List[str], word: str) -> Optional[str]:
    return words[words.index(word) + 1] if word in words[:-1] else None
