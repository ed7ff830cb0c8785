# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Our own tables in nftables, for rules that iptables cannot hold in the right place.

Tables are compared as the text of ``nft --stateless list table``. For this a desired table is loaded into a throwaway network namespace
and listed there. The same text is loaded, rolls back a change, and is loaded at boot.
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
# This table of ours is temporary: no policy contains it, no boot restores it, and every rollback removes it. See policy/revocation/drop_replies.py.
CUT_TABLE = "drawbridge-cut"


_OURS = "drawbridge-"


class TableChange(NamedTuple):
    """A table's text before and after; None if the table does not exist."""

    key: TableKey
    before: Optional[str]
    after: Optional[str]

    @property
    def is_needed(self) -> bool:
        return self.before != self.after


def transaction(changes: Iterable[TableChange]) -> str:
    """Return ``nft -f`` input that replaces all these tables in one transaction, whatever they contain now."""
    return "".join(_replaced(change.key, change.after) for change in changes)


def _replaced(key: TableKey, text: Optional[str]) -> str:
    # A table must exist before "delete". Older releases do not know "destroy".
    return "add table {0}\ndelete table {0}\n{1}".format(spoken(key), text or "")


def spoken(key: TableKey) -> str:
    """Return the table's name as nft prints it, with its family."""
    return "%s %s" % (_FAMILY[key[0]], key[1])


class Nft:
    """The nft command."""

    def __init__(self, system: System) -> None:
        self.system = system

    @property
    def is_installed(self) -> bool:
        return self.system.which("nft") is not None

    def read(self, keys: Iterable[TableKey]) -> Dict[TableKey, Optional[str]]:
        """Return the tables as nft prints them; None for a table that does not exist. Without nft no table exists."""
        wanted = list(keys)
        there = self._run("list", "tables").splitlines() if wanted and self.is_installed else []
        return {key: self._listed(key) if "table " + spoken(key) in there else None for key in wanted}

    def ours(self) -> Dict[str, str]:
        """Return all our tables of any family, as nft prints them, by nft's name for each."""
        listed = self._run("list", "tables").splitlines() if self.is_installed else []
        names = [line[len("table "):] for line in listed if line.rpartition(" ")[2].startswith(_OURS)]
        return {name: self._run("--stateless", "list", "table", *name.split()) for name in names}

    def has_element(self, key: TableKey, name: str, element: str) -> bool:
        """Return whether a set of a table has an element."""
        return self.system.run([self._command(), "get", "element", *spoken(key).split(), name, "{ %s }" % element]).rc == 0

    def _listed(self, key: TableKey) -> str:
        # The set elements of an inet table are not part of its text, see policy/blocks/engine_table.py.
        terse = ["--terse"] if key[0] == INET else []
        return self._run("--stateless", *terse, "list", "table", *spoken(key).split())

    def _run(self, *words: str) -> str:
        output = self.system.run([self._command(), *words])
        if output.rc != 0:
            raise DrawbridgeError("nft %s failed: %s" % (" ".join(words), words_of(output)))
        return output.stdout

    def load(self, text: str) -> None:
        """Load ``text`` as one transaction. Raises DrawbridgeError with nft's own message; then nothing was changed."""
        output = self.system.run([self._command(), "-f", "-"], text)
        if output.rc != 0:
            raise DrawbridgeError("nft refuses the table: %s" % words_of(output))

    def canonical(self, wanted: NftTables) -> Tuple[Dict[TableKey, Optional[str]], List[str]]:
        """Return the tables as nft will print them, and warnings. Raises DrawbridgeError if the kernel refuses a table."""
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

    def printed(self, changes: Iterable[TableChange]) -> str:
        """Return how ``nft -j list ruleset`` prints these tables after the change. Raises NamespaceUnavailable, and DrawbridgeError for a table that
        the kernel refuses."""
        texts = transaction(changes)

        def listed() -> str:
            self.load(texts)
            return self._run("-j", "list", "ruleset")

        return in_new_netns(listed)

    def _command(self) -> str:
        return self.system.require("nft", "nftables")


def table_text(key: TableKey, body: List[str]) -> str:
    """Return ``nft -f`` input that creates a table. body: the lines between its braces."""
    return "table %s {\n%s}\n" % (spoken(key), "".join("\t%s\n" % line for line in body))
