# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""The engine's stream of events, as it is and as it could be."""

from __future__ import annotations

import json
import socket
import threading

import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.api import events as events_module
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.api.client import EngineError, EngineUnreachable
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.api.events import UNKNOWN, Event, events, parse_event

ID = "ab" * 32


def line(kind="container", action="start", identity=ID, **attributes):
    return json.dumps({"Type": kind, "Action": action, "Actor": {"ID": identity, "Attributes": attributes}}).encode()


@pytest.mark.parametrize(("text", "event"), [
    (line(), Event("container", "start", ID)),
    (line(action="exec_start: sh -c x"), None),
    (line(kind="image", action="pull"), None),
    (line(kind="network", action="connect", identity="net", container=ID), Event("network", "connect", ID)),
    (line(kind="network", action="create", identity="net"), Event("network", "create", "")),
    (line(identity="../../etc"), Event("container", "start", "")),
    (line(identity=7), Event("container", "start", "")),
    (line(name="evil\n{}"), Event("container", "start", ID)),
    (b'{"Type": "container", "Action": "die"}', Event("container", "die", "")),
    (b'{"Type": ["container"], "Action": {}}', None),
    (b"[]", UNKNOWN),
    (b"not json", UNKNOWN),
    (b"\xff", UNKNOWN),
])
def test_a_line(text, event):
    assert parse_event(text) == event


class Peer:
    """An engine that answers one request with given bytes, and hangs up."""

    def __init__(self, path, *parts):
        self.address = "unix://" + path
        self.asked = b""
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(path)
        self._listener.listen()
        self._thread = threading.Thread(target=self._serve, args=(parts,))
        self._thread.start()

    def _serve(self, parts):
        with self._listener, self._listener.accept()[0] as connection:
            while not self.asked.endswith(b"\r\n\r\n"):
                self.asked += connection.recv(1000)
            for part in parts:
                connection.sendall(part)

    def end(self):
        self._thread.join(10)


HEAD = b"HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n"


def told(tmp_path, *parts):
    peer = Peer(str(tmp_path / "engine"), *parts)
    try:
        return list(events(peer.address)), peer
    finally:
        peer.end()


def test_a_stream(tmp_path):
    text = line() + b"\n" + line(action="die") + b"\r\n" + line(action="exec_die") + b"\n"
    found, peer = told(tmp_path, HEAD, text[:30], text[30:])
    assert found == [UNKNOWN, Event("container", "start", ID), Event("container", "die", ID)]
    assert peer.asked.startswith(b"GET /events?since=") and b"%22start%22" in peer.asked


def test_a_line_that_is_too_long_costs_no_memory_and_means_anything(tmp_path, monkeypatch):
    monkeypatch.setattr(events_module, "MAX_LINE", 100_000)
    found, _peer = told(tmp_path, HEAD, b"x" * 5_000_000, b"\n" + line() + b"\n")
    assert found == [UNKNOWN, UNKNOWN, Event("container", "start", ID)]


def test_what_is_cut_off_is_no_event(tmp_path):
    assert told(tmp_path, HEAD, line())[0] == [UNKNOWN]


@pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"SSH-2.0\r\n", b""])
def test_who_does_not_tell(tmp_path, answer):
    with pytest.raises(EngineError):
        told(tmp_path, answer)


def test_nobody_is_there(tmp_path):
    with pytest.raises(EngineUnreachable):
        list(events("unix://%s/none" % tmp_path))
    with pytest.raises(EngineError):
        list(events("tcp://192.0.2.1:2375"))
