# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Parse a policy's ``tests``: who is to reach what, and who is not. docs/guides/policy-tests.md has the user's side."""

from __future__ import annotations

import re
from typing import Dict, List, NamedTuple, Optional, Tuple

from ...address import Network, parse_network, quoted
from ...errors import DrawbridgeError
from ...netfilter.rules.fields import families_of
from ..values import check
from ..values.entries import WITH_PORTS, parse_sources
from ..values.named_containers import NAME
from ..values.values import ALLOW, DENY, ICMP, NOBODY, Sources

ANY = "any"
HOST = "host"
TEST_KEYS: check.Keys = {
    "from": "test_from", "except": "destinations", "container": "container_name", "interface": "interface", "to": "test_to", "ip_version": "ip_version",
    "expect": "verdict", "comment": "text",
}
TO_KEYS: check.Keys = {"container": "container_name", "address": "host_address", "port": "number_of_port", "protocol": "test_protocol"}
# 5432, 5432/tcp, icmp
_PORT = re.compile(r"([0-9]{1,5})(?:/([A-Za-z]+))?")
# 192.0.2.10:5432/tcp, [2001:db8::10]:53/udp, and an address alone, which is a ping.
_PLACE = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([0-9.]+))(?::([0-9]{1,5})(?:/([A-Za-z]+))?)?")
_HOW = "write 8080, 53/udp, icmp, 192.0.2.10:8080, '[2001:db8::10]:8080' or {container: web, port: 80}"


class Destination(NamedTuple):
    """What a test asks for.

    protocol: tcp, udp, sctp or icmp, which is a ping. port: None for a ping.
    address: None for the host, at its addresses, or for a container. container: a name; None for the host or an address.
    """

    protocol: str
    port: Optional[int]
    address: Optional[Network] = None
    container: Optional[str] = None

    def __str__(self) -> str:
        where = self.container if self.address is None else self.address.address
        end = ICMP if self.port is None else "%d/%s" % (self.port, self.protocol)
        return end if where is None else "%s %s" % (where, end)


class PolicyTest(NamedTuple):
    """One test. path: its place in the user's data, which begins with the fragment's name.

    The packets come from ``sources`` without those in ``spared``, or from ``container`` (a name), or from the host itself (``is_host``).
    interface: the host's interface that they come by; None if routing tells it. families: those that the test is about. expect: allow or deny.
    """

    path: str
    sources: Sources
    spared: Sources
    container: Optional[str]
    is_host: bool
    interface: Optional[str]
    to: Destination
    families: Tuple[int, ...]
    expect: str

    @property
    def allows(self) -> bool:
        return self.expect == ALLOW


def parse_tests(value: object, path: str) -> Tuple[PolicyTest, ...]:
    """Parse a policy's list of tests. Raises DrawbridgeError with the place, as ``policy.tests[2].to``."""
    return tuple(_test(item, "%s[%d]" % (path, index)) for index, item in enumerate(check.sequence(value, path)))


def _test(item: object, path: str) -> PolicyTest:
    given = check.mapping(item, path, TEST_KEYS)
    for key, hint in (("to", _HOW), ("expect", "allow or deny")):
        if key not in given:
            raise DrawbridgeError("%s is missing" % key, path, hint)
    if ("from" in given) == ("container" in given):
        raise DrawbridgeError("a test needs either from or container", path, "from: any, or container: web for what a container sends")
    if "comment" in given and not isinstance(given["comment"], str):
        raise DrawbridgeError("expected a text, got %s" % check.kind(given["comment"]), path + ".comment")
    container = _container(given["container"], path + ".container") if "container" in given else None
    is_host = given.get("from") == HOST
    sources = NOBODY if container is not None or is_host else _sources(given["from"], path + ".from")
    _refuse_unfit(given, container is not None or is_host, path)
    to = _destination(given["to"], path + ".to")
    families = families_of(given.get("ip_version", "both"), path + ".ip_version")
    if to.address is not None:
        if to.address.family not in families:
            raise DrawbridgeError("the address is not of %s" % given["ip_version"], path + ".to")
        families = (to.address.family,)
    return PolicyTest(
        path,
        sources,
        _sources(given["except"], path + ".except") if "except" in given else NOBODY,
        container,
        is_host,
        check.interfaces([given["interface"]], path + ".interface")[0] if "interface" in given else None,
        to,
        families,
        check.choice(given["expect"], path + ".expect", (ALLOW, DENY)),
    )


