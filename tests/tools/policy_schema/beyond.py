# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""What a schema cannot say of a policy. The parser refuses it, by an error that is known here: a test holds the two to this list."""
from __future__ import annotations

from typing import NamedTuple


class Reason(NamedTuple):
    """what: for readers of the schema. error: how the parser's message is known, a pattern. example: a policy that only the parser refuses."""

    what: str
    error: str
    example: dict[str, object]


def _published(**entry: object) -> dict[str, object]:
    return {"published_ports": {"allow": [{"port": 80, "sources": ["any"], **entry}]}}


def _inside(**rules: object) -> dict[str, object]:
    return {"containers": [{"name": "web", "section": "s", **rules}]}


def _opened(**port: object) -> dict[str, object]:
    return {"open_ports": [{"name": "web", "port": 80, "container_port": 80, "sources": [], **port}]}


_TWO_MODES: list[dict[str, object]] = [{"port": 80, "sources": [], "mode": mode} for mode in ("observe", "enforce")]
_TWICE: list[dict[str, object]] = [{"name": "web", "default": "deny"}, {"name": "web", "default": "allow"}]

BEYOND = (
    Reason("whether a text of an address's characters is an address, and whether a mask is one", "'[0-9A-Fa-f:.]+(/[0-9.]+)?' is not an IP address or network",
           _published(sources=["1::2::3"])),
    Reason("that no packet has an IPv4 address written as IPv6", "an IPv4 address written as IPv6", _published(sources=["::ffff:192.0.2.1"])),
    Reason("that a range of ports ends before it begins", "the range ends before it begins", _published(port="90-80")),
    Reason("that a feed's min is more than its max", "min is more than max", {"address_sets": {"a": {"url": "https://a/", "min": 7, "max": 6}}}),
    Reason("how many days a month has", "there is no time ", {"address_sets": {"a": [{"address": "192.0.2.1", "until": "2026-02-30T18:00Z"}]}}),
    Reason("that 80.0 is no whole number", r"'-?[0-9]+\.0'", _published(port=80.0)),
    Reason("that an entry's sources have none of its address's family", r"none of these is IPv[46]", _published(address="192.0.2.1", sources=["::1"])),
    Reason("that entries about one port have different modes", "about the same port", {"published_ports": {"allow": _TWO_MODES}}),
    Reason("that an entry names containers where everything else is open", "needs default: deny",
           {"published_ports": {"default": "allow", "allow": [{"container": "web", "container_port": 80, "sources": []}]}}),
    Reason("that an entry names a zone that nobody defines", "unknown zone ", {"published_ports": {"allow": [{"port": 80, "zones": ["vpn"]}]}}),
    Reason("how many bytes a comment has", "longer than [0-9]+ bytes", _published(comment="é" * 41)),
    Reason("that a text is not valid UTF-8", "not valid UTF-8", _published(comment="\ud800")),
    Reason("characters of a Docker network's name that nobody can see", r"\\.* is not the name of a Docker network",
           {"masquerade": {"networks": {"a\x07b": True}}}),
    Reason("that the addresses of masquerading are two of one family, or of another than the subnet", "two addresses of one family|of the other family",
           {"masquerade": {"all": ["192.0.2.1", "192.0.2.2"]}}),
    Reason("that a subnet, containers or a section stand twice", "the same (subnet|containers|section) ", {"egress": {"containers": _TWICE}}),
    Reason("that an address is of another family than ip_version", "the address is not of", _opened(address="192.0.2.1", ip_version="ipv6")),
    Reason("that an opened port's address is the loopback's", "the loopback cannot be led", _opened(address="127.0.0.1")),
    Reason("which chains a table has", "has no chain", _inside(table="raw")),
    Reason("what a rule inside a container says behind its keys", r"^[^:]*\.rules\b", _inside(rules=["-A INPUT -j DROP"])),
)
