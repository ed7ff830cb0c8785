# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Answer every TCP connection and every UDP datagram with one line: a name and the peer's address.

What came in a datagram is printed as well: an engine may bring a datagram in and lose the answer.

Usage: answer.py NAME PROTOCOL,ADDRESS,PORT ...   (PROTOCOL is tcp or udp)
"""
from __future__ import annotations

import select
import signal
import socket
import sys
from collections.abc import Iterable


def listen(place: str) -> socket.socket:
    """A socket that listens on PROTOCOL,ADDRESS,PORT; an IPv6 one takes IPv6 only."""
    protocol, address, port = place.split(",")
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    kind = socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM
    listener = socket.socket(family, kind)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    listener.bind((address, int(port)))
    if protocol == "tcp":
        listener.listen(256)
    return listener


def answer(name: str, listener: socket.socket) -> None:
    """Take one connection or datagram and send the line back."""
    if listener.type == socket.SOCK_DGRAM:
        data, peer = listener.recvfrom(2048)
        print("got", ascii(data.decode(errors="replace").strip()), peer[0], flush=True)
        listener.sendto(f"{name} {peer[0]}\n".encode(), peer)
        return
    connection, peer = listener.accept()
    with connection:
        connection.sendall(f"{name} {peer[0]}\n".encode())


def serve(name: str, places: Iterable[str]) -> None:
    """Answer on every place, for ever."""
    listeners = {listener.fileno(): listener for listener in map(listen, places)}
    poll = select.poll()
    for number in listeners:
        poll.register(number, select.POLLIN)
    while True:
        for number, _event in poll.poll():
            try:
                answer(name, listeners[number])
            except OSError as error:
                print(f"{name}: {error}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    serve(sys.argv[1], sys.argv[2:])