def _refuse_unfit(given: Dict[str, object], is_one: bool, path: str) -> None:
    """Refuse keys that say nothing about the sender."""
    for key in ("except", "interface"):
        if key in given and is_one:
            raise DrawbridgeError("%s is for addresses, not for a container or the host" % key, "%s.%s" % (path, key))
    name = given.get("interface")
    if isinstance(name, str) and name.endswith("+"):
        raise DrawbridgeError("%s stands for several interfaces" % quoted(name), path + ".interface", "name one")


def _sources(value: object, path: str) -> Sources:
    """One source, or a list of them. A set's place is that of the key, or of the item in the list."""
    if isinstance(value, list):
        return parse_sources(value, path)
    try:
        found = parse_sources([value], path)
    except DrawbridgeError as error:
        raise DrawbridgeError(error.message, path, error.hint) from None
    return found._replace(sets=tuple(reference._replace(path=path) for reference in found.sets))


def _container(value: object, path: str) -> str:
    if not isinstance(value, str) or not NAME.fullmatch(value):
        raise DrawbridgeError("%s is not a container's name" % quoted(value), path)
    return value


def _destination(value: object, path: str) -> Destination:
    if isinstance(value, dict):
        return _of_keys(value, path)
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        raise DrawbridgeError("expected a port, an address and a port, or a mapping, got %s" % check.kind(value), path, _HOW)
    text = str(value).strip()
    if text.lower() == ICMP:
        return Destination(ICMP, None)
    found = _PORT.fullmatch(text)
    if found:
        return Destination(_with_ports(found.group(2), path), _port(found.group(1), path))
    place = _PLACE.fullmatch(text)
    if place:
        return _at(_address(place.group(1) or place.group(2), path), place.group(3), place.group(4), path)
    if text.count(":") > 1 and "/" not in text:
        return _at(_address(text, path), None, None, path)
    raise DrawbridgeError("%s is no destination" % quoted(value), path, _HOW)


def _at(address: Network, port: Optional[str], protocol: Optional[str], path: str) -> Destination:
    if port is None:
        return Destination(ICMP, None, address)
    return Destination(_with_ports(protocol, path), _port(port, path), address)


def _of_keys(value: Dict[str, object], path: str) -> Destination:
    given = check.mapping(value, path, TO_KEYS)
    if "container" in given and "address" in given:
        raise DrawbridgeError("give a container or an address, not both", path)
    protocol = _protocol(given.get("protocol", "tcp" if "port" in given else ICMP), path + ".protocol")
    if (protocol == ICMP) == ("port" in given):
        raise DrawbridgeError("icmp has no ports" if "port" in given else "%s needs a port" % protocol, path + ".port")
    return Destination(
        protocol,
        _port(given["port"], path + ".port") if "port" in given else None,
        _address(given["address"], path + ".address") if "address" in given else None,
        _container(given["container"], path + ".container") if "container" in given else None,
    )


def _protocol(value: object, path: str) -> str:
    return check.choice(value.lower() if isinstance(value, str) else value, path, (*WITH_PORTS, ICMP))


def _with_ports(word: Optional[str], path: str) -> str:
    """Parse the protocol behind a port; TCP if there is none."""
    protocol = _protocol(word or "tcp", path)
    if protocol == ICMP:
        raise DrawbridgeError("icmp has no ports", path, "write icmp, or the address alone")
    return protocol


def _port(value: object, path: str) -> int:
    text = str(value)
    if isinstance(value, (bool, float)) or not text.isascii() or not text.isdigit() or len(text) > 5 or not 1 <= int(text) <= 65535:
        raise DrawbridgeError("%s: ports are from 1 to 65535" % quoted(value), path)
    return int(text)


def _address(value: object, path: str) -> Network:
    if not isinstance(value, str):
        raise DrawbridgeError("expected an address, got %s" % check.kind(value), path)
    network = parse_network(value, path)
    if not network.is_host or "/" in value:
        raise DrawbridgeError("%s: expected one address, not a network" % quoted(value), path)
    return network


def together(lists: List[Tuple[PolicyTest, ...]]) -> Tuple[PolicyTest, ...]:
    """Return the tests of several fragments in one list. What two fragments state alike is tested once, at the first place."""
    found: Dict[Tuple[object, ...], PolicyTest] = {}
    for test in (item for tests in lists for item in tests):
        found.setdefault((_plain(test.sources), _plain(test.spared), *test[3:]), test)
    return tuple(found.values())


def _plain(sources: Sources) -> Tuple[object, ...]:
    """Return what can be looked up, without places."""
    return (sources.everybody, tuple(sources.addresses.items()), tuple(reference.name for reference in sources.sets))
