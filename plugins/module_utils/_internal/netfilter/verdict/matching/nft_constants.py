# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Constants of nftables' rules and sets, as nft prints them in JSON: numbers, names of numbers, addresses, ranges, prefixes. Pure.

Each is read as blocks: a prefix length and the value's first bits. A range becomes several blocks. Interface names have no bits: a whole name's
length is ``EXACT``, that of a name with a wildcard is the number of characters ahead of it.
"""

from __future__ import annotations

from typing import Dict, Iterator, List, Tuple, Union

from ....address import number
from ....host.system.json_values import mapping

Part = Union[int, str]
Block = Tuple[int, Part]
EXACT = 1000
NAME = "name"
# The widths of all kinds of values that are numbers.
BITS = {
    "ipv4": 32, "ipv6": 128, "port": 16, "protocol": 8, "number": 32, "icmp type": 8, "icmp code": 8, "icmpv6 type": 8, "icmpv6 code": 8, "flags": 8,
    "state": 32, "status": 32, "label": 128, "ethertype": 16, "family": 8, "pkttype": 8, "address type": 8, "direction": 8,
}  # fmt: skip
TCP_FLAGS = {"fin": 1, "syn": 2, "rst": 4, "psh": 8, "ack": 16, "urg": 32, "ecn": 64, "cwr": 128}
STATES = {"invalid": 1, "established": 2, "related": 4, "new": 8, "untracked": 64}
STATUS = {"expected": 1, "seen-reply": 2, "assured": 4, "confirmed": 8, "snat": 16, "dnat": 32, "dying": 512}
PROTOCOLS = {
    "icmp": 1, "igmp": 2, "ipencap": 4, "tcp": 6, "udp": 17, "dccp": 33, "ipv6": 41, "gre": 47, "esp": 50, "ah": 51, "ipv6-icmp": 58, "icmpv6": 58,
    "comp": 108, "sctp": 132, "udplite": 136,
}  # fmt: skip
ADDRESS_TYPES = {"unspec": 0, "unicast": 1, "local": 2, "broadcast": 3, "anycast": 4, "multicast": 5, "blackhole": 6, "unreachable": 7, "prohibit": 8,
                 "throw": 9}  # fmt: skip
FAMILY_NUMBERS = {4: 2, 6: 10}
_NAMES: Dict[str, Dict[str, int]] = {
    "flags": TCP_FLAGS, "state": STATES, "status": STATUS, "protocol": PROTOCOLS, "address type": ADDRESS_TYPES,
    "family": {"ipv4": 2, "ipv6": 10}, "ethertype": {"ip": 0x0800, "ip6": 0x86DD, "arp": 0x0806}, "direction": {"original": 0, "reply": 1},
    "pkttype": {"unicast": 0, "host": 0, "broadcast": 1, "multicast": 2, "other": 3},
    "icmp type": {"echo-reply": 0, "destination-unreachable": 3, "source-quench": 4, "redirect": 5, "echo-request": 8, "router-advertisement": 9,
                  "router-solicitation": 10, "time-exceeded": 11, "parameter-problem": 12, "timestamp-request": 13, "timestamp-reply": 14,
                  "info-request": 15, "info-reply": 16, "address-mask-request": 17, "address-mask-reply": 18},
    "icmp code": {"net-unreachable": 0, "host-unreachable": 1, "prot-unreachable": 2, "port-unreachable": 3, "frag-needed": 4, "net-prohibited": 9,
                  "host-prohibited": 10, "admin-prohibited": 13},
    "icmpv6 type": {"destination-unreachable": 1, "packet-too-big": 2, "time-exceeded": 3, "parameter-problem": 4, "echo-request": 128, "echo-reply": 129,
                    "mld-listener-query": 130, "mld-listener-report": 131, "mld-listener-done": 132, "mld-listener-reduction": 132,
                    "nd-router-solicit": 133, "nd-router-advert": 134, "nd-neighbor-solicit": 135, "nd-neighbor-advert": 136, "nd-redirect": 137,
                    "router-renumbering": 138, "ind-neighbor-solicit": 141, "ind-neighbor-advert": 142, "mld2-listener-report": 143},
    "icmpv6 code": {"no-route": 0, "admin-prohibited": 1, "addr-unreachable": 3, "port-unreachable": 4, "policy-fail": 5, "reject-route": 6},
}  # fmt: skip


class Unreadable(Exception):
    """A constant whose meaning is not known."""


def value(kind: str, item: object) -> int:
    """Return one number. A list is the sum of its flags. Raises Unreadable."""
    if isinstance(item, bool):
        return int(item)
    if isinstance(item, int):
        return 1 << item if kind == "label" and 0 <= item < BITS[kind] else item
    either = item if isinstance(item, list) else mapping(item).get("|")
    if isinstance(either, list):
        found = 0
        for part in either:
            found |= value(kind, part)
        return found
    if not isinstance(item, str):
        raise Unreadable
    return _of_text(kind, item)


def _of_text(kind: str, item: str) -> int:
    if kind in ("ipv4", "ipv6"):
        try:
            found, bits = number(item)
        except (OSError, ValueError):
            raise Unreadable from None
        if bits != BITS[kind]:
            raise Unreadable
        return found
    name = item.strip().lower()
    if name in _NAMES.get(kind, ()):
        return _NAMES[kind][name]
    try:
        # nft prints some numbers as "0x50 [invalid type]".
        found = int(name.split(" ")[0], 0)
    except ValueError:
        raise Unreadable from None
    return value(kind, found)


def blocks(kind: str, item: object) -> List[Block]:
    """Return the blocks of a constant: a value, a range, a prefix. Raises Unreadable."""
    if kind == NAME:
        return [_name(item)]
    if kind not in BITS:
        raise Unreadable
    bits = BITS[kind]
    if item == "*":
        return [(0, 0)]
    prefix, ends = mapping(mapping(item).get("prefix")), mapping(item).get("range")
    if prefix:
        length = prefix.get("len")
        if not isinstance(length, int) or not 0 <= length <= bits:
            raise Unreadable
        return [(length, _within(kind, prefix.get("addr")) >> (bits - length))]
    if isinstance(ends, list) and len(ends) == 2:
        return list(between(_within(kind, ends[0]), _within(kind, ends[1]), bits))
    return [(bits, _within(kind, item))]


def _within(kind: str, item: object) -> int:
    found = value(kind, item)
    if not 0 <= found < 1 << BITS[kind]:
        raise Unreadable
    return found


def _name(item: object) -> Block:
    if not isinstance(item, str):
        raise Unreadable
    if item.endswith("\\*"):
        return EXACT, item[:-2] + "*"
    return (len(item) - 1, item[:-1]) if item.endswith("*") else (EXACT, item)


def between(low: int, high: int, bits: int) -> Iterator[Block]:
    """Yield the fewest blocks that make up a range."""
    while low <= high:
        size = low & -low or 1 << bits
        while size > high - low + 1:
            size >>= 1
        length = bits - size.bit_length() + 1
        yield length, low >> (bits - length)
        low += size


def cut(kind: str, found: Part, length: int) -> Part:
    """Return a packet's value as the blocks of a length have it."""
    if isinstance(found, int):
        return found >> (BITS[kind] - length)
    return found if length == EXACT else found[:length]
