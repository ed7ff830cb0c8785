# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Check the values of a structured rule's keys, and spell them as iptables-save prints them."""

from __future__ import annotations

import re
from typing import Dict, List, Tuple

from ...address import BOTH, IPV4, IPV6, parse_network, quoted
from ...errors import DrawbridgeError, did_you_mean
from .desired import MAX_CHAIN_NAME, MAX_SET_NAME
from .rule_strings import plain_text
from .saved_ruleset import quote

_INTERFACE = re.compile(r"[A-Za-z0-9_.:@][A-Za-z0-9_.:@-]{0,14}\+?|\+")
_SERVICE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+*-]{0,31}")
_PROTOCOL = re.compile(r"[a-z0-9][a-z0-9.+-]{0,31}")
_CHAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:+@-]*")
_SET = re.compile(r"@?[A-Za-z0-9_][A-Za-z0-9_.:+-]*")
_WORD = re.compile(r"[A-Za-z0-9_.:/,%+@#=\[\]-]+")

# The values of ip_version.
VERSIONS: Dict[str, Tuple[int, ...]] = {"ipv4": (IPV4,), "ipv6": (IPV6,), "both": BOTH}
# In the order in which iptables-save prints them.
_STATES = ("INVALID", "NEW", "RELATED", "ESTABLISHED", "UNTRACKED", "SNAT", "DNAT")


def negated(value: object, path: str) -> Tuple[str, str]:
    """Split a negation: ``"! eth0"`` → ("! ", "eth0"). Raises DrawbridgeError if the value is neither text nor a number."""
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise DrawbridgeError("expected text, got %s" % quoted(value), path)
    text = str(value).strip()
    if text.startswith("!"):
        return "! ", text[1:].strip()
    return "", text


def address(text: str, path: str) -> Tuple[str, int]:
    """Return a network as iptables prints it, and its family. The text for ``0.0.0.0/0`` and ``::/0`` is empty."""
    network = parse_network(text, path)
    return ("" if network.prefix == 0 else str(network)), network.family


def interface(text: str, path: str) -> str:
    if not _INTERFACE.fullmatch(text) or len(text) > 15:
        raise DrawbridgeError("%s is not an interface name" % quoted(text), path, "at most 15 characters, + at the end")
    return text


def port(text: str, path: str) -> str:
    """Check a port: ``80``, ``8000:8010``, ``8000-8010`` or a service name, which iptables resolves."""
    ends = re.split("[:-]", text) if text[:1].isdigit() or text[:1] == ":" else [text]
    if len(ends) > 2 or not ends[0]:
        raise DrawbridgeError("%s is not a port or a range of ports" % quoted(text), path)
    if len(ends) == 1 and not ends[0][:1].isdigit():
        if not _SERVICE.fullmatch(ends[0]):
            raise DrawbridgeError("%s is not a port or a service name" % quoted(text), path)
        return ends[0]
    numbers = [port_number(end, text, path) for end in ends]
    if numbers[0] > numbers[-1]:
        raise DrawbridgeError("the range %s runs backwards" % quoted(text), path)
    return str(numbers[0]) if numbers[0] == numbers[-1] else "%d:%d" % (numbers[0], numbers[-1])


def port_number(text: str, shown: str, path: str) -> int:
    if not re.fullmatch(r"[0-9]{1,5}", text) or int(text) > 65535:
        raise DrawbridgeError("%s: ports are 0 to 65535" % quoted(shown), path)
    return int(text)


def protocol(text: str, path: str) -> str:
    name = text.lower()
    if not _PROTOCOL.fullmatch(name):
        raise DrawbridgeError("%s is not a protocol" % quoted(text), path)
    return {"icmpv6": "ipv6-icmp", "all": ""}.get(name, name)


def chain_name(text: object, path: str) -> str:
    if not isinstance(text, str) or not _CHAIN.fullmatch(text):
        raise DrawbridgeError("%s is not a chain or target" % quoted(text), path)
    if len(text) > MAX_CHAIN_NAME:
        raise DrawbridgeError("%s is longer than %d characters" % (quoted(text), MAX_CHAIN_NAME), path)
    return text


def set_name(text: str, path: str) -> str:
    if not _SET.fullmatch(text) or len(text) > MAX_SET_NAME:
        raise DrawbridgeError("%s is not a set's name" % quoted(text), path, "at most %d characters" % MAX_SET_NAME)
    return text


def states(value: object, path: str) -> str:
    """Return connection states, sorted as iptables-save sorts them."""
    given = value if isinstance(value, list) else str(value).split(",")
    wanted = []
    for index, state in enumerate(given):
        name = str(state).strip().upper()
        if name not in _STATES:
            raise DrawbridgeError(
                "%s is not a connection state" % quoted(state), "%s[%d]" % (path, index), "one of " + ", ".join(_STATES)
            )
        wanted.append(name)
    if not wanted:
        raise DrawbridgeError("the list is empty", path)
    return ",".join(name for name in _STATES if name in wanted)


def text_value(value: object, path: str, limit: int) -> str:
    """Return free text (a comment, a log prefix), quoted. Quotes and backslashes in it are refused: tools that read these rules back
    disagree about them, and no comment needs one."""
    if not isinstance(value, (str, int)) or isinstance(value, bool):
        raise DrawbridgeError("expected text, got %s" % quoted(value), path)
    text = str(value)
    plain_text(text, path, limit)
    if len(text.encode("utf-8")) > limit:
        raise DrawbridgeError("longer than %d bytes: %s" % (limit, quoted(text)), path)
    if not text or any(char in text for char in "\"'\\`"):
        raise DrawbridgeError("quotes and backslashes are not allowed, nor is nothing: %s" % quoted(text), path)
    if text.startswith("-"):
        raise DrawbridgeError("%s starts with a dash" % quoted(text), path)
    return quote(text)


def word(value: object, path: str) -> str:
    """Return one word without white space or quotes, for an argument that iptables itself checks."""
    if isinstance(value, bool) or not isinstance(value, (str, int)) or not _WORD.fullmatch(str(value)):
        raise DrawbridgeError("%s is not a single plain word" % quoted(value), path)
    if str(value).startswith("-"):
        raise DrawbridgeError("%s starts with a dash" % quoted(value), path)
    return str(value)


def listed(value: object) -> List[object]:
    """Return a list: the value itself, or a list of the one value."""
    return value if isinstance(value, list) else [value]


def families_of(value: object, path: str) -> Tuple[int, ...]:
    """Return the families of ``ip_version``: ipv4, ipv6 or both."""
    if not isinstance(value, str) or value not in VERSIONS:
        raise DrawbridgeError("%s is not one of %s" % (quoted(value), ", ".join(VERSIONS)), path, did_you_mean(value, VERSIONS))
    return VERSIONS[value]
