# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What belongs to Drawbridge, told by its name alone: chains and sets."""

from __future__ import annotations

import re
import zlib
from typing import Iterable, Optional, Tuple

# (table, chain) pairs; a trailing * stands for any ending.
Owned = Tuple[str, str]

_STAGED = "DBX-"
_OURS = ("DB-", _STAGED)
_OUR_CHAINS = ("DOCKER-FILTER",)


def is_ours(chain: str) -> bool:
    """Whether a chain of this name is Drawbridge's, whoever of its modules wrote it."""
    return chain.startswith(_OURS) or chain in _OUR_CHAINS


def staged(chain: str) -> str:
    """The name under which a chain's new content stands beside the old one while a change goes in."""
    return _STAGED + chain


def is_staged(chain: str) -> bool:
    return chain.startswith(_STAGED)


def owns(owned: Iterable[Owned], table: str, chain: str) -> bool:
    """Whether this owner may write and remove the chain, its staged twin included."""
    if is_staged(chain):
        chain = chain[len(_STAGED):]
    for owned_table, name in owned:
        if table == owned_table and (chain == name or (name.endswith("*") and chain.startswith(name[:-1]))):
            return True
    return False


def user_set(name: str, family: int) -> str:
    """The kernel's name of a set that the module address_set keeps."""
    return "DB-%s-%d" % (name, family)


def taken_for_empty(name: str, path: Optional[str]) -> str:
    """What check mode says of a set that no module keeps yet; path: where the user names it."""
    return (
        "%sthere is no address set %s yet, which is an error in the run unless a task makes it before this one; check mode takes it for an empty one"
        % ("%s: " % path if path else "", ascii("@" + name))
    )


def owned_set(owner: str, name: str, family: int, generation: str) -> str:
    """The kernel's name of a set that belongs to an owner's rules; its two generations are ``a`` and ``b``."""
    return "%s%s-%d%s" % (owned_set_prefix(owner), name, family, generation)


_GENERATION = re.compile(r"(DB[A-Z]+-.+-[46])[ab]\Z")


def any_generation(name: str) -> str:
    """What both generations of a set are called in common; other names are as they are."""
    return _GENERATION.sub(r"\1", name)


_CALLED = re.compile(r"DB[A-Z]*-(.+)-[46][ab]?\Z")


def called(name: str) -> str:
    """What whoever wants a set of ours calls it: both families and generations the same. Other names are as they are."""
    return _CALLED.sub(r"\1", name)


def owned_set_prefix(owner: str) -> str:
    return "DB%s-" % owner


_OUR_SET = re.compile(r"DB[A-Z]*-")
_SCRATCH = "DBT-"


def is_our_set(name: str) -> bool:
    """Whether a set of this name is Drawbridge's, and not one of a moment."""
    return _OUR_SET.match(name) is not None and not name.startswith(_SCRATCH)


def scratch_set(name: str) -> str:
    """A name for the moment of a swap, within ipset's limit whatever the set's own name is."""
    return _SCRATCH + "%08x" % (zlib.crc32(name.encode("utf-8")) & 0xFFFFFFFF)
