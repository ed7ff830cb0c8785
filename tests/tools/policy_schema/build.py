# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""The files of docs/schema: a policy, a fragment, and a file of variables with fragments in it.

They are of draft 07, the newest that all editors' language servers for YAML read.
"""
from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from .beyond import BEYOND
from .kinds import single_values
from .patterns import Schema, kind
from .sections import mappings
from .words import Words

ROOT = Path(__file__).resolve().parents[3]
FOLDER = ROOT / "docs" / "schema"
FRAGMENTS = "^host_policy__"
_DRAFT = "http://json-schema.org/draft-07/schema#"
_COMMENT = "SPDX-License-Identifier: GPL-3.0-or-later. Copyright: (c) 2026, The Drawbridge authors. Written by \"make schema\" from the parser's tables."
_TEMPLATE: Schema = {"type": "string", "pattern": r"\{\{|\{%"}


def documents() -> dict[str, Schema]:
    """The schemas by the names of their files."""
    found = {**single_values(), **mappings(Words())}
    with_templates = {name: _templated(schema) for name, schema in found.items()}
    with_templates["template"] = {"description": "a template of Ansible's", **_TEMPLATE}
    return {
        "policy.json": _document("A policy of drawbridge.docker, or a profile", found, "policy", kind("policy")),
        "fragment.json": _document("A fragment of a policy of drawbridge.docker", found, "fragment", kind("fragment")),
        "variables.json": _document("Ansible variables, some of which are fragments of a policy of drawbridge.docker", with_templates, "fragment", {
            "type": "object", "patternProperties": {FRAGMENTS: _or_template(kind("fragment"))},
        }),
    }


def _document(title: str, definitions: dict[str, Schema], top: str, schema: Schema) -> Schema:
    used = _reached(top, definitions) | ({"template"} & set(definitions))
    head = {"$schema": _DRAFT, "$comment": _COMMENT, "title": title, "description": "What it cannot tell: %s." % "; ".join(reason.what for reason in BEYOND)}
    # Beside a reference nothing else counts.
    body = {"allOf": [schema]} if "$ref" in schema else schema
    return {**head, **body, "definitions": {name: definitions[name] for name in sorted(used)}}


def _reached(name: str, definitions: dict[str, Schema]) -> set[str]:
    """The definitions that one leads to, with itself."""
    found: set[str] = set()
    ahead = [name]
    while ahead:
        here = ahead.pop()
        if here not in found:
            found.add(here)
            _each(definitions[here], lambda schema: ahead.append(schema["$ref"].rpartition("/")[2]) if "$ref" in schema else None)
    return found


def _each(value: object, seen: Callable[[Schema], None]) -> None:
    if isinstance(value, dict):
        seen(value)
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        _each(item, seen)


def _or_template(schema: Schema) -> Schema:
    told = {key: value for key, value in schema.items() if key == "description"}
    return {"anyOf": [{key: value for key, value in schema.items() if key != "description"}, kind("template")], **told}


def _templated(schema: Schema) -> Schema:
    """The same, but each value of a mapping and each item of a list may be a template. Rules about keys that go together stay: no template makes keys."""
    found = dict(schema)
    if "properties" in found:
        found["properties"] = {key: _or_template(value) if value is not False else value for key, value in found["properties"].items()}
    if "then" in found:
        found["then"] = _templated(found["then"])
    if "patternProperties" in found:
        found["patternProperties"] = {key: _or_template(value) for key, value in found["patternProperties"].items()}
    if isinstance(found.get("additionalProperties"), dict):
        found["additionalProperties"] = _or_template(_templated(found["additionalProperties"]))
    if "items" in found:
        found["items"] = _or_template(_templated(found["items"]))
    if "anyOf" in found:
        found["anyOf"] = [_templated(way) for way in found["anyOf"]]
    return found


def texts() -> dict[Path, str]:
    """The files as they are to be."""
    return {FOLDER / name: json.dumps(schema, indent=1, ensure_ascii=False) + "\n" for name, schema in documents().items()}
