# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Parse users' lists of addresses, and the feeds that lists come from. Long lists are fast: 10,000 plain addresses take a few milliseconds."""

from __future__ import annotations

import re
from socket import AF_INET, AF_INET6, inet_ntop, inet_pton
from typing import Callable, Dict, List, NamedTuple, Optional, Set, Tuple

from ...address import FAMILIES, IPV4, IPV6, Network, halves, parse_network, quoted
from ...errors import DrawbridgeError
from ..feeds.feed import Bounds, Feed
from . import check
from .values import Addresses

FEED_KEYS: check.Keys = {
    "url": "feed_url", "src": "feed_file", "format": "feed_format", "query": "feed_query", "min": "feed_count", "max": "feed_count", "inside": "networks",
    "checksum": "checksum", "ca_path": "feed_file", "allow_http": "boolean", "timeout": "feed_timeout",
}  # fmt: skip
TEXT, JSON = "text", "json"
FORMATS = (TEXT, JSON)
# No user and no password: an address of this kind is shown.
URL = re.compile(r"https?://[A-Za-z0-9.:\[\]-]+(?:[/?][!-~]*)?\Z")
PLAIN_HTTP = re.compile(r"http://.*\Z")
CHECKSUM = re.compile(r"sha256:[0-9A-Fa-f]{64}\Z")
MOST_FED = 65536
MOST_SECONDS = 300
OF_URLS = ("ca_path", "allow_http", "timeout")
# What the controller puts in the place of a feed that it fetched. Users cannot write it: the controller takes it for an unknown key.
_FETCHED: check.Keys = {"fetched": "fetched"}


class FeedSource(NamedTuple):
    """A feed as the user describes it. url, src: one of the two. query: a jmespath expression, for JSON. seconds: for all of the fetching."""

    bounds: Bounds
    url: Optional[str] = None
    src: Optional[str] = None
    format: str = TEXT
    query: Optional[str] = None
    checksum: Optional[str] = None
    ca_path: Optional[str] = None
    allow_http: bool = False
    seconds: int = 30


def parse_addresses(items: List[object], path: str, other: Callable[[object, str], None]) -> Addresses:
    """Return the addresses and networks of a list, per family.

    other: called with each item that is neither, and with its path. If it does not raise, the item is skipped.
    """
    plain4: Set[str] = set()
    plain6: Set[str] = set()
    for index, item in enumerate(items):
        if not isinstance(item, str):
            other(item, "%s[%d]" % (path, index))
            continue
        try:
            if "/" in item:
                network = parse_network(item)
                (plain4 if network.family == IPV4 else plain6).update(halves(network))
            elif ":" in item:
                spelt = inet_ntop(AF_INET6, inet_pton(AF_INET6, item))
                plain6.add(spelt if "." not in spelt else parse_network(item).address)
            else:
                plain4.add(inet_ntop(AF_INET, inet_pton(AF_INET, item)))
        except (OSError, ValueError, DrawbridgeError):
            other(item, "%s[%d]" % (path, index))
    return {IPV4: frozenset(plain4), IPV6: frozenset(plain6)}


def refuse(item: object, path: str) -> None:
    """Raise DrawbridgeError that says why an item of a list is not an address."""
    if not isinstance(item, str):
        raise DrawbridgeError("expected an address or network, got %s" % check.kind(item), path)
    if item.startswith("@"):
        raise DrawbridgeError("%s: a set cannot hold another set" % quoted(item), path)
    if item.lower() == "any":
        raise DrawbridgeError("any cannot be part of a set", path, "write it among an entry's sources")
    parse_network(item, path)
    raise DrawbridgeError("%s is not an IP address or network" % quoted(item), path)


