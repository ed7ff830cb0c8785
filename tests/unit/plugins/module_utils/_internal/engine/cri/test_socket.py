# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""A runtime's socket, with a server of frames in its place: calls, answers, and what is none."""
import json
import socket
import struct
import threading

import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.api.client import EngineError, EngineUnreachable
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.cri import grpc
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.cri.model import Pod, PodStatus
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.cri.protobuf import (
    Message,
    bytes_field,
    number_field,
    text_field,
)
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.cri.socket import SocketCri
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.errors import DrawbridgeError
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.support.strategies import several

SETTINGS, TRAILERS = (4, 0, 0, b""), (1, 0x5, 1, b"\x88")


def frame(kind, flags, stream, payload):
    return struct.pack("!I", len(payload))[1:] + struct.pack("!BBI", kind, flags, stream) + payload


def grpc_message(raw):
    return b"\0" + struct.pack("!I", len(raw)) + raw


class Runtime:
    """Takes connections, sends each the frames, keeps what it was sent."""

    def __init__(self, path, *frames):
        self.path, self.frames, self.received = path, frames, []
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen(8)
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                connection = self.listener.accept()[0]
            except OSError:
                return
            with connection:
                self.received.append(connection.recv(65536))
                for parts in self.frames:
                    connection.sendall(parts if isinstance(parts, bytes) else frame(*parts))
                connection.settimeout(0.2)
                try:
                    while connection.recv(65536):
                        pass
                except OSError:
                    pass


@pytest.fixture(name="serve")
def server(tmp_path):
    """Start a runtime that sends these frames."""
    made = []

    def start(*frames):
        made.append(Runtime(str(tmp_path / ("%d.sock" % len(made))), *frames))
        return made[-1]

    yield start
    for runtime in made:
        runtime.listener.close()


def answering(serve, message):
    return serve(SETTINGS, (1, 0x4, 1, b"\x88"), (0, 0, 1, grpc_message(message)), TRAILERS)


def test_pods_and_their_state(serve):
    def item(identity, name, state):
        metadata = text_field(1, name) + text_field(2, "uid") + text_field(3, "default") + number_field(4, 0)
        return bytes_field(1, text_field(1, identity) + bytes_field(2, metadata) + number_field(3, state) + number_field(4, 5))

    runtime = answering(serve, item("a", "demo", 0) + item("b", "d\u00e9mo\n", 1))
    assert SocketCri(runtime.path).pods() == [Pod("a", "demo", "default", True), Pod("b", "d\u00e9mo\n", "default", False)]
    assert b"/runtime.v1.RuntimeService/ListPodSandbox" in runtime.received[0]


@pytest.mark.parametrize("info, pid", [({"pid": 4711}, 4711), ({"pid": 0}, None), ([], None), (None, None)])
@pytest.mark.parametrize("network", [0, 2])
def test_one_pod(serve, info, pid, network):
    options = bytes_field(2, number_field(1, network))
    status = text_field(1, "a") + number_field(3, 0) + number_field(4, 2**62) + bytes_field(6, bytes_field(1, options))
    more = b"" if info is None else bytes_field(2, text_field(1, "info") + text_field(2, json.dumps(info)))
    runtime = answering(serve, bytes_field(1, status) + more)
    assert SocketCri(runtime.path).status("a") == PodStatus(True, str(2**62), pid, network == 2)
    assert runtime.received[0].endswith(grpc_message(text_field(1, "a") + number_field(2, 1)))


def test_an_answer_in_pieces_with_padding_and_pings(serve):
    whole = grpc_message(text_field(1, "x" * 100))
    runtime = serve((6, 0, 0, b"12345678"), (0, 0x8, 1, b"\x03" + whole[:4] + b"\0\0\0"), SETTINGS, (0, 0, 3, b"another stream"),
                    (0, 0, 1, whole[4:50]), (0, 0x1, 1, whole[50:]))
    assert Message(grpc.call(runtime.path, "/s/m", b"")).text(1) == "x" * 100


@pytest.mark.parametrize("frames, words", [
    ((SETTINGS, TRAILERS), "refused"),
    ((SETTINGS, (3, 0, 1, b"\0\0\0\1")), "refused"),
    (((7, 0, 0, b"\0" * 8),), "refused"),
    (((0, 0x1, 1, b"\0\0\0\0\x09short"),), "refused"),
    (((0, 0x1, 1, b"\1\0\0\0\0"),), "refused"),
])
def test_a_call_that_was_refused(serve, frames, words):
    with pytest.raises(DrawbridgeError, match=words) as caught:
        SocketCri(serve(*frames).path).pods()
    assert "CRI plugin" in caught.value.hint


def test_nobody_there(tmp_path, serve):
    with pytest.raises(EngineUnreachable, match="cannot be reached"):
        grpc.call(str(tmp_path / "none.sock"), "/s/m", b"")
    with pytest.raises(EngineUnreachable, match="cannot be reached"):
        grpc.call(serve(b"HTTP/1.1 400 Bad Request\r\n\r\n").path, "/s/m", b"", 1)
    with pytest.raises(EngineUnreachable, match="timed out"):
        grpc.call(serve(SETTINGS).path, "/s/m", b"", 0.1)


def test_numbers_and_fields_that_nobody_asked_for():
    raw = number_field(1, 300) + b"\x12\x03abc" + b"\x1d\0\0\0\0" + b"\x21" + b"\0" * 8 + number_field(200, 2**63)
    message = Message(raw + number_field(1, 1))
    assert (message.number(1), message.text(2), message.number(200), message.number(9)) == (1, "abc", 2**63, 0)
    assert (message.text(9), message.messages(9), message.text(1), message.number(2)) == ("", [], "", 0)


@settings(max_examples=210)
@given(several(st.binary(max_size=40)))
def test_noise_is_a_message_or_an_error(noise):
    for raw in noise:
        try:
            Message(raw).messages(1)
        except EngineError:
            pass
