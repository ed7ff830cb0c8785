# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Small checks for parsing a policy. Each raises DrawbridgeError with the path in the user's data."""

from __future__ import annotations

import re
from typing import Collection, Dict, List, Mapping, Sequence, Tuple

from ...address import quoted
from ...errors import DrawbridgeError, did_you_mean

# The keys of a mapping, each with the kind of its value. docs/schema is written from such tables: tests/tools/policy_schema knows the kinds.
Keys = Mapping[str, str]

MAX_INTERFACE_NAME = 15
INTERFACE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@-]*\+?\Z")
# The name of an interface as part of a kernel setting's name.
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@:-]{0,14}\Z")


def mapping(value: object, path: str, keys: Collection[str]) -> Dict[str, object]:
    """Return the value if it is a mapping with known keys only."""
    found = any_mapping(value, path)
    for key in found:
        if key not in keys:
            raise DrawbridgeError("unknown key %s" % quoted(key), path, did_you_mean(key, keys) or "the keys here are %s" % ", ".join(keys))
    return found


def any_mapping(value: object, path: str) -> Dict[str, object]:
    """Return the value if it is a mapping."""
    if not isinstance(value, dict):
        raise DrawbridgeError("expected a mapping, got %s" % kind(value), path)
    return value


def sequence(value: object, path: str) -> List[object]:
    """Return the value if it is a list."""
    if not isinstance(value, list):
        raise DrawbridgeError("expected a list, got %s" % kind(value), path)
    return value


def choice(value: object, path: str, choices: Sequence[str]) -> str:
    """Return the value if it is one of the choices."""
    if not isinstance(value, str) or value not in choices:
        raise DrawbridgeError("%s is not one of %s" % (quoted(value), ", ".join(choices)), path, did_you_mean(value, choices))
    return value


def boolean(value: object, path: str) -> bool:
    """Return the value if it is true or false."""
    if not isinstance(value, bool):
        raise DrawbridgeError("expected true or false, got %s" % kind(value), path)
    return value


def number(value: object, path: str, least: int, most: int) -> int:
    """Return a whole number within limits, of five digits at most."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 6:
        value = int(value)  # a template's result
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise DrawbridgeError("%s is not a whole number from %d to %d" % (quoted(value), least, most), path)
    return value


def interfaces(value: object, path: str) -> Tuple[str, ...]:
    """Return the interface names of a list. A name may end in ``+``, which stands for any ending."""
    return tuple(_interface(item, "%s[%d]" % (path, index)) for index, item in enumerate(sequence(value, path)))


def _interface(value: object, path: str) -> str:
    if not isinstance(value, str) or not INTERFACE.match(value):
        raise DrawbridgeError("%s is not an interface name" % quoted(value), path)
    if len(value) > MAX_INTERFACE_NAME:
        raise DrawbridgeError("%s is longer than %d characters" % (quoted(value), MAX_INTERFACE_NAME), path)
    return value


def names_interface(pattern: str, interface: str) -> bool:
    """Whether an interface name of a policy, with or without ``+``, matches an interface."""
    return interface.startswith(pattern[:-1]) if pattern.endswith("+") else interface == pattern


def kind(value: object) -> str:
    """Return a value's type in words for error messages."""
    if value is None:
        return "nothing"
    for python_type, name in ((bool, "a boolean"), (int, "a number"), (float, "a number"), (str, "a string")):
        if isinstance(value, python_type):
            return name if isinstance(value, bool) else "%s %s" % (name, quoted(value))
    return "a list" if isinstance(value, list) else "a mapping" if isinstance(value, dict) else type(value).__name__


def check_interfaces(names: List[object], path: str) -> Tuple[str, ...]:
    """Return the interface names, without duplicates. Raises DrawbridgeError if one cannot be part of a kernel setting's name."""
    found: Dict[str, None] = {}
    for index, name in enumerate(names):
        if not isinstance(name, str) or not NAME.match(name) or name in ("all", "default"):
            raise DrawbridgeError("%s is not the name of an interface" % quoted(name), "%s[%d]" % (path, index))
        found[name] = None
    return tuple(found)