def parse_feed(raw: object, path: str) -> FeedSource:
    """Parse a feed as users write it. Raises DrawbridgeError."""
    given = check.mapping(raw, path, FEED_KEYS)
    if ("url" in given) == ("src" in given):
        raise DrawbridgeError("a feed has a url or a src", path, "one of the two")
    _refuse_without_effect(given, path)
    bounds = _bounds(given, path)
    allow_http = check.boolean(given.get("allow_http", False), path + ".allow_http")
    return FeedSource(
        bounds,
        url=_url(given["url"], allow_http, path + ".url") if "url" in given else None,
        src=_file(given, "src", path),
        format=check.choice(given.get("format", TEXT), path + ".format", FORMATS),
        query=_text(given["query"], path + ".query") if "query" in given else None,
        checksum=_checksum(given["checksum"], path + ".checksum") if "checksum" in given else None,
        ca_path=_file(given, "ca_path", path),
        allow_http=allow_http,
        seconds=check.number(given.get("timeout", 30), path + ".timeout", 1, MOST_SECONDS),
    )


def _refuse_without_effect(given: Dict[str, object], path: str) -> None:
    for key in OF_URLS if "src" in given else ():
        if key in given:
            raise DrawbridgeError("a file is not fetched", "%s.%s" % (path, key), "leave the key out")
    if "query" in given and given.get("format") != JSON:
        raise DrawbridgeError("a text has no query", path + ".query", "format: json")


def _bounds(given: Dict[str, object], path: str) -> Bounds:
    least = check.number(given.get("min", 1), path + ".min", 1, MOST_FED)
    most = check.number(given.get("max", max(least, 5000)), path + ".max", 1, MOST_FED)
    if least > most:
        raise DrawbridgeError("min is more than max", path, "min: %d, max: %d" % (most, least))
    place = path + ".inside"
    inside = check.sequence(given.get("inside", []), place)
    if "inside" in given and not inside:
        raise DrawbridgeError("the list is empty", place, "leave the key out: then every entry is an address on the internet")
    return Bounds(least, most, tuple(_network(item, "%s[%d]" % (place, index)) for index, item in enumerate(inside)))


def _network(item: object, path: str) -> Network:
    if not isinstance(item, str):
        refuse(item, path)
    return parse_network(str(item), path)


def _url(value: object, allow_http: bool, path: str) -> str:
    text = _text(value, path)
    if not URL.match(text):
        raise DrawbridgeError("this is no address of a page, https://host/path", path, "without a user and a password")
    if PLAIN_HTTP.match(text) and not allow_http:
        raise DrawbridgeError("without TLS anybody on the way can write the list", path, "https, or allow_http: true")
    return text


def _checksum(value: object, path: str) -> str:
    text = _text(value, path)
    if not CHECKSUM.match(text):
        raise DrawbridgeError("%s is not a checksum" % quoted(text), path, "sha256: and 64 hexadecimal digits")
    return text.lower()


def _file(given: Dict[str, object], key: str, path: str) -> Optional[str]:
    if key not in given:
        return None
    place = "%s.%s" % (path, key)
    text = _text(given[key], place)
    if "\0" in text:
        raise DrawbridgeError("%s is not the name of a file" % quoted(text), place)
    return text


def _text(value: object, path: str) -> str:
    if not isinstance(value, str) or not value:
        raise DrawbridgeError("expected a text, got %s" % (check.kind(value) if value != "" else "an empty one"), path)
    return value


def fetched(source: FeedSource, entries: List[str], failure: Optional[str]) -> Dict[str, object]:
    """Return what stands in a feed's place once it was fetched, as JSON values. failure: why its content cannot be used, None if it can."""
    bounds = source.bounds
    return {"fetched": {"least": bounds.least, "most": bounds.most, "inside": [str(item) for item in bounds.inside], "entries": entries, "failure": failure}}


def fed_addresses(raw: object, path: str) -> Tuple[Addresses, Feed]:
    """Return what a feed brought, and the feed. Raises DrawbridgeError. A feed that was not fetched brought nothing."""
    given = check.any_mapping(raw, path)
    if set(given) != set(_FETCHED):
        return {family: frozenset() for family in FAMILIES}, Feed(parse_feed(given, path).bounds, "it was not fetched, which the controller does")
    told = check.any_mapping(given["fetched"], path)
    bounds = _bounds({"min": told["least"], "max": told["most"], **({"inside": told["inside"]} if told["inside"] else {})}, path)
    failure = None if told["failure"] is None else str(told["failure"])
    return parse_addresses(check.sequence(told["entries"], path), path, refuse), Feed(bounds, failure)
