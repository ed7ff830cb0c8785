# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The audit as one HTML page that needs nothing else. Pure but for its own three files.

What hosts told is in the page as JSON, which no browser takes for markup or for a program: ``<``, ``>`` and ``&`` are escaped, and all that is not ASCII. The
page's program shows it as text only. A policy in the page itself lets run nothing but that program, and ask nobody for anything.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
from typing import Dict, List, Mapping, Sequence, Tuple

from ansible_collections.drawbridge.docker.plugins.plugin_utils.audit.hosts import AUDITED, Host, mapping, mappings, values
from ansible_collections.drawbridge.docker.plugins.plugin_utils.audit.table import engine_words, summed

_FACTS = ("Engine", "docker-proxy", "At boot", "Event service")
_STATES = ("open", "closed", "some", "unknown", "none")
_KINDS = ("internet", "link", "given", "set", "network")
_MARKS = re.compile(r"@(STYLE|SCRIPT|DATA|STYLE_HASH|SCRIPT_HASH)@")
_ESCAPED = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"}


def page(hosts: Sequence[Host]) -> str:
    """Return the page. It is ASCII."""
    style, script = _own("page.css"), _own("page.js")
    parts = {"STYLE": style, "SCRIPT": script, "STYLE_HASH": _digest(style), "SCRIPT_HASH": _digest(script), "DATA": as_json(content(hosts))}
    # One pass, so that nothing in the data is taken for a mark.
    return _MARKS.sub(lambda found: parts[found.group(1)], _own("page.html"))


def as_json(value: object) -> str:
    """Return JSON that may stand in a script element."""
    text = json.dumps(value, ensure_ascii=True, separators=(",", ":"))
    return re.sub("[<>&]", lambda found: _ESCAPED[found.group()], text)


def _own(name: str) -> str:
    with open(os.path.join(os.path.dirname(__file__), name), encoding="ascii") as stream:
        return stream.read()


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode("ascii")).digest()).decode("ascii")


class _Pools:
    """What many hosts and cells share, each told once and known by its number. A text that is not there has the number -1."""

    def __init__(self) -> None:
        self.texts: Dict[str, int] = {}
        self.steps: Dict[Tuple[object, ...], int] = {}
        self.paths: Dict[Tuple[int, ...], int] = {}
        self.packets: Dict[Tuple[int, ...], int] = {}
        self.answers: Dict[Tuple[int, ...], int] = {}

    def text(self, value: object) -> int:
        return -1 if value is None or value == "" else self.texts.setdefault(str(value), len(self.texts))

    def step(self, step: Mapping[str, object]) -> int:
        rule = step.get("rule")
        words = [self.text(step.get(key)) for key in ("table", "chain", "text", "change", "variant")]
        key = (*words[:2], rule if isinstance(rule, int) else None, *words[2:])
        return self.steps.setdefault(key, len(self.steps))

    def path(self, numbers: Tuple[int, ...]) -> int:
        return self.paths.setdefault(numbers, len(self.paths))

    def packet(self, asked: Mapping[str, object]) -> int:
        key = tuple(self.text(asked.get(name)) for name in ("from", "to", "interface"))
        return self.packets.setdefault(key, len(self.packets))

    def answer(self, cell: Mapping[str, object], paths: Sequence[int]) -> int:
        """paths: the numbers of the host's paths."""
        state, path = str(cell.get("state")), cell.get("path")
        key = (
            _STATES.index(state) if state in _STATES else _STATES.index("unknown"), self.text(cell.get("reason")),
            self.text(mapping(cell.get("end_point")).get("text")), paths[path] if isinstance(path, int) and 0 <= path < len(paths) else -1,
        )  # fmt: skip
        return self.answers.setdefault(key, len(self.answers))


def content(hosts: Sequence[Host]) -> Dict[str, object]:
    """Return what the page's program shows. page.js says what the numbers of a cell are."""
    pools = _Pools()
    zones = _zones(hosts)
    shown = [_host(host, zones, pools) for host in hosts]
    told: Dict[str, object] = {"sum": summed(hosts), "facts": _FACTS, "zones": list(zones), "hosts": shown, "texts": list(pools.texts)}
    for name in ("steps", "paths", "packets", "answers"):
        told[name] = [list(item) for item in getattr(pools, name)]
    return told


def _zones(hosts: Sequence[Host]) -> Dict[str, int]:
    """Return the zones' numbers by name: by kind, then those of most hosts first."""
    kinds: Dict[str, int] = {}
    counts: Dict[str, int] = {}
    for host in hosts:
        for zone in mappings(mapping(host.told.get("reachability")).get("zones")):
            name, kind = str(zone.get("name")), str(zone.get("kind"))
            kinds.setdefault(name, _KINDS.index(kind) if kind in _KINDS else len(_KINDS))
            counts[name] = counts.get(name, 0) + 1
    ordered = sorted(counts, key=lambda name: (kinds[name], -counts[name], name))
    return {name: number for number, name in enumerate(ordered)}


def _host(host: Host, zones: Mapping[str, int], pools: _Pools) -> Dict[str, object]:
    reachability = mapping(host.told.get("reachability"))
    steps = [pools.step(step) for step in mappings(reachability.get("steps"))]
    paths = [
        pools.path(tuple(steps[number] for number in values(path) if isinstance(number, int) and 0 <= number < len(steps)))
        for path in values(reachability.get("paths"))
    ]
    return {
        "name": host.name, "result": host.result, "message": host.message, "facts": _facts(host),
        "findings": [[found.severity, *map(pools.text, (found.id, found.message, found.remedy, *found.evidence))] for found in host.findings],
        "targets": [_target(target, zones, paths, pools) for target in mappings(reachability.get("targets"))],
    }  # fmt: skip


def _facts(host: Host) -> List[str]:
    if host.result != AUDITED:
        return [""] * len(_FACTS)
    engine = mapping(host.told.get("engine"))
    return [engine_words(host), str(engine.get("userland_proxy")), str(host.told.get("boot_restore")), str(host.told.get("event_service"))]


def _target(target: Mapping[str, object], zones: Mapping[str, int], paths: Sequence[int], pools: _Pools) -> List[object]:
    family, address, into = str(target.get("family")), target.get("address"), target.get("container_port")
    shown = str(address or ("0.0.0.0" if family == "ipv4" else "::"))
    cells: List[int] = []
    for cell in mappings(target.get("reach")):
        zone = zones.get(str(cell.get("zone")))
        if zone is not None:
            cells += [zone, pools.packet(mapping(cell.get("asked"))), pools.answer(cell, paths)]
    words = (target.get("kind"), family, shown, target.get("port"), target.get("protocol"), target.get("name"), into if isinstance(into, int) else None)
    return [*map(pools.text, words), cells]
