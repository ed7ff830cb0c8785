# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Patterns of a JSON Schema, made of the parser's own. They mean the same to Python and to JavaScript, but for ``$``: see ``tests.unit.support.schemas``."""
from __future__ import annotations

from collections.abc import Iterable
from typing import Any

Schema = dict[str, Any]


def whole(pattern: str) -> str:
    """A pattern of Python's for ``match`` or ``fullmatch``, for all of a text."""
    return "^(?:%s)$" % pattern.removesuffix(r"\Z")


def text(pattern: str, wanted: str = "") -> Schema:
    """A text. wanted: what editors say in place of the pattern where it does not match."""
    found = {"type": "string", "pattern": whole(pattern)}
    return dict(found, patternErrorMessage="Expected %s." % wanted) if wanted else found


def one_of(words: Iterable[object]) -> Schema:
    return {"enum": list(words)}


def in_any_case(words: Iterable[str]) -> Schema:
    """The words, in capital letters too. The list is what editors offer."""
    listed = list(words)
    return {"anyOf": [one_of(listed), text(any_case(listed))]}


def any_case(words: Iterable[str]) -> str:
    return "|".join("".join("[%s%s]" % (letter, letter.upper()) for letter in word) for word in words)


def up_to(most: int) -> str:
    """A whole number from 1 to ``most``, after any noughts: 65535 → ``0*(?:[1-9][0-9]{0,3}|[1-5][0-9]{4}|…|65535)``."""
    digits = str(most)
    count = len(digits)
    ways = ["[1-9][0-9]{0,%d}" % (count - 2)] if count > 1 else []
    for place, digit in enumerate(digits):
        least = 1 if place == 0 else 0
        if int(digit) > least:
            ways.append("%s[%d-%d][0-9]{%d}" % (digits[:place], least, int(digit) - 1, count - place - 1))
    return "0*(?:%s|%s)" % ("|".join(ways), digits)


def number(most: int, least: int = 1) -> Schema:
    """A whole number, or the text that a template makes of it."""
    spelt = up_to(most) if least else "%s|0+" % up_to(most)
    return {"anyOf": [{"type": "integer", "minimum": least, "maximum": most}, text(spelt)]}


def in_digits(most: int, longest: int) -> str:
    """As ``up_to``, in so many digits at most."""
    return "(?=[0-9]{1,%d}(?![0-9]))%s" % (longest, up_to(most))


def or_nothing(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def a_list(items: Schema, least: int = 0) -> Schema:
    found: Schema = {"type": "array", "items": items}
    return dict(found, minItems=least) if least else found


def kind(name: str) -> Schema:
    """A reference to what ``kinds`` defines."""
    return {"$ref": "#/definitions/" + name}
