# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Rules of nftables in words: much as ``nft list ruleset`` prints them, made of its JSON. Pure."""

from __future__ import annotations

from typing import List

from ....host.system.json_values import JsonObject, mapping, text

_FINAL = ("accept", "drop", "return", "continue", "notrack")
_TRANSLATIONS = ("dnat", "snat", "masquerade", "redirect")


def rule_words(statements: List[JsonObject], comment: str) -> str:
    """Return a rule on one line. Counters are left out."""
    words = [statement_words(statement) for statement in statements if "counter" not in statement]
    return " ".join([word for word in words if word] + (['comment "%s"' % comment] if comment else []))


def statement_words(statement: JsonObject) -> str:
    """Return one statement in words."""
    name = next(iter(statement), "")
    inner = statement.get(name)
    found = mapping(inner)
    if name == "match":
        return match_words(found)
    if name in _FINAL:
        return name
    if name in ("jump", "goto"):
        return "%s %s" % (name, text(found.get("target")))
    if name == "vmap":
        return "%s vmap %s" % (_words(found.get("key")), _words(found.get("data")))
    if name == "mangle":
        return "%s set %s" % (_words(found.get("key")), _words(found.get("value")))
    if name == "reject":
        return " ".join(word for word in ("reject", text(found.get("type")), _words(found.get("expr", ""))) if word)
    if name in _TRANSLATIONS:
        return _translation(name, found)
    if name == "set" and "op" in found:
        return "%s %s { %s }" % (text(found.get("op")), text(found.get("set")), _words(found.get("elem")))
    if name == "limit":
        return "limit %s" % (_words(inner) if not found else "rate %s%s/%s" % ("over " if found.get("inv") else "", found.get("rate"), found.get("per")))
    if name == "log":
        return 'log prefix "%s"' % text(found.get("prefix")) if found.get("prefix") else "log"
    return ("%s %s" % (name, " ".join(map(_words, found.values())) if found else _words(inner))).strip()


def match_words(found: JsonObject) -> str:
    """Return a match in words."""
    operator = {"==": "", "in": ""}.get(text(found.get("op")), text(found.get("op")) + " ")
    return "%s %s%s" % (_words(found.get("left")), operator, _words(found.get("right")))


def _translation(name: str, found: JsonObject) -> str:
    family, address, port = text(found.get("family")), found.get("addr"), found.get("port")
    place = "" if address is None else _words(address)
    if port is not None:
        place = "%s:%s" % ("[%s]" % place if ":" in place else place, _words(port))
    return " ".join([name] + ([family] if family and place else []) + (["to", place] if place else []))


def _words(value: object) -> str:
    if isinstance(value, bool):
        return "exists" if value else "missing"
    if isinstance(value, list):
        return ",".join(_words(item) for item in value)
    found = mapping(value)
    name = next(iter(found), "")
    inner = found.get(name)
    if not found:
        return "" if value is None else str(value)
    return _nested(name, inner, mapping(inner))


def _nested(name: str, inner: object, found: JsonObject) -> str:
    """An expression, or an element, of this name."""
    parts = inner if isinstance(inner, list) else []
    if name in ("payload", "exthdr", "ip option", "tcp option"):
        return " ".join(word for word in (text(found.get("protocol") or found.get("name")), text(found.get("field"))) if word)
    if name in ("meta", "socket", "rt"):
        key = text(found.get("key"))
        return key if name == "meta" and (key.startswith(("iif", "oif")) and len(key) in (3, 7)) else "%s %s" % (name, key)
    if name == "ct":
        return " ".join(word for word in ("ct", text(found.get("dir")), text(found.get("key"))) if word)
    if name == "fib":
        flags = found.get("flags")
        return "fib %s %s" % (" . ".join(map(str, flags)) if isinstance(flags, list) else flags, text(found.get("result")))
    if name == "prefix":
        return "%s/%s" % (found.get("addr"), found.get("len"))
    if name == "range":
        return "-".join(_words(part) for part in parts)
    if name == "concat":
        return " . ".join(_words(part) for part in parts)
    if name == "set":
        return "{ %s }" % ", ".join(" : ".join(map(_words, part)) if isinstance(part, list) else _words(part) for part in parts)
    if name == "map":
        return "%s map %s" % (_words(found.get("key")), _words(found.get("data")))
    if name == "elem":
        return _words(found.get("val"))
    if name in ("&", "|", "^", "<<", ">>"):
        return (" %s " % name).join(_words(part) for part in parts)
    if name in _FINAL or name in ("jump", "goto"):
        return statement_words({name: inner})
    return ("%s %s" % (name, " ".join(map(_words, found.values())) if found else _words(inner))).strip()
