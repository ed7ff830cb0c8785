# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The engine's stream of events over its unix socket."""

from __future__ import annotations

import json
import re
import socket
import time
from typing import Dict, Iterator, NamedTuple, Optional
from urllib.parse import quote

from .client import EngineError, EngineUnreachable
from .unix_socket import socket_path

CONTAINER = "container"
NETWORK = "network"
# Swarm events. Only managers get them.
NODE = "node"
_ACTIONS = {
    CONTAINER: ("start", "die", "rename"),
    NETWORK: ("create", "destroy", "connect", "disconnect"),
    NODE: ("create", "update", "remove"),
}
# An event carries all labels of its container.
MAX_LINE = 1 << 20
_CONNECT_SECONDS = 30.0
_ID = re.compile(r"[0-9a-f]{64}")


class Event(NamedTuple):
    """kind: container, network or node. action: the engine's word. container: the container's id, empty if there is none."""

    kind: str
    action: str
    container: str


# An event that could not be read. Also the first event of every stream: from then on no event is missed.
UNKNOWN = Event("", "", "")


def events(docker_host: str) -> Iterator[Event]:
    """Yield UNKNOWN when the stream is open, then the events of containers, networks and nodes. Ends when the engine ends.

    Raises EngineUnreachable and EngineError.
    """
    path = socket_path(docker_host)
    if path is None:
        raise EngineError("not the address of a unix socket: %s" % ascii(docker_host), hint="unix:///path")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        try:
            connection.settimeout(_CONNECT_SECONDS)
            connection.connect(path)
            connection.sendall(_request().encode("ascii"))
            lines = Lines(connection)
            _head(lines)
            connection.settimeout(None)
            yield UNKNOWN
            for line in lines.rest():
                found = UNKNOWN if line is None else parse_event(line)
                if found is not None:
                    yield found
        except OSError as error:
            raise EngineUnreachable("the engine's events cannot be read at %s: %s" % (ascii(path), error)) from None


def _request() -> str:
    filters = {"type": list(_ACTIONS), "event": [action for actions in _ACTIONS.values() for action in actions]}
    # The engine answers a moment before it subscribes. So this also asks for its last recorded events.
    query = "since=%d&filters=%s" % (int(time.time()) - 1, quote(json.dumps(filters)))
    return "GET /events?%s HTTP/1.0\r\nHost: docker\r\nAccept: application/json\r\n\r\n" % query


def _head(lines: Lines) -> None:
    status = lines.next_line()
    if status is None or not re.match(rb"HTTP/1\.[01] 200(?: |\Z)", status):
        raise EngineError("the engine refuses to tell its events: %s" % ascii(status and status[:80]))
    while lines.next_line():
        pass


class Lines:
    """The lines of a stream. Memory holds no line longer than MAX_LINE."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._buffer = b""
        self._ended = False

    def rest(self) -> Iterator[Optional[bytes]]:
        """Yield each line to the end of the stream, None for a line that is too long."""
        while True:
            line = self.next_line()
            if line is None and self._ended:
                return
            yield line

    def next_line(self) -> Optional[bytes]:
        """Return the next line without its line end. None at the end of the stream, and for a line that is too long."""
        too_long = False
        while True:
            line, end, rest = self._buffer.partition(b"\n")
            if end:
                self._buffer = rest
                return None if too_long else line.rstrip(b"\r")
            if len(self._buffer) > MAX_LINE:
                too_long, self._buffer = True, b""
            chunk = self._connection.recv(64 * 1024)
            if not chunk:
                self._ended = True
                return None
            self._buffer += chunk


def parse_event(line: bytes) -> Optional[Event]:
    """Parse one line of the stream. Return None for an event of no interest, UNKNOWN if the line makes no sense."""
    try:
        data = json.loads(line.decode("utf-8"))
    except ValueError:
        return UNKNOWN
    if not isinstance(data, dict):
        return UNKNOWN
    kind, action = data.get("Type"), data.get("Action")
    if not isinstance(kind, str) or action not in _ACTIONS.get(kind, ()):
        return None
    actor: Dict[str, object] = data["Actor"] if isinstance(data.get("Actor"), dict) else {}
    attributes = actor.get("Attributes")
    named = actor.get("ID") if kind == CONTAINER else attributes.get("container") if isinstance(attributes, dict) else None
    container = named if isinstance(named, str) and _ID.fullmatch(named) else ""
    return Event(kind, str(action), container)
