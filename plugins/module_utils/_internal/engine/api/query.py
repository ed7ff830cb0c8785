# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Choose containers by a jmespath expression over the engine's inspect objects."""

from __future__ import annotations

import importlib
from typing import Dict, List

from ...address import quoted
from ...errors import DrawbridgeError

MISSING = "install python3-jmespath (Debian, Ubuntu, Fedora, EL) or jmespath (PyPI) for the Python that runs the task"

_HINT = "as [?Config.Image=='nginx'], or with .Id at the end"


def chosen(expression: str, inspected: List[Dict[str, object]]) -> List[Dict[str, object]]:
    """Return the inspect objects that the expression chooses, in the order of the list. Its result may be whole objects or Ids.

    Raises DrawbridgeError.
    """
    try:
        jmespath = importlib.import_module("jmespath")
    except ImportError as error:
        raise DrawbridgeError("jmespath cannot be imported: %s" % error, "query", MISSING) from None
    try:
        found = jmespath.search(expression, inspected)
    except (jmespath.exceptions.JMESPathError, ValueError, TypeError) as error:
        raise DrawbridgeError("%s: %s" % (quoted(expression), str(error).splitlines()[0]), "query") from None
    if found is None:
        return []
    known = {item.get("Id") for item in inspected}
    ids = {_identity(item) for item in (found if isinstance(found, list) else [found])}
    if not ids <= known:
        raise DrawbridgeError("%s does not give containers" % quoted(expression), "query", _HINT)
    return [item for item in inspected if item.get("Id") in ids]


def _identity(item: object) -> object:
    value = item.get("Id") if isinstance(item, dict) else item
    return value if isinstance(value, str) else None
