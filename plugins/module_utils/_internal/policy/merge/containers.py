# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Merge the fragments' open ports and rules inside containers."""

from __future__ import annotations

from typing import Dict, List, Tuple

from ...engine.containers.selector import Selector
from ..language.container_rules import ContainerRules
from ..language.open_ports import OpenPort
from ..values.entries import together
from .weights import Statement, agreed, by_key


def merge_open_ports(sections: List[Statement[Tuple[OpenPort, ...]]]) -> Tuple[OpenPort, ...]:
    """Merge per port. The heaviest fragments decide. They have to agree on where the port leads; their sources add up."""
    stated = [(port.target, Statement(item.fragment, port)) for item in sections for port in item.value]
    found = []
    for _target, items in by_key(stated):
        agreed([Statement(item.fragment, _leads_to(item.value), item.value.entry.path) for item in items])
        found.append(items[0].value._replace(entry=together([item.value.entry for item in items])))
    return tuple(found)


def _leads_to(port: OpenPort) -> Dict[str, object]:
    return dict(
        _chosen(port.selector),
        container_port=port.container_port,
        families=list(port.families),
        masquerade=port.masquerade,
        on_missing="ignore" if port.ignores_missing else "fail",
    )


def merge_containers(sections: List[Statement[Tuple[ContainerRules, ...]]]) -> Tuple[ContainerRules, ...]:
    """Merge per section and selector. The heaviest fragments decide, and have to agree."""
    stated = [(rules.key, Statement(item.fragment, rules)) for item in sections for rules in item.value]
    found = []
    for _key, items in by_key(stated):
        agreed([Statement(item.fragment, item.value.arguments, item.value.path) for item in items])
        found.append(items[0].value)
    return tuple(found)


def _chosen(selector: Selector) -> Dict[str, object]:
    return {key: value for key, value in selector._asdict().items() if value}
