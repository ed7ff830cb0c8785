# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The ways out as plain data again, in the form that users write, and where each part came from."""

from __future__ import annotations

from typing import Any, Dict, Iterator, List, Tuple

from .egress import Access, Block, Egress
from .model import DENY, Entry, Sources
from .plain import plain_sources, ports_data, sources_data


def egress_data(egress: Egress) -> Dict[str, Any]:
    """What :func:`.egress.parse_egress` reads back as the same."""
    data = _block(egress.general)
    if egress.networks:
        data["networks"] = {name: _block(block) for name, block in sorted(egress.networks.items())}
    if egress.containers:
        data["containers"] = [dict([selector], **_block(block)) for selector, block in egress.containers.items()]
    return data


def _block(block: Block) -> Dict[str, Any]:
    data: Dict[str, Any] = {} if block.default is None else {"default": block.default}
    for key, entries in (("deny", block.deny), ("allow", block.allow)):
        if entries:
            data[key] = [_entry(entry) for entry in entries]
    if block.dns is not None:
        data["dns"] = _dns(block.dns)
    for key, access in (("host", block.host), ("peers", block.peers)):
        if access is not None:
            data[key] = _access(access, key)
    return data


def _entry(entry: Entry) -> Dict[str, Any]:
    data: Dict[str, Any] = {"protocol": entry.target.protocol, "destination": sources_data(entry.sources)}
    return data if entry.target.ports is None else dict(data, port=ports_data(entry.target.ports))


def _dns(sources: Sources) -> Any:
    if sources.everybody:
        return True
    return sources_data(sources) or False


def _access(access: Access, key: str) -> Any:
    if access.verdict != DENY or not access.entries:
        return access.verdict
    entries = [_entry(entry) for entry in access.entries]
    # Services of the host have no destination: it is the host.
    return [{name: value for name, value in entry.items() if key == "peers" or name != "destination"} for entry in entries]


def egress_places(egress: Egress, path: str) -> Dict[str, str]:
    """Places in :func:`egress_data` under ``path`` → the places where the user wrote it."""
    found = dict(_places(egress.general, path))
    for name, block in egress.networks.items():
        found.update(_places(block, "%s.networks.%s" % (path, name)))
    for index, block in enumerate(egress.containers.values()):
        found.update(_places(block, "%s.containers[%d]" % (path, index)))
    return found


def _places(block: Block, path: str) -> Iterator[Tuple[str, str]]:
    yield path, block.path
    listed: List[Tuple[str, Tuple[Entry, ...]]] = [("deny", block.deny), ("allow", block.allow)]
    for key, access in (("host", block.host), ("peers", block.peers)):
        if access is not None:
            yield "%s.%s" % (path, key), access.path
            listed.append((key, access.entries))
    for key, entries in listed:
        for index, entry in enumerate(entries):
            place = "%s.%s[%d]" % (path, key, index)
            yield place, entry.path
            plain = len(plain_sources(entry.sources))
            for offset, reference in enumerate(entry.sources.sets):
                yield "%s.destination[%d]" % (place, plain + offset), reference.path
