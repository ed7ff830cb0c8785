# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""The golden files beside what the code does now."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Dict, Optional

from .cases import EXPECTED, all_rendered, path_of


class Difference(str):
    """A unified diff. wanted: what the file would be, None for one that no case has."""

    wanted: Optional[str]


def differences() -> Dict[Path, Difference]:
    """What is missing, left over, or not as the code does it, by path."""
    now: Dict[Path, Optional[str]] = {path_of(pair): text for pair, text in all_rendered().items()}
    held = {path: path.read_text(encoding="utf-8") for path in EXPECTED.rglob("*") if path.is_file()}
    return {
        path: _difference(path, held.get(path), now.get(path))
        for path in sorted({*now, *held})
        if held.get(path) != now.get(path)
    }


def _difference(path: Path, held: Optional[str], now: Optional[str]) -> Difference:
    name = str(path.relative_to(EXPECTED))
    sides = [(text or "").splitlines(keepends=True) for text in (held, now)]
    heads = [name if text is not None else "/dev/null" for text in (held, now)]
    found = Difference("".join(difflib.unified_diff(*sides, *heads)))
    found.wanted = now
    return found


def accept(found: Dict[Path, Difference]) -> None:
    """Write what is other or missing, remove what no case has."""
    for path, difference in found.items():
        if difference.wanted is None:
            path.unlink()
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(difference.wanted, encoding="utf-8")
