# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""The socket client against a real server on a unix socket that answers as it is told."""
import json
import os
import socket
import threading
import time

import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.api import unix_socket
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.api.client import EngineError, EngineUnreachable
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.api.unix_socket import (
    SocketEngine,
    parse_response,
    socket_path,
)

PING = b"HTTP/1.0 200 OK\r\nApi-Version: 1.41\r\nContent-Length: 2\r\n\r\nOK"


def ok(body, *headers):
    lines = ["HTTP/1.0 200 OK"] + list(headers)
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


class Server:
    """Answers the requests on a unix socket with what it was given for their path; remembers what was asked."""

    def __init__(self, path, answers):
        self.path, self.answers, self.asked = str(path), answers, []
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen(8)
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        while True:
            try:
                connection, _peer = self.listener.accept()
            except OSError:
                return
            with connection:
                self.answer(connection)

    def answer(self, connection):
        request = b""
        while not request.endswith(b"\r\n\r\n"):
            got = connection.recv(4096)
            if not got:
                return
            request += got
        path = request.split(b" ")[1].decode()
        self.asked.append(path)
        answer = self.answers.get(path, b"HTTP/1.0 404 Not Found\r\n\r\n{\"message\": \"page not found\"}")
        try:
            if callable(answer):
                answer(connection)
            else:
                connection.sendall(answer)
        except OSError:
            pass

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join(5)


@pytest.fixture
def serve(tmp_path):
    servers = []

    def start(answers, ping=PING):
        server = Server(tmp_path / "engine.sock", dict({"/_ping": ping}, **answers))
        servers.append(server)
        return server, SocketEngine("unix://%s" % server.path, timeout=5)

    yield start
    for server in servers:
        server.close()


def test_four_questions_at_the_version_that_the_engine_speaks(serve):
    server, engine = serve({
        "/v1.41/version": ok(b'{"Version": "20.10.24"}'),
        "/v1.41/info": ok(b'{"Name": "host"}'),
        "/v1.41/networks": ok(b'[{"Name": "bridge"}]'),
        "/v1.41/containers/json": ok(b"[]"),
    })
    assert engine.version() == {"Version": "20.10.24"}
    assert engine.info() == {"Name": "host"}
    assert engine.networks() == [{"Name": "bridge"}]
    assert engine.containers() == []
    assert server.asked == ["/_ping", "/v1.41/version", "/v1.41/info", "/v1.41/networks", "/v1.41/containers/json"]


@pytest.mark.parametrize("version", ["", "1.41 HTTP/1.0", "../x", "1.41\n"])
def test_an_odd_version_is_not_put_into_a_request(serve, version):
    server, engine = serve({"/info": ok(b"{}")}, ping=ok(b"OK", "Api-Version: " + version) if "\n" not in version
                           else ok(b"OK", "Server: x"))
    assert engine.info() == {}
    assert server.asked == ["/_ping", "/info"]


@pytest.mark.parametrize("answer", [
    ok(b'{"a": 1}'),
    ok(b'{"a": 1}', "Content-Length: 8"),
    ok(b'{"a": 1}trailing', "Content-Length: 8"),
    ok(b'4\r\n{"a"\r\n4;ext=1\r\n: 1}\r\n0\r\n\r\n', "Transfer-Encoding: chunked"),
    ok(b'4\r\n{"a"\r\n4\r\n: 1}\r\n0\r\n', "transfer-encoding: Chunked"),
    b"HTTP/1.1 200\r\n\r\n{\"a\": 1}",
])
def test_every_way_to_end_a_body(serve, answer):
    _server, engine = serve({"/v1.41/info": answer})
    assert engine.info() == {"a": 1}


def test_an_answer_that_comes_in_drops(serve):
    def drip(connection):
        for byte in ok(json.dumps({"Name": "x" * 100}).encode()):
            connection.sendall(bytes([byte]))

    _server, engine = serve({"/v1.41/info": drip})
    assert engine.info() == {"Name": "x" * 100}


