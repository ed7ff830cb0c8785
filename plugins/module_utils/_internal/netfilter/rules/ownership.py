# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Chains and sets that belong to Drawbridge, recognised by their names alone."""

from __future__ import annotations

import re
import zlib
from typing import Iterable, Optional, Tuple

# A (table, chain) pair; a trailing * stands for any ending.
Owned = Tuple[str, str]

# Tables of nftables whose names begin so are ours.
OUR_TABLES = "drawbridge-"
# Closes sockets of the engine, see policy/blocks/engine_table.py. It marks packets that no rule has allowed yet.
ENGINE_TABLE = OUR_TABLES + "engine"
ENGINE_MARK = 0x20000000

_STAGED = "DBX-"
_OURS = ("DB-", _STAGED)
_OUR_CHAINS = ("DOCKER-FILTER",)


def is_ours(chain: str) -> bool:
    """Return whether a chain of this name belongs to Drawbridge, whichever module wrote it."""
    return chain.startswith(_OURS) or chain in _OUR_CHAINS


def staged(chain: str) -> str:
    """Return the temporary name of a chain's new content, which stands beside the old content during a change."""
    return _STAGED + chain


def is_staged(chain: str) -> bool:
    return chain.startswith(_STAGED)


def owns(owned: Iterable[Owned], table: str, chain: str) -> bool:
    """Return whether this owner may write and remove the chain, or the chain that it is the staged name of."""
    if is_staged(chain):
        chain = chain[len(_STAGED):]
    for owned_table, name in owned:
        if table == owned_table and (chain == name or (name.endswith("*") and chain.startswith(name[:-1]))):
            return True
    return False


def user_set(name: str, family: int) -> str:
    """Return the kernel's name of a set that the module address_set manages."""
    return "DB-%s-%d" % (name, family)


def taken_for_empty(name: str, path: Optional[str]) -> str:
    """Return check mode's warning for a set that does not exist yet. path: where the user names it."""
    return (
        "%sthere is no address set %s yet, which is an error in the run unless a task makes it before this one; check mode takes it for an empty one"
        % ("%s: " % path if path else "", ascii("@" + name))
    )


def owned_set(owner: str, name: str, family: int, generation: str) -> str:
    """Return the kernel's name of a set that belongs to an owner's rules. generation: ``a`` or ``b``."""
    return "%s%s-%d%s" % (owned_set_prefix(owner), name, family, generation)


_GENERATION = re.compile(r"(DB[A-Z]+-.+-[46])[ab]\Z")


def any_generation(name: str) -> str:
    """Return a set's name without its generation. Other names are returned unchanged."""
    return _GENERATION.sub(r"\1", name)


_CALLED = re.compile(r"DB[A-Z]*-(.+)-[46][ab]?\Z")


def called(name: str) -> str:
    """Return the user's name of one of our sets, the same for both families and generations. Other names are returned unchanged."""
    return _CALLED.sub(r"\1", name)


def owned_set_prefix(owner: str) -> str:
    return "DB%s-" % owner


_OUR_SET = re.compile(r"DB[A-Z]*-")
_SCRATCH = "DBT-"


def is_our_set(name: str) -> bool:
    """Return whether a set of this name belongs to Drawbridge and is not temporary."""
    return _OUR_SET.match(name) is not None and not name.startswith(_SCRATCH)


def scratch_set(name: str) -> str:
    """Return a set's temporary name for a swap. It is within ipset's limit, however long the set's name is."""
    return _SCRATCH + "%08x" % (zlib.crc32(name.encode("utf-8")) & 0xFFFFFFFF)
