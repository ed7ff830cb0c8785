# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Parse what the kernel logged about denied packets: journalctl's output, /dev/kmsg, and files that journald, syslog or dmesg wrote.

Only the kernel's own messages count: another program's line that looks like one is left out. Every value is checked, since a file may be anybody's.
"""

from __future__ import annotations

import json
import re
import socket
from datetime import datetime, timezone
from typing import Dict, Iterable, Iterator, NamedTuple, Optional, Tuple

from ...host.system.json_values import mapping
from ...policy.compile.denials import DENIED, WOULD_BE

_MARKS = (DENIED.strip(), WOULD_BE.strip())
_MESSAGE = re.compile(r"(DB-[A-Za-z0-9_.-]{1,25})(%s) (IN=.*)\Z" % "|".join(_MARKS), re.DOTALL)
# journalctl -o short-unix; journalctl -o short-iso and rsyslog; journalctl and syslog; dmesg; dmesg -T.
_HEADS = [
    re.compile(pattern)
    for pattern in (
        r"(?P<unix>[0-9]{1,12}\.[0-9]{1,9}) \S+ kernel: ",
        r"(?P<iso>[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.,]{8,16}(?:Z|[+-][0-9:]{4,6})?) \S+ kernel: ",
        r"(?P<text>[A-Z][a-z]{2} [ 0-9][0-9] [0-9:]{8}) \S+ kernel: ",
        r"(?:<[0-9]{1,3}>)?(?=\[ *[0-9]+\.[0-9]+\])",
        r"\[(?P<date>[A-Z][a-z]{2} [A-Z][a-z]{2} [ 0-9][0-9] [0-9:]{8} [0-9]{4})\] ",
    )
]
# The kernel's own time, since boot. Behind a head it may be there too.
_SINCE_BOOT = re.compile(r"\[ *[0-9]+\.[0-9]+\] ?")
_INTERFACE = re.compile(r"[^\s/]{1,15}\Z")
_PROTOCOLS = {"6": "tcp", "17": "udp", "132": "sctp", "1": "icmp", "58": "icmpv6", "136": "udplite"}


class Denial(NamedTuple):
    """One logged packet. at: seconds since 1970, None if the line does not tell. stamp: the time as the line has it. entered, leaves: interfaces, may
    be empty. port: the destination's, None for protocols without. observed: whether the packet passed, since the policy only observes."""

    at: Optional[float]
    stamp: str
    chain: str
    entered: str
    leaves: str
    family: int
    source: str
    destination: str
    protocol: str
    port: Optional[int]
    observed: bool = False


def denials(lines: Iterable[str]) -> Iterator[Denial]:
    """Yield the denied packets of a text, in its order. Other lines are skipped."""
    for line in lines:
        if not any(mark in line for mark in _MARKS):
            continue
        said = _of_json(line) if line.startswith("{") else _of_text(line.rstrip("\n"))
        found = None if said is None else parse_message(*said)
        if found is not None:
            yield found


def parse_message(at: Optional[float], stamp: str, message: str) -> Optional[Denial]:
    """Return the denied packet of one of the kernel's messages; None if it is about something else, or makes no sense."""
    found = _MESSAGE.match(message)
    if found is None:
        return None
    chain, mark, rest = found.groups()
    # What an ICMP error is about follows in brackets.
    given: Dict[str, str] = {}
    for word in rest.partition(" [")[0].split(" "):
        key, _equals, value = word.partition("=")
        given.setdefault(key, value)
    source, destination = _address(given.get("SRC", "")), _address(given.get("DST", ""))
    protocol = _protocol(given.get("PROTO", ""))
    if source is None or destination is None or source[0] != destination[0] or protocol is None:
        return None
    return Denial(
        at, stamp, chain, _interface(given.get("IN", "")), _interface(given.get("OUT", "")), source[0], source[1], destination[1],
        protocol, _port(given.get("DPT", "")), mark == WOULD_BE.strip(),
    )  # fmt: skip


def _of_json(line: str) -> Optional[Tuple[Optional[float], str, str]]:
    """Read a line of ``journalctl -o json``."""
    try:
        entry = mapping(json.loads(line))
    except ValueError:
        return None
    message, when = entry.get("MESSAGE"), entry.get("__REALTIME_TIMESTAMP")
    # Messages of programs that write to /dev/kmsg have another facility.
    if entry.get("_TRANSPORT") != "kernel" or entry.get("SYSLOG_FACILITY", "0") != "0" or not isinstance(message, str):
        return None
    at = int(when) / 1e6 if isinstance(when, str) and re.match(r"[0-9]{1,18}\Z", when) else None
    return at, told(at) or "", message


def _of_text(line: str) -> Optional[Tuple[Optional[float], str, str]]:
    for head in _HEADS:
        found = head.match(line)
        if found is None:
            continue
        rest = line[found.end():]
        boot = _SINCE_BOOT.match(rest)
        message = rest[boot.end():] if boot is not None else rest
        at = _time(found.groupdict())
        stamp = next((text for text in found.groupdict().values() if text), boot.group().strip() if boot is not None else "")
        return at, told(at) or stamp, message
    return None


def _time(stamps: Dict[str, Optional[str]]) -> Optional[float]:
    unix, iso = stamps.get("unix"), stamps.get("iso")
    if unix:
        return float(unix)
    if not iso:
        return None
    # Python 3.8 reads neither Z nor an offset without a colon, nor a comma.
    text = re.sub(r"([+-][0-9]{2})([0-9]{2})\Z", r"\1:\2", iso.replace(",", ".").replace("Z", "+00:00"))
    text = re.sub(r"\.([0-9]+)", lambda found: "." + found.group(1)[:6].ljust(6, "0"), text)
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError):
        return None


def told(at: Optional[float]) -> Optional[str]:
    """Return a time as ISO 8601, in UTC and whole seconds; None for an unknown one."""
    if at is None:
        return None
    try:
        return datetime.fromtimestamp(at, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError, OSError):
        return None


def _address(text: str) -> Optional[Tuple[int, str]]:
    """Return the family and the shortest spelling. The kernel logs IPv6 addresses with all their zeros."""
    family, af = (6, socket.AF_INET6) if ":" in text else (4, socket.AF_INET)
    try:
        return family, socket.inet_ntop(af, socket.inet_pton(af, text))
    except (OSError, ValueError):
        return None


def _protocol(text: str) -> Optional[str]:
    lower = text.lower()
    if lower in _PROTOCOLS.values():
        return lower
    return _PROTOCOLS.get(text, text) if re.match(r"[0-9]{1,3}\Z", text) else None


def _port(text: str) -> Optional[int]:
    return int(text) if re.match(r"[0-9]{1,5}\Z", text) and int(text) < 65536 else None


def _interface(text: str) -> str:
    return text if _INTERFACE.match(text) else ""
