# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Make many real connections at once and tell what became of each.

Self-contained: run with this text as the argument of python3 -c, in whatever namespace the probes start from; the
probes come as a JSON list on standard input, the results go as a JSON list to standard output. Results: "open" (and
the text that was answered), "refused" (a reset or an ICMP error), "silent" (nothing came in time).
"""
from __future__ import annotations

import json
import os
import socket
import struct
import sys
import threading
import time
from typing import Any, TypedDict

SO_MARK = 36
# State and text.
Outcome = tuple[str, str]
REFUSALS = (ConnectionRefusedError, ConnectionResetError, PermissionError)


class Target(TypedDict):
    """Who is asked."""

    protocol: str
    address: str
    port: int


class Probe(Target, total=False):
    """How. answers_from: of a group, whose answers count."""

    source: str
    source_port: int
    mark: int
    payload: str
    answers_from: list[str]
    timeout: float


def open_socket(probe: Probe, kind: int, protocol: int = 0) -> tuple[socket.socket, Any]:
    """A socket for the probe's family, marked and bound as the probe wants, and the address to talk to."""
    found = socket.getaddrinfo(probe["address"], probe["port"] or None, type=kind, flags=socket.AI_NUMERICHOST)[0]
    family, target = found[0], found[4]
    connection = socket.socket(family, kind, protocol)
    if probe.get("mark"):
        connection.setsockopt(socket.SOL_SOCKET, SO_MARK, probe["mark"])
    if probe.get("source"):
        connection.bind((probe["source"], probe.get("source_port", 0)))
    return connection, target


def tcp(probe: Probe, deadline: float) -> Outcome:
    """Connect, and read the line that the server says."""
    connection, target = open_socket(probe, socket.SOCK_STREAM)
    with connection:
        connection.settimeout(max(0.01, deadline - time.monotonic()))
        connection.connect(target)
        connection.settimeout(max(0.3, deadline - time.monotonic()))
        try:
            return "open", connection.recv(256).decode(errors="replace").strip()
        except (TimeoutError, ConnectionError):
            return "open", ""


def udp(probe: Probe, deadline: float) -> Outcome:
    """Send datagrams until one is answered; answers to a group count from the wanted addresses only."""
    connection, target = open_socket(probe, socket.SOCK_DGRAM)
    wanted = probe.get("answers_from") or []
    payload = probe.get("payload", "probe").encode()
    with connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        if not wanted:
            connection.connect(target)
        resend = 0.0
        while (now := time.monotonic()) < deadline:
            if now >= resend:
                connection.sendto(payload, target) if wanted else connection.send(payload)
                resend = now + 0.35
            connection.settimeout(max(0.01, min(resend, deadline) - now))
            try:
                data, peer = connection.recvfrom(256)
            except TimeoutError:
                continue
            if not wanted or peer[0].split("%")[0] in wanted:
                return "open", data.decode(errors="replace").strip()
    return "silent", ""


def checksum(data: bytes) -> int:
    """The internet checksum."""
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF


def icmp(probe: Probe, deadline: float) -> Outcome:
    """One echo request; the answer must carry its number."""
    six = ":" in probe["address"]
    protocol = socket.IPPROTO_ICMPV6 if six else socket.IPPROTO_ICMP
    connection, target = open_socket({**probe, "port": 0}, socket.SOCK_RAW, protocol)
    number = struct.pack("!HH", (os.getpid() ^ threading.get_native_id()) & 0xFFFF, 1)
    kind, answer = (128, 129) if six else (8, 0)
    body = struct.pack("!BBH", kind, 0, 0) + number + b"drawbridge"
    if not six:
        body = struct.pack("!BBH", kind, 0, checksum(body)) + body[4:]
    with connection:
        connection.sendto(body, target)
        while (left := deadline - time.monotonic()) > 0:
            connection.settimeout(left)
            data, _peer = connection.recvfrom(512)
            message = data if six else data[(data[0] & 15) * 4:]
            if message[0] == answer and message[4:8] == number:
                return "open", "echo"
    return "silent", ""


def attempt(probe: Probe) -> Outcome:
    """The outcome of one probe: state and text."""
    deadline = time.monotonic() + probe.get("timeout", 0.7)
    try:
        return {"tcp": tcp, "udp": udp, "icmp": icmp}[probe["protocol"]](probe, deadline)
    except TimeoutError:
        return "silent", ""
    except REFUSALS as error:
        return "refused", error.strerror or ""
    except OSError as error:
        return "refused", error.strerror or str(error)


def main() -> None:
    """Run all probes in parallel."""
    probes: list[Probe] = json.load(sys.stdin)
    results: list[Outcome] = [("silent", "")] * len(probes)

    def work(index: int) -> None:
        results[index] = attempt(probes[index])

    threads = [threading.Thread(target=work, args=(index,)) for index in range(len(probes))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    json.dump(results, sys.stdout)


if __name__ == "__main__":
    main()
