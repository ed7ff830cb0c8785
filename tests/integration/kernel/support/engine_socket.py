# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""An engine on a unix socket, as far as the event service asks it: what runs, and what happens."""
from __future__ import annotations

import json
import os
import socketserver
import threading
from io import BufferedIOBase
from pathlib import Path

from .containers import Engine


class _Handler(socketserver.StreamRequestHandler):
    server: _Server

    def handle(self) -> None:
        request = self.rfile.readline().decode()
        while self.rfile.readline().strip():
            pass
        path = request.split(" ")[1].partition("?")[0]
        engine = self.server.engine
        if path == "/_ping":
            self._say("OK", "Api-Version: 1.44\r\n")
        elif path == "/events":
            self._say("")
            engine.stream(self.wfile, self.connection)
        elif path.endswith("/containers/json"):
            self._say(json.dumps(engine.listed()))
        elif path.endswith("/networks"):
            self._say("[]")
        elif path.endswith(("/info", "/version")):
            self._say("{}")
        else:
            found = engine.told.inspected.get(path.split("/")[3]) if "/containers/" in path else None
            self._say(json.dumps(found or {"message": "no such container"}), status="200 OK" if found else "404 Not Found")

    def _say(self, text: str, headers: str = "", status: str = "200 OK") -> None:
        self.wfile.write(("HTTP/1.0 %s\r\n%s\r\n%s" % (status, headers, text)).encode())


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    request_queue_size = 64
    engine: EngineSocket


class EngineSocket:
    """told: the engine of tests, whose containers this one tells of."""

    def __init__(self, path: Path, told: Engine) -> None:
        self.path = str(path)
        self.told = told
        self.address = "unix://" + self.path
        # What containers publish, as the engine lists it, by "/" and the container's name.
        self.ports: dict[str, list[dict[str, object]]] = {}
        self._streams: list[tuple[BufferedIOBase, threading.Event]] = []
        self._guard = threading.Lock()
        self.start()

    def start(self) -> None:
        """Listen, as after a start of the engine."""
        self._server = _Server(self.path, _Handler)
        self._server.engine = self
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self) -> None:
        """Hang up, as an engine does that ends."""
        self._server.shutdown()
        self._server.server_close()
        os.unlink(self.path)
        with self._guard:
            for _out, ended in self._streams:
                ended.set()
            self._streams.clear()

    def listed(self) -> list[dict[str, object]]:
        return [
            {"Id": item["Id"], "Names": [item["Name"]], "Labels": item["Config"]["Labels"], "State": item["State"]["Status"],
             "HostConfig": item["HostConfig"], "Ports": self.ports.get(item["Name"], [])}
            for item in list(self.told.inspected.values()) if item["State"]["Running"]
        ]

    def stream(self, out: BufferedIOBase, _connection: object) -> None:
        ended = threading.Event()
        with self._guard:
            self._streams.append((out, ended))
        ended.wait()

    @property
    def is_heard(self) -> bool:
        return bool(self._streams)

    def happen(self, *events: tuple[str, str, str]) -> None:
        """Tell whoever listens: (kind, action, id of the container)."""
        text = "".join(json.dumps(_event(*event)) + "\n" for event in events).encode()
        with self._guard:
            for out, _ended in self._streams:
                out.write(text)


def _event(kind: str, action: str, identity: str) -> dict[str, object]:
    attributes = {"container": identity} if kind == "network" else {"image": "x" * 200, "note": "line\n<3>forged"}
    return {"Type": kind, "Action": action, "Actor": {"ID": "net" if kind == "network" else identity, "Attributes": attributes}}
