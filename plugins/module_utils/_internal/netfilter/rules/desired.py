# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What a module wants of netfilter, as values: lines, chains, hooks and sets.

Nothing here reads or writes a host. A *line* is the text behind ``-A CHAIN`` in iptables-save, for example
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

    text: what stands behind ``-A CHAIN``. ``--match-set @name`` names an address set by the user's name for it; it
        becomes the kernel's name for the family when the plan is made.
    families: the families the rule is meant for.
    path: where the user wrote it, for errors.
    is_common: known to be spelt as iptables-save prints it, and to end in a verdict.
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
    """The one line of ours in a chain that others share: a jump from ``parent`` to ``target``.

    priority: orders several hooks in one parent, lowest first; None where only one of ours can be there.
    ahead_of: jump targets the hook has to precede. Empty: it has to precede every line that could let a packet pass it
        by (all but drops, logs and jumps to chains that only restrict).
    match: which packets it is for, as iptables-save prints it; empty for all.
    """

    table: str
    parent: str
    target: str
    priority: Optional[int] = None
    ahead_of: Tuple[str, ...] = ()
    families: Tuple[int, ...] = BOTH
    match: str = ""


class SetType(NamedTuple):
    """An ipset's type and the create options that are part of its identity.

    name: as ipset spells it, ``hash:net``.
    options: further create options in ipset's order of printing, for example ``range 0-65535`` or ``timeout 0``; the family
        is added where the type has one.
    """

    name: str
    options: str = ""

    @property
    def has_family(self) -> bool:
        return self.name.startswith("hash:") and self.name != "hash:mac"


class AddressSet(NamedTuple):
    """A set as wanted: a twin for each family, of the same name and type.

    entries: per family the entries as the user or the compiler spelt them; None leaves the live content as it is
        (the set is only made sure to exist).
    """

    name: str
    type: SetType
    entries: Dict[int, Optional[FrozenSet[str]]]
    path: Optional[str] = None


# For a table of nftables that is about both families.
INET = 0
# A table of ours in nftables: family and name; and tables as the lines between their braces, None for none at all.
TableKey = Tuple[int, str]
NftTables = Dict[TableKey, Optional[List[str]]]


class DesiredState(NamedTuple):
    """Everything one owner wants of a host's netfilter.

    owner: what its sets in the kernel are called after, see :mod:`.names`; empty where it has none.
    owned: the chains it may write and remove, as (table, name), a trailing * for any ending. One that is in the kernel
        and not in ``chains`` is removed.
    chains: owned chains, whole.
    hooks: where the chains are entered from.
    shared: chains of others that are made, empty, in each family in which a hook needs them and they do not exist: (table, chain).
    sets: the owner's sets by the user's name for them.
    purge: (table, chain) of others in which every line but our jumps and a bare ``-j RETURN`` is deleted.
    tables: the owner's own tables in nftables; one that is not named here is left as it is.
    """

    chains: List[Chain]
    hooks: List[Hook]
    owned: List[Tuple[str, str]]
    owner: str = ""
    shared: List[Tuple[str, str]] = []
    sets: Dict[str, AddressSet] = {}
    purge: List[Tuple[str, str]] = []
    tables: NftTables = {}
