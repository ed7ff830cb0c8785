# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Turn set entries that users wrote into the spelling of ``ipset save``.

An entry that is equal to one of the live set is spelt correctly. Plain addresses and networks are spelt here. All other entries (ranges,
services, options) are loaded into an ipset in a throwaway namespace and read back.
"""

from __future__ import annotations

import re
from typing import Callable, Dict, FrozenSet, Iterable, List, Optional, Set

from ...address import IPV4, IPV6, halves, parse_network, quoted
from ...errors import DrawbridgeError
from .desired import SetType
from .timed_entries import split_end, with_end

# The allowed characters of an entry. A first letter that is no hexadecimal digit would be a host name.
_ENTRY = re.compile(r"[0-9A-Fa-f:\[][0-9A-Za-z:./,\[\]%+@_-]*( nomatch| timeout [0-9]+| comment \"[^\"\\\x00-\x1f]*\")*")
_PLAIN = re.compile(r"[0-9A-Fa-f:.]+(/[0-9.]+)?")
_PORT = re.compile(r"[0-9]{1,5}")
_NUMBERED = re.compile(r"(?:tcp|udp|sctp):[0-9]{1,5}")
_INTERFACE = re.compile(r"[A-Za-z0-9_.@-]{1,15}")
# Patterns for the parts of an entry between commas, by the part's name in the set's type. ipset itself checks the rest.
_RANGE = re.compile(r"(?:[0-9A-Fa-f:.]+(?:/[0-9.]+)?|[0-9.]+-[0-9.]+|[0-9A-Fa-f:]+-[0-9A-Fa-f:]+)")
_PARTS = {
    "ip": _RANGE,
    "net": _RANGE,
    "port": re.compile(r"(?:[a-z0-9-]{1,20}:)?[A-Za-z0-9/-]{1,40}"),
    "iface": re.compile(r"(?:physdev:)?[A-Za-z0-9_.:@-]{1,15}"),
}

# Loads entries into a throwaway set of this type and family, and returns ipset's output.
KernelSpelling = Callable[[SetType, int, List[str]], Iterable[str]]


def canonical_entries(
    written: Iterable[str],
    kind: SetType,
    family: int,
    live: Optional[FrozenSet[str]],
    kernel: KernelSpelling,
    path: Optional[str] = None,
) -> FrozenSet[str]:
    """Return the entries of one family in the kernel's spelling. Entries of the other family are left out."""
    wanted = written if isinstance(written, (set, frozenset)) else frozenset(written)
    unknown = wanted - live if live else wanted
    result: Set[str] = set()
    judged: List[str] = []
    one_family = kind.has_family
    for entry in unknown:
        if one_family and family_of(entry) != family:
            continue
        spelt = _spelt(entry, kind, path)
        if spelt is None:
            judged.append(_checked(entry, kind, path))
        else:
            result.update(spelt)
    if judged:
        result.update(kernel(kind, family, sorted(judged)))
    # Building a new set of 100,000 entries takes a while. Most often all entries are spelt correctly already.
    return frozenset(wanted if result == unknown else (wanted - unknown) | result)


def family_of(entry: str) -> int:
    """Return an entry's family, by its first address."""
    return IPV6 if ":" in entry.partition(",")[0].partition(" ")[0] else IPV4


def _spelt(entry: str, kind: SetType, path: Optional[str]) -> Optional[Iterable[str]]:
    """Return the kernel's spelling if it is known without asking the kernel, else None."""
    if kind.name == "hash:net":
        alone, time = split_end(entry)
        if _PLAIN.fullmatch(alone):
            return [with_end(half, time) for half in halves(parse_network(alone, path))]
    if kind.name == "hash:ip" and _PLAIN.fullmatch(entry):
        network = parse_network(entry, path)
        return (network.address,) if network.is_host else None
    if kind.name == "bitmap:port" and _PORT.fullmatch(entry) and int(entry) <= 65535:
        return (str(int(entry)),)
    if kind.name in ("hash:ip,port", "hash:net,iface"):
        return _spelt_pair(entry, kind.name, path)
    return None


def _spelt_pair(entry: str, kind: str, path: Optional[str]) -> Optional[Iterable[str]]:
    """Spell an address with a numbered port, or a network with an interface. None if the kernel must be asked."""
    first, _comma, second = entry.partition(",")
    if not _PLAIN.fullmatch(first) or not (_NUMBERED if kind == "hash:ip,port" else _INTERFACE).fullmatch(second):
        return None
    network = parse_network(first, path)
    if kind == "hash:net,iface":
        return ("%s,%s" % (network.address if network.is_host else network, second),)
    protocol, _colon, port = second.partition(":")
    return ("%s,%s:%d" % (network.address, protocol, int(port)),) if network.is_host and int(port) <= 65535 else None


def _checked(entry: str, kind: SetType, path: Optional[str]) -> str:
    """Return the entry. Raises DrawbridgeError if it contains a second entry, or a host name, which ipset would look up."""
    parts = entry.partition(" ")[0].split(",")
    names = kind.name.partition(":")[2].split(",")
    fits = len(parts) == len(names) and all(
        name not in _PARTS or _PARTS[name].fullmatch(part) for name, part in zip(names, parts)
    )
    if not fits or len(entry) > 300 or not _ENTRY.fullmatch(entry):
        raise DrawbridgeError(
            "%s is not an entry of a %s" % (quoted(entry), kind.name), path, "host names are not accepted; a published list can be a feed"
        )
    for name, part in zip(names, parts):
        if name in ("ip", "net"):
            for end in part.split("-"):
                parse_network(end, path)
    return entry


def split_entries(text: str) -> FrozenSet[str]:
    """Return a file's entries, one per line, without blank lines and # comments."""
    if "#" in text:
        text = re.sub(r"[ \t]*#.*", "", text)
    lines = frozenset(text.replace("\r", "").split("\n"))
    stripped: Dict[str, None] = {}
    if any(line[:1].isspace() or line[-1:].isspace() for line in lines if line):
        stripped = dict.fromkeys(line.strip() for line in lines)
        lines = frozenset(stripped)
    return lines - {""}
