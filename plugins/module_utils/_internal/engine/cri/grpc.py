# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""gRPC calls over a unix socket. This has only the parts of HTTP/2 that a unary call needs. Each call has its own connection.

The headers of an answer are not read. The answer to a successful call has a message. An answer without one means that the call was refused.
"""

from __future__ import annotations

import socket
import struct
import time

from ..api.client import EngineError, EngineUnreachable

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _RST_STREAM, _SETTINGS, _PING, _GOAWAY, _WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
_END_STREAM, _ACK, _END_HEADERS, _PADDED = 0x1, 0x1, 0x4, 0x8
_STREAM = 1
_INITIAL_WINDOW_SIZE = 4
_LARGEST_WINDOW = 2**31 - 1
_FIRST_WINDOW = 65535
_MAX_ANSWER = 64 * 1024 * 1024


def call(path: str, method: str, message: bytes, timeout: float = 30.0) -> bytes:
    """Make a call. Return the answer's message.

    path: the socket. method: as ``/runtime.v1.RuntimeService/Version``. message: at most 16 KB.
    Raises EngineUnreachable, and EngineError if the call was refused.
    """
    deadline = time.monotonic() + timeout
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(timeout)
            connection.connect(path)
            connection.sendall(_request(method, message))
            body = _answer(connection, deadline)
    except OSError as error:
        raise EngineUnreachable("the CRI cannot be reached at %s: %s" % (ascii(path), error)) from None
    if len(body) < 5 or body[0] != 0 or len(body) != 5 + int(struct.unpack("!I", body[1:5])[0]):
        raise EngineError("the CRI at %s refused to answer %s" % (ascii(path), method))
    return body[5:]


def _request(method: str, message: bytes) -> bytes:
    window = struct.pack("!HI", _INITIAL_WINDOW_SIZE, _LARGEST_WINDOW)
    headers = (
        (":method", "POST"), (":scheme", "http"), (":path", method), (":authority", "localhost"),
        ("content-type", "application/grpc"), ("te", "trailers"),
    )  # fmt: skip
    return b"".join((
        _PREFACE,
        _frame(_SETTINGS, 0, 0, window),
        _frame(_WINDOW_UPDATE, 0, 0, struct.pack("!I", _LARGEST_WINDOW - _FIRST_WINDOW)),
        _frame(_HEADERS, _END_HEADERS, _STREAM, b"".join(_header(*header) for header in headers)),
        _frame(_DATA, _END_STREAM, _STREAM, b"\0" + struct.pack("!I", len(message)) + message),
    ))


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return struct.pack("!I", len(payload))[1:] + struct.pack("!BBI", kind, flags, stream) + payload


def _header(name: str, value: str) -> bytes:
    """Encode a header in HPACK, as a literal without indexing. Names and values are our own, and shorter than 127 bytes."""
    return b"\0" + bytes([len(name)]) + name.encode("ascii") + bytes([len(value)]) + value.encode("ascii")


def _answer(connection: socket.socket, deadline: float) -> bytes:
    body = b""
    while len(body) < _MAX_ANSWER:
        head = _exactly(connection, 9, deadline)
        kind, flags, stream = struct.unpack("!BBI", head[3:])
        payload = _exactly(connection, int.from_bytes(head[:3], "big"), deadline)
        if kind == _SETTINGS and not flags & _ACK:
            connection.sendall(_frame(_SETTINGS, _ACK, 0, b""))
        elif kind == _PING and not flags & _ACK:
            connection.sendall(_frame(_PING, _ACK, 0, payload))
        elif kind == _DATA and stream == _STREAM:
            body += payload[1:len(payload) - payload[0]] if flags & _PADDED else payload
        if kind in (_RST_STREAM, _GOAWAY) or (kind in (_DATA, _HEADERS) and flags & _END_STREAM):
            return body
    raise EngineError("the CRI's answer is longer than %d MB" % (_MAX_ANSWER >> 20))


def _exactly(connection: socket.socket, size: int, deadline: float) -> bytes:
    raw = b""
    while len(raw) < size:
        connection.settimeout(max(0.001, deadline - time.monotonic()))
        chunk = connection.recv(size - len(raw))
        if not chunk:
            raise ConnectionError("it hung up")
        raw += chunk
    return raw