@pytest.mark.parametrize("answer, said", [
    (b"", "hung up"),
    (b"garbage", "no HTTP answer"),
    (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "no HTTP answer"),
    (b"HTTP/1.0 2000 OK\r\n\r\n{}", "no HTTP answer"),
    (b"HTTP/1.0 200 OK\r\nA: b", "no HTTP answer"),
    (b"A" * 200000, "no HTTP answer"),
    (ok(b'{"a": ', "Content-Length: 8"), "cut off"),
    (ok(b'{"a": 1', ), "cut off"),
    (ok(b"{}", "Content-Length: -2"), "cut off"),
    (ok(b"{}", "Content-Length: 99999999999999999999"), "cut off"),
    (ok(b"5\r\n{", "Transfer-Encoding: chunked"), "cut off"),
    (ok(b"zz\r\n{}\r\n0\r\n", "Transfer-Encoding: chunked"), "chunks are broken"),
    (ok(b"2\r\n{}\r\n", "Transfer-Encoding: chunked"), "cut off"),
    (ok(b"\xff\xfe"), "not JSON"),
    (ok(b"<html>"), "not JSON"),
    (ok(b"[1]"), "list instead of an object"),
    (ok(b"null"), "NoneType instead of an object"),
])
def test_answers_of_no_use(serve, answer, said):
    _server, engine = serve({"/v1.41/info": answer})
    with pytest.raises(EngineError, match=said):
        engine.info()


@pytest.mark.parametrize("answer", [ok(b'{"message": "x"}'), ok(b'["a"]'), ok(b"7")])
def test_a_list_of_objects_is_one(serve, answer):
    _server, engine = serve({"/v1.41/networks": answer})
    with pytest.raises(EngineError, match="list of objects"):
        engine.networks()


def test_null_is_an_empty_list(serve):
    _server, engine = serve({"/v1.41/networks": ok(b"null")})
    assert engine.networks() == []


def test_an_error_status_comes_with_the_engine_s_words(serve):
    answer = b'HTTP/1.0 500 Internal Server Error\r\n\r\n{"message": "layer\\nlost"}'
    _server, engine = serve({"/v1.41/info": answer})
    with pytest.raises(EngineError) as raised:
        engine.info()
    assert str(raised.value) == "the engine answered /info with status 500: 'layer\\nlost'"


def test_an_answer_without_end(serve, monkeypatch):
    monkeypatch.setattr(unix_socket, "MAX_BODY", 1 << 20)

    def pour(connection):
        while True:
            connection.sendall(b"A" * 65536)

    _server, engine = serve({"/v1.41/info": pour})
    with pytest.raises(EngineError, match="longer than 1 MB"):
        engine.info()


def test_a_drip_does_not_prolong_the_wait(serve):
    def drip(connection):
        while True:
            connection.sendall(b" ")
            time.sleep(0.01)

    server, _engine = serve({"/v1.41/info": drip})
    engine = SocketEngine("unix://%s" % server.path, timeout=0.3)
    with pytest.raises(EngineUnreachable, match="did not answer /v1.41/info within 0.3 s"):
        engine.info()


def test_silence(serve):
    done = threading.Event()
    server, _engine = serve({"/v1.41/info": lambda connection: done.wait(5)})
    with pytest.raises(EngineUnreachable, match="did not answer"):
        SocketEngine("unix://%s" % server.path, timeout=0.2).info()
    done.set()


def test_no_socket(tmp_path):
    with pytest.raises(EngineUnreachable, match="No such file") as raised:
        SocketEngine("unix://%s/none" % tmp_path).info()
    assert "docker_host" in raised.value.hint


def test_nobody_listens(tmp_path):
    path = str(tmp_path / "dead.sock")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
    with pytest.raises(EngineUnreachable, match="refused") as raised:
        SocketEngine("unix://" + path).info()
    assert "start it" in raised.value.hint


@pytest.mark.skipif(os.geteuid() != 0, reason="changes its user")
def test_no_permission(tmp_path, serve):
    server, engine = serve({"/v1.41/info": ok(b"{}")})
    os.chmod(server.path, 0)
    os.seteuid(65534)
    try:
        with pytest.raises(EngineUnreachable, match="denied") as raised:
            engine.info()
    finally:
        os.seteuid(0)
    assert "become" in raised.value.hint


@pytest.mark.parametrize("path", ["/" + "a" * 300, "/a\0b", "/etc/passwd"])
def test_paths_that_are_no_socket(path):
    with pytest.raises(EngineUnreachable, match="cannot be reached"):
        SocketEngine("unix://" + path).info()


@pytest.mark.parametrize("host", ["tcp://127.0.0.1:2375", "", "unix://", "unix://relative", "/var/run/docker.sock"])
def test_only_a_unix_socket_is_one(host):
    assert socket_path(host) is None
    with pytest.raises(EngineError):
        SocketEngine(host)


def test_header_names_have_no_case():
    assert parse_response(b"HTTP/1.0 204 No Content\r\nAPI-Version:1.44\r\n\r\n").headers == {"api-version": "1.44"}
