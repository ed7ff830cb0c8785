# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Tables of our own in nftables, for what iptables cannot hold in its place.

A table is compared as the text that ``nft --stateless list table`` prints: a wanted one is loaded into a throwaway network
namespace and listed there. The same text is what is loaded, what undoes a change and what boots a host.
"""

from __future__ import annotations

from typing import Dict, Iterable, List, NamedTuple, Optional, Tuple

from ...address import IPV4, IPV6
from ...errors import DrawbridgeError
from ...host.system.netns import NamespaceUnavailable, in_new_netns
from ...host.system.system import System
from ..rules.desired import INET, NftTables, TableKey
from .iptables import words_of

_FAMILY = {IPV4: "ip", IPV6: "ip6", INET: "inet"}
# The one table of ours that no policy wants, no boot brings back, and whatever goes back to earlier rules removes: see cut_answers.py.
CUT_TABLE = "drawbridge-cut"


_OURS = "drawbridge-"


class TableChange(NamedTuple):
    """A table before and after; None where there is none."""

    key: TableKey
    before: Optional[str]
    after: Optional[str]

    @property
    def is_needed(self) -> bool:
        return self.before != self.after


def transaction(changes: Iterable[TableChange]) -> str:
    """``nft -f`` input that brings all these tables to their later content at once, whatever they hold now."""
    return "".join(_replaced(change.key, change.after) for change in changes)


def _replaced(key: TableKey, text: Optional[str]) -> str:
    # To be deleted a table has to exist; "destroy" is not known to older releases.
    return "add table {0}\ndelete table {0}\n{1}".format(spoken(key), text or "")


def spoken(key: TableKey) -> str:
    """The table as nft names it."""
    return "%s %s" % (_FAMILY[key[0]], key[1])


class Nft:
    """The nft command."""

    def __init__(self, system: System) -> None:
        self.system = system

    @property
    def is_installed(self) -> bool:
        return self.system.which("nft") is not None

    def read(self, keys: Iterable[TableKey]) -> Dict[TableKey, Optional[str]]:
        """The tables as nft prints them; None for those that do not exist. Without nft there are none."""
        wanted = list(keys)
        there = self._run("list", "tables").splitlines() if wanted and self.is_installed else []
        return {key: self._listed(key) if "table " + spoken(key) in there else None for key in wanted}

    def ours(self) -> Dict[str, str]:
        """Every table of ours, of any family, by what nft calls it, as nft prints it."""
        listed = self._run("list", "tables").splitlines() if self.is_installed else []
        names = [line[len("table "):] for line in listed if line.rpartition(" ")[2].startswith(_OURS)]
        return {name: self._run("--stateless", "list", "table", *name.split()) for name in names}

    def has_element(self, key: TableKey, name: str, element: str) -> bool:
        """Whether a set of a table has an element."""
        return self.system.run([self._command(), "get", "element", *spoken(key).split(), name, "{ %s }" % element]).rc == 0

    def _listed(self, key: TableKey) -> str:
        # What a table of both families has in its sets is not ours to keep, see engine_table.py.
        terse = ["--terse"] if key[0] == INET else []
        return self._run("--stateless", *terse, "list", "table", *spoken(key).split())

    def _run(self, *words: str) -> str:
        output = self.system.run([self._command(), *words])
        if output.rc != 0:
            raise DrawbridgeError("nft %s failed: %s" % (" ".join(words), words_of(output)))
        return output.stdout

    def load(self, text: str) -> None:
        """Load ``text`` as one transaction. Raises DrawbridgeError with nft's own words; nothing was changed then."""
        output = self.system.run([self._command(), "-f", "-"], text)
        if output.rc != 0:
            raise DrawbridgeError("nft refuses the table: %s" % words_of(output))

    def canonical(self, wanted: NftTables) -> Tuple[Dict[TableKey, Optional[str]], List[str]]:
        """The tables as nft will print them, and warnings. Raises DrawbridgeError for what the kernel does not take."""
        texts = {key: None if body is None else table_text(key, body) for key, body in wanted.items()}
        written = "".join(text for text in texts.values() if text is not None)
        if not written:
            return texts, []

        def listed() -> Dict[TableKey, Optional[str]]:
            self.load(written)
            return self.read(texts)

        try:
            return in_new_netns(listed), []
        except NamespaceUnavailable as error:
            return texts, ["%s: nft's tables are compared as written, not as nft prints them" % error.message]

    def _command(self) -> str:
        return self.system.require("nft", "nftables")


def table_text(key: TableKey, body: List[str]) -> str:
    """``nft -f`` input that makes a table of the lines between its braces."""
    return "table %s {\n%s}\n" % (spoken(key), "".join("\t%s\n" % line for line in body))
