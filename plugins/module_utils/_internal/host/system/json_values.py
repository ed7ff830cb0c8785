# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Typed access to JSON from other programs. Its values have the type ``object`` until they are checked."""

from __future__ import annotations

from typing import Dict, List

JsonObject = Dict[str, object]


def mapping(value: object) -> JsonObject:
    """Return the value, an empty object if it is not an object."""
    return value if isinstance(value, dict) else {}


def objects(value: object) -> List[JsonObject]:
    """Return the objects in a list, none if the value is not a list."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def text(value: object) -> str:
    """Return the value, an empty string if it is not a string."""
    return value if isinstance(value, str) else ""
