# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Values out of JSON that others wrote: an ``object`` until somebody looks at its type."""

from __future__ import annotations

from typing import Dict, List

JsonObject = Dict[str, object]


def mapping(value: object) -> JsonObject:
    """The value; an empty object where it is none."""
    return value if isinstance(value, dict) else {}


def objects(value: object) -> List[JsonObject]:
    """The objects of a list; none where the value is no list."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def text(value: object) -> str:
    """The value; an empty text where it is none."""
    return value if isinstance(value, str) else ""
