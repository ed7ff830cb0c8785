# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Which ports are opened on a host, read from the chains that open them."""

from __future__ import annotations

import re
from typing import Dict, Iterable, Iterator, List, NamedTuple, Optional

from ..netfilter.save import Ruleset
from ..policy.owners import NAT, PUBLISH
from .chains import MARK, socket_text
from .model import Opening

_LED = re.compile(r"(?:-s \S+ )?(?:-d (\S+)/\d+ )?-p (\w+) .*--dport (\d+) .*-j DNAT --to-destination (\S+)")
_MARKED = re.compile(r'--comment "%s(\w+)"' % MARK)


class Lead(NamedTuple):
    """An opened port: its chain, and where it leads in one family. address: the one it is opened on, None for every one."""

    chain: str
    family: int
    protocol: str
    address: Optional[str]
    port: int
    to: str


def leads(rulesets: Dict[int, Ruleset]) -> List[Lead]:
    """All that are opened, each once."""
    return sorted(set(_leads(rulesets)))


def _leads(rulesets: Dict[int, Ruleset]) -> Iterator[Lead]:
    for family, ruleset in rulesets.items():
        for name, chain in ruleset.tables.get(NAT, {}).items():
            for found in map(_LED.fullmatch, chain.rules) if name.startswith(PUBLISH) else ():
                if found:
                    yield Lead(name, family, found.group(2), found.group(1), int(found.group(3)), found.group(4))


def leads_of(chain: str, opened: Iterable[Opening]) -> List[Lead]:
    """What these will be once they are open."""
    return [
        Lead(
            chain,
            end.family,
            opening.port.target.protocol,
            opening.port.address,
            opening.port.number,
            socket_text(end, opening.port.container_port),
        )
        for opening in opened
        for end in opening.ends
    ]


def mark_of(rulesets: Dict[int, Ruleset], chain: str) -> Optional[str]:
    """Whose a chain is; None where there is no such chain."""
    rules = [rule for ruleset in rulesets.values() for rule in ruleset.rules(NAT, chain)]
    marks = [found.group(1) for found in map(_MARKED.search, rules) if found]
    return marks[0] if marks else None
