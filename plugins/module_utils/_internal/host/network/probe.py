# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Send real packets from the network namespace of the calling thread, and tell what came back. Changes nothing."""

from __future__ import annotations

import errno
import os
import re
import socket
import struct
import time
from typing import Callable, NamedTuple, Optional, Tuple, Union

from ...address import IPV4

TCP, UDP, ICMP = "tcp", "udp", "icmp"
# What came of a probe: an answer, a refusal (a TCP reset, or a port that the receiver calls unreachable), an error from the way there or from
# this host itself, nothing, or a datagram that nobody is to answer and no error came for.
ANSWERED, REFUSED, UNREACHABLE, SILENT, SENT = "answered", "refused", "unreachable", "silent", "sent"
_AF = {IPV4: socket.AF_INET, 6: socket.AF_INET6}
# Echo request and reply; errors of the way there are told by the socket.
_ECHO = {IPV4: (8, 0), 6: (128, 129)}
# A datagram may be lost: another one is sent after this time, in seconds.
_AGAIN = 1.0
_STATUS = re.compile(rb"HTTP/[0-9.]+ ([0-9]{3})\b")
_MOST_BYTES = 65536
Place = Union[Tuple[str, int], Tuple[str, int, int, int]]


class Probe(NamedTuple):
    """port: 0 for icmp. source, interface: empty for what routing chooses. source_port: 0 for any. is_answered: whether a datagram's receiver is to
    answer. http: the request of HTTP as bytes, None without one."""

    family: int
    protocol: str
    address: str
    port: int
    source: str
    source_port: int
    interface: str
    timeout: float
    payload: bytes
    is_answered: bool
    http: Optional[bytes]


class Answer(NamedTuple):
    """outcome: what came back. words: about it. sender: the address that the packets left by, empty if none left. status: of HTTP, None without."""

    outcome: str
    words: str
    sender: str
    seconds: float
    status: Optional[int] = None


def send(probe: Probe) -> Answer:
    """Send and wait. Every failure is an answer, too."""
    began = time.monotonic()
    sender = ""
    try:
        with _socket(probe) as link:
            place = _place(probe)
            link.settimeout(probe.timeout)
            link.connect(place)
            sender = _sender(link, probe)
            outcome, words, status = _WAYS[probe.protocol](probe, link, began)
    except OSError as error:
        outcome, words = _failure(error)
        status = None
    return Answer(outcome, words, sender, round(time.monotonic() - began, 3), status)


def _socket(probe: Probe) -> socket.socket:
    ping = socket.IPPROTO_ICMP if probe.family == IPV4 else socket.IPPROTO_ICMPV6
    kinds = {TCP: (socket.SOCK_STREAM, 0), UDP: (socket.SOCK_DGRAM, 0), ICMP: (socket.SOCK_RAW, ping)}
    link = socket.socket(_AF[probe.family], *kinds[probe.protocol])
    try:
        if probe.interface:
            link.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, probe.interface.encode() + b"\0")
        if probe.source or probe.source_port:
            link.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            link.bind((probe.source or ("0.0.0.0" if probe.family == IPV4 else "::"), probe.source_port))
    except OSError:
        link.close()
        raise
    return link


def _place(probe: Probe) -> Place:
    if probe.family == IPV4 or not probe.interface:
        return probe.address, probe.port
    return probe.address, probe.port, 0, socket.if_nametoindex(probe.interface)


def _sender(link: socket.socket, probe: Probe) -> str:
    address, port = link.getsockname()[:2]
    if probe.protocol == ICMP:
        return str(address)
    return "%s:%d" % (address if probe.family == IPV4 else "[%s]" % address, port)


_Found = Tuple[str, str, Optional[int]]


def _tcp(probe: Probe, link: socket.socket, began: float) -> _Found:
    if probe.http is None:
        return ANSWERED, "the connection was made", None
    link.sendall(probe.http)
    text = b""
    while b"\n" not in text and len(text) < _MOST_BYTES:
        left = began + probe.timeout - time.monotonic()
        if left <= 0:
            raise socket.timeout()
        link.settimeout(left)
        more = link.recv(4096)
        if not more:
            break
        text += more
    found = _STATUS.match(text)
    if found is None:
        return ANSWERED, "the connection was made, and what came is not HTTP", None
    return ANSWERED, "HTTP status %d" % int(found.group(1)), int(found.group(1))


def _udp(probe: Probe, link: socket.socket, began: float) -> _Found:
    try:
        _until(link, probe, began, probe.payload, lambda data: True)
    except socket.timeout:
        if not probe.is_answered:
            return SENT, "no error came back within %g s" % probe.timeout, None
        raise
    return ANSWERED, "a datagram came back", None


def _icmp(probe: Probe, link: socket.socket, began: float) -> _Found:
    request, reply = _ECHO[probe.family]
    identity = struct.pack("!HH", os.getpid() & 0xFFFF, int(began * 1000) & 0xFFFF)
    body = identity + b"drawbridge probe"
    checksum = struct.pack("!H", _sum(bytes((request, 0, 0, 0)) + body))
    is_ours = bytes((reply, 0)), body
    # IPv4's raw sockets get IP's header as well.
    _until(link, probe, began, bytes((request, 0)) + checksum + body, lambda data: (_bare(data, probe)[:2], _bare(data, probe)[4:]) == is_ours)
    return ANSWERED, "an echo reply came", None


def _bare(data: bytes, probe: Probe) -> bytes:
    return data[(data[0] & 15) * 4:] if probe.family == IPV4 and data else data


def _sum(data: bytes) -> int:
    total: int = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def _until(link: socket.socket, probe: Probe, began: float, data: bytes, is_it: Callable[[bytes], bool]) -> None:
    """Send, again after a while, until what is waited for comes. Raises socket.timeout if it does not."""
    end = began + probe.timeout
    while True:
        now = time.monotonic()
        if now >= end:
            raise socket.timeout()
        link.send(data)
        again = min(end, now + _AGAIN)
        while time.monotonic() < again:
            link.settimeout(max(again - time.monotonic(), 0.001))
            try:
                if is_it(link.recv(_MOST_BYTES)):
                    return
            except socket.timeout:
                break


_WAYS = {TCP: _tcp, UDP: _udp, ICMP: _icmp}
_REFUSALS = (errno.ECONNREFUSED, errno.ECONNRESET)


def _failure(error: OSError) -> Tuple[str, str]:
    if isinstance(error, socket.timeout) or error.errno in (errno.ETIMEDOUT, errno.EAGAIN):
        return SILENT, "nothing came back"
    if error.errno in _REFUSALS:
        return REFUSED, "the receiver, or a firewall in its name, refused it (%s)" % error.strerror
    if error.errno in (errno.EPERM, errno.EACCES):
        return UNREACHABLE, "the sender's own rules, or a firewall's answer, forbid it (%s)" % error.strerror
    return UNREACHABLE, "it could not be sent, or an error came back (%s)" % (error.strerror or error)
