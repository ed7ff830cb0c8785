# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""The two ends of a measured connection, each a process in its namespace. Standard library only; bounded by count and time.

load.py serve ADDRESS PORT            accept until ended: reads a byte that says what to do, "c" closes, "b" reads to the end
load.py connect ADDRESS PORT COUNT    so many short connections, one after another; prints connections in a second
load.py bulk ADDRESS PORT SECONDS     one connection, sending as fast as it goes; prints bytes in a second as the server saw them
"""
from __future__ import annotations

import os
import socket
import struct
import sys
import threading
import time

CHUNK = bytes(1 << 20)
TIMEOUT = 10.0
# Closing by a reset leaves no port waiting.
RESET = (socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def serve(address: str, port: int) -> None:
    """Accept connections; a bulk transfer has a thread of its own."""
    with socket.create_server((address, port), backlog=1024, family=socket.AF_INET) as listener:
        print("ready", flush=True)
        while True:
            connection, _peer = listener.accept()
            connection.settimeout(TIMEOUT)
            if connection.recv(1) == b"b":
                threading.Thread(target=_swallow, args=(connection,), daemon=True).start()
            else:
                connection.close()


def _swallow(connection: socket.socket) -> None:
    """Read to the end and answer with how much it was, and how many seconds it took."""
    buffer = bytearray(1 << 20)
    started, size = time.perf_counter(), 0
    with connection:
        while True:
            read = connection.recv_into(buffer)
            if not read:
                break
            size += read
        connection.sendall(b"%d %f" % (size, time.perf_counter() - started))


def connect(address: str, port: int, count: float) -> None:
    """Open, be closed, open the next."""
    started = time.perf_counter()
    for _turn in range(int(count)):
        with socket.create_connection((address, port), TIMEOUT) as connection:
            connection.setsockopt(*RESET)
            connection.sendall(b"c")
            connection.recv(1)
    print(count / (time.perf_counter() - started))


def bulk(address: str, port: int, seconds: float) -> None:
    """Send for so many seconds."""
    with socket.create_connection((address, port), TIMEOUT) as connection:
        connection.sendall(b"b")
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            connection.sendall(CHUNK)
        connection.shutdown(socket.SHUT_WR)
        size, took = connection.recv(100).split()
    print(int(size) / float(took))


def stay(side: str) -> None:
    """Keep to one processor, each end to another where there are two: where the scheduler puts them is most of the noise."""
    processors = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {processors[0] if side == "serve" else processors[-1]})


if __name__ == "__main__":
    stay(sys.argv[1])
    if sys.argv[1] == "serve":
        serve(sys.argv[2], int(sys.argv[3]))
    else:
        {"connect": connect, "bulk": bulk}[sys.argv[1]](sys.argv[2], int(sys.argv[3]), float(sys.argv[4]))
