#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Answer every TCP connection and every UDP datagram with one line: a name and the peer's address.

Usage: answer.py NAME PROTOCOL,ADDRESS,PORT ...
"""

from __future__ import annotations

import asyncio
import sys


class Datagrams(asyncio.DatagramProtocol):
    """The UDP side."""

    def __init__(self, name: str) -> None:
        self.name = name

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport to answer on."""
        self.transport = transport

    def datagram_received(self, data: bytes, addr: tuple) -> None:
        """Send the line back to where the datagram came from."""
        self.transport.sendto(f"{self.name} {addr[0]}\n".encode(), addr)


async def serve(name: str, places: list[str]) -> None:
    """Listen on every place, for ever."""

    async def connected(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            writer.write(f"{name} {writer.get_extra_info('peername')[0]}\n".encode())
            await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()

    loop = asyncio.get_running_loop()
    for place in places:
        protocol, address, port = place.split(",")
        if protocol == "tcp":
            await asyncio.start_server(connected, address, int(port))
        else:
            await loop.create_datagram_endpoint(lambda: Datagrams(name), local_addr=(address, int(port)))
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], sys.argv[2:]))
