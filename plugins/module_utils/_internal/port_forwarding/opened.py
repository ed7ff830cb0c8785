# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Read a host's opened ports from the chains that open them."""

from __future__ import annotations

from typing import Dict, Iterable, Iterator, List, NamedTuple, Optional

from ..netfilter.rules.matches import AddressMatch, PortMatch, ProtocolMatch, Translation
from ..netfilter.rules.saved_rule import SavedRule, parse
from ..netfilter.rules.saved_ruleset import Ruleset
from ..policy.blocks.owners import NAT, PUBLISH
from ..policy.language.open_ports import Opening
from .chains import MARK, socket_text


class OpenedPort(NamedTuple):
    """An opened port in one family. chain: its chain. to: where it leads. address: the one it is opened on, None for every one."""

    chain: str
    family: int
    protocol: str
    address: Optional[str]
    port: int
    to: str


def leads(rulesets: Dict[int, Ruleset]) -> List[OpenedPort]:
    """Return all opened ports, each once."""
    return sorted(set(_leads(rulesets)))


def _leads(rulesets: Dict[int, Ruleset]) -> Iterator[OpenedPort]:
    for family, ruleset in rulesets.items():
        for name, chain in ruleset.tables.get(NAT, {}).items():
            for lead in (_lead(name, family, parse(rule)) for rule in chain.rules) if name.startswith(PUBLISH) else ():
                if lead is not None:
                    yield lead


def _lead(chain: str, family: int, rule: SavedRule) -> Optional[OpenedPort]:
    """Return the port that a rule opens; None for a rule that does not lead one port to a container. Sources and other matches, known or not, do not
    matter: the port is open."""
    target = rule.target
    protocol = port = address = None
    for match in rule.asks:
        if isinstance(match, ProtocolMatch) and match.option == "-p" and not match.negated:
            protocol = match.name
        elif isinstance(match, PortMatch) and match.option == "--dport" and match.ports.isdigit() and not match.negated:
            port = int(match.ports)
        elif isinstance(match, AddressMatch) and match.option == "-d":
            if match.negated:
                return None
            address = match.network.partition("/")[0]
    if protocol is None or port is None or not isinstance(target, Translation) or target.name != "DNAT" or target.to is None:
        return None
    return OpenedPort(chain, family, protocol, address, port, target.to)


def leads_of(chain: str, opened: Iterable[Opening]) -> List[OpenedPort]:
    """Return these openings as opened ports, as they will be once they are open."""
    return [
        OpenedPort(
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
    """Return the mark of a chain's owner; None if there is no such chain."""
    rules = [rule for ruleset in rulesets.values() for rule in ruleset.rules(NAT, chain)]
    comments = [comment for rule in rules for comment in parse(rule).comments]
    return next((comment[len(MARK):] for comment in comments if comment.startswith(MARK)), None)
