# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Read rules about ports of containers that an entry names: which ports of the host these are now. Pure."""

from __future__ import annotations

import re
from typing import Dict, Iterable, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from ...netfilter.rules.ownership import called
from ..blocks.engine_sets import EVERY_ADDRESS
from ..values.named_containers import followed

# Entries of the kernel's sets, by the kernel's name.
Held = Mapping[str, Iterable[str]]
_MATCH = re.compile(r"-m set --match-set (DB[A-Z]+-\S+) dst,dst ?")
# What stands for every address: a set cannot hold /0.
_FIRST_HALF, _OTHER_HALF = zip(*EVERY_ADDRESS.values())


class Naming(NamedTuple):
    """A rule that names containers. name: the set's name, the same for both families. ends: where the containers are now, as ``32768``,
    ``192.0.2.1:443`` or ``[2001:db8::1]:443``. rest: the rule without the set."""

    name: str
    ends: List[str]
    rest: str


def naming(text: str, held: Held) -> Optional[Naming]:
    """Read one rule; None for any other."""
    found = _MATCH.search(text)
    if found is None or followed(called(found.group(1))) is None:
        return None
    ends = [_end(address, port) for address, port in _places(held.get(found.group(1), ()))]
    return Naming(called(found.group(1)), ends, _MATCH.sub("", text))


def with_ports(rules: Sequence[str], held: Held) -> List[str]:
    """Return the rules, with one for each address and port in place of a rule that names containers."""
    found: List[str] = []
    for text in rules:
        named = _MATCH.search(text)
        if named is None or followed(called(named.group(1))) is None:
            found.append(text)
            continue
        found += [
            "%s-m %s --dport %s %s" % ("" if address is None else "-d %s " % address, _protocol(text), port, _MATCH.sub("", text))
            for address, port in _places(held.get(named.group(1), ()))
        ]
    return found


def is_named(name: str) -> bool:
    """Whether a kernel's set follows containers that an entry names."""
    return followed(called(name)) is not None


def _protocol(text: str) -> str:
    found = re.search(r"(?:^| )-p (\S+)", text)
    return "all" if found is None else found.group(1)


def _places(entries: Iterable[str]) -> List[Tuple[Optional[str], str]]:
    """Return each entry's address and port, None for every address."""
    found: Dict[Tuple[Optional[str], str], None] = {}
    for entry in sorted(entries):
        address, _comma, port = entry.split(" ")[0].partition(",")
        if address not in _OTHER_HALF:
            found[None if address in _FIRST_HALF else address, port.rpartition(":")[2]] = None
    return list(found)


def _end(address: Optional[str], port: str) -> str:
    if address is None:
        return port
    return "[%s]:%s" % (address, port) if ":" in address else "%s:%s" % (address, port)
