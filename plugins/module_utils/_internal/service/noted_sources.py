# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Tell whether an installed program is what its sources would be packed into, without packing them.

A note beside the program has the digest of the program, the digest of its sources, and the names of these. The sources decide what is packed: as
long as they are the same, so is the program. A note that is missing or wrong costs time, nothing else.
"""

from __future__ import annotations

import hashlib
import os
from typing import Iterable, List, Optional

# The packing itself is a source, too.
_PACKER = "service.archive"
_ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def note(program: bytes, modules: Iterable[str]) -> Optional[bytes]:
    """Return the note about a program; None if the sources are no files. modules: what it was packed from, by name below module_utils."""
    names = sorted({*modules, _PACKER})
    sources = _sources(names)
    return None if sources is None else "\n".join([_digest(program), sources, *names]).encode("utf-8")


def is_current(noted: Optional[bytes], program: Optional[bytes]) -> bool:
    """Whether the program is the one in the note, and its sources are those of the note."""
    if noted is None or program is None:
        return False
    lines = noted.decode("utf-8", "replace").split("\n")
    return len(lines) > 2 and lines[0] == _digest(program) and lines[1] == _sources(lines[2:])


def _sources(names: List[str]) -> Optional[str]:
    texts = []
    for name in names:
        try:
            with open(os.path.join(_ROOT, *name.split(".")) + ".py", "rb", buffering=0) as stream:
                texts.append(_digest(stream.read()))
        except (OSError, ValueError):
            return None
    return _digest("\n".join(texts).encode("utf-8"))


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
