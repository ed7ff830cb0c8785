# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The desired state of netfilter, as values: lines, chains, hooks, sets and nftables tables.

Nothing here reads or writes a host. A *line* is the text after ``-A CHAIN`` in iptables-save, for example
``-s 192.0.2.0/24 -p tcp -m tcp --dport 80 -j RETURN``.
"""

from __future__ import annotations

from typing import Dict, FrozenSet, List, NamedTuple, Optional, Tuple

from ...address import BOTH

# Chain names: iptables-legacy takes at most 28 characters.
MAX_CHAIN_NAME = 28
# ipset takes at most 31 characters.
MAX_SET_NAME = 31


class Line(NamedTuple):
    """One rule as written.

    text: the text after ``-A CHAIN``. ``--match-set @name`` names an address set by the user's name. The plan replaces it with
        the kernel's name for the family.
    families: the families the rule is meant for.
    path: where the user wrote it, for errors.
    is_common: the line is known to be spelt as iptables-save prints it, and to end in a verdict.
    """

    text: str
    families: Tuple[int, ...] = BOTH
    path: Optional[str] = None
    is_common: bool = False


class Chain(NamedTuple):
    """A chain of ours with all its rules, in order."""

    table: str
    name: str
    lines: List[Line]
    families: Tuple[int, ...] = BOTH


class Hook(NamedTuple):
    """A jump of ours in a shared chain, from ``parent`` to ``target``.

    priority: orders several hooks in one parent, lowest first; None if the parent can have only one hook of ours.
    ahead_of: jump targets that the hook must precede. Empty: it must precede every line that could let a packet bypass it
        (all but drops, logs and jumps to chains that only restrict).
    match: the packets that take the jump, as iptables-save prints matches; empty for all.
    """

    table: str
    parent: str
    target: str
    priority: Optional[int] = None
    ahead_of: Tuple[str, ...] = ()
    families: Tuple[int, ...] = BOTH
    match: str = ""


class SetType(NamedTuple):
    """An ipset's type, with the create options that distinguish types.

    name: as ipset spells it, ``hash:net``.
    options: further create options, in the order in which ipset prints them, for example ``range 0-65535`` or ``timeout 0``. The
        family is not among them; it is added for types that have one.
    """

    name: str
    options: str = ""

    @property
    def has_family(self) -> bool:
        return self.name.startswith("hash:") and self.name != "hash:mac"


class AddressSet(NamedTuple):
    """A desired set. In the kernel it is two sets, one for each family, of the same name and type.

    entries: by family, as the user or the compiler spelt them. None keeps the live entries; the set is only created if it is missing.
    """

    name: str
    type: SetType
    entries: Dict[int, Optional[FrozenSet[str]]]
    path: Optional[str] = None


# The family of an nftables table for IPv4 and IPv6.
INET = 0
# TableKey: family and name of an nftables table of ours. NftTables: the lines between a table's braces; None if it shall not exist.
TableKey = Tuple[int, str]
NftTables = Dict[TableKey, Optional[List[str]]]


class DesiredState(NamedTuple):
    """The desired state of one owner's part of netfilter.

    owner: a part of the kernel names of its sets, see :mod:`.ownership`; empty if it has no sets.
    owned: the chains it may write and remove, as (table, name), a trailing * for any ending. An owned chain in the kernel that is not in
        ``chains`` is removed.
    chains: the owned chains, complete.
    hooks: the jumps into these chains.
    shared: foreign chains that hooks need, as (table, chain). A missing one is created, empty, in each family that needs it.
    sets: the owner's sets, by the user's name.
    purge: foreign (table, chain) pairs. Every line there is deleted, except our jumps and a bare ``-j RETURN``.
    tables: the owner's tables in nftables. Tables that are not listed here are left as they are.
    """

    chains: List[Chain]
    hooks: List[Hook]
    owned: List[Tuple[str, str]]
    owner: str = ""
    shared: List[Tuple[str, str]] = []
    sets: Dict[str, AddressSet] = {}
    purge: List[Tuple[str, str]] = []
    tables: NftTables = {}
