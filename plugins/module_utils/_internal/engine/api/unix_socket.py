# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A Docker engine over its unix socket, without an HTTP library.

It makes ``host_policy`` fast. The base is a process that only imports what AnsibleModule imports. A process that also asks
for info, networks and containers takes 1.4 to 1.5 times as long, with the SDK 4.9 to 5.7 times
(whole processes, alternated, 20.10 to 28.5 with Debian's own SDK).
"""

from __future__ import annotations

import errno
import json
import re
import socket
import time
from typing import Dict, List, NamedTuple, Optional

from .client import DEFAULT_HOST, EngineError, EngineUnreachable, NoSuchContainer, WholeEngine, as_object, as_objects

TIMEOUT = 30.0
MAX_HEAD = 64 * 1024
# A container takes about 2 KB in /containers/json.
MAX_BODY = 64 * 1024 * 1024

_HINTS = {
    errno.ENOENT: "is Docker installed and started? Another socket is named by the option docker_host",
    errno.ECONNREFUSED: "the socket is there, but no engine listens on it: start it",
    errno.EACCES: "run the task as root (become: true)",
    errno.EPERM: "run the task as root (become: true)",
}


class Response(NamedTuple):
    """An HTTP answer. The header names are in lower case."""

    status: int
    headers: Dict[str, str]
    body: bytes


def socket_path(docker_host: str) -> Optional[str]:
    """Return the path in ``unix:///var/run/docker.sock``, None for an address that is not a unix socket."""
    return docker_host[len("unix://"):] if docker_host.startswith("unix:///") else None


class SocketEngine(WholeEngine):
    """The engine behind a unix socket.

    Each request is an HTTP/1.0 request on its own connection, so the answer ends with the connection.
    The API version is the engine's newest, from ``/_ping``: 20.10 supports at most 1.41, 29 at least 1.44.
    """

    is_concurrent = True

    def __init__(self, docker_host: str = DEFAULT_HOST, timeout: float = TIMEOUT) -> None:
        path = socket_path(docker_host)
        if path is None:
            raise EngineError("not the address of a unix socket: %s" % ascii(docker_host), hint="unix:///path")
        self._path = path
        self._timeout = timeout
        self._prefix: Optional[str] = None

    def version(self) -> Dict[str, object]:
        return as_object(self._get("/version"), "/version")

    def info(self) -> Dict[str, object]:
        return as_object(self._get("/info"), "/info")

    def networks(self) -> List[Dict[str, object]]:
        return as_objects(self._get("/networks"), "/networks")

    def containers(self) -> List[Dict[str, object]]:
        return as_objects(self._get("/containers/json"), "/containers/json")

    def nodes(self) -> List[Dict[str, object]]:
        return as_objects(self._get("/nodes"), "/nodes")

    def network(self, network_id: str) -> Dict[str, object]:
        # It becomes part of a request line.
        if not re.fullmatch(r"[0-9a-z]{1,64}", network_id):
            raise EngineError("not the id of a network: %s" % ascii(network_id[:80]))
        return as_object(self._get("/networks/" + network_id), "/networks/ID")

    def all_containers(self) -> List[Dict[str, object]]:
        return as_objects(self._get("/containers/json?all=1"), "/containers/json")

    def inspect(self, container_id: str) -> Dict[str, object]:
        # It becomes part of a request line.
        if not re.fullmatch(r"[0-9a-f]{64}", container_id):
            raise EngineError("not the id of a container: %s" % ascii(container_id[:80]))
        return as_object(self._get("/containers/%s/json" % container_id), "/containers/ID/json")

    def _get(self, path: str) -> object:
        if self._prefix is None:
            version = self._request("/_ping").headers.get("api-version", "")
            # The version becomes part of a request line, so it must be plain.
            self._prefix = "/v" + version if re.match(r"[0-9]+\.[0-9]+\Z", version) else ""
        response = self._request(self._prefix + path)
        try:
            value = json.loads(response.body.decode("utf-8"))
        except ValueError as error:
            raise EngineError("the engine's answer to %s is not JSON, or is cut off: %s" % (path, error)) from None
        if response.status != 200:
            message = value.get("message") if isinstance(value, dict) else value
            kind = NoSuchContainer if response.status == 404 and path.startswith("/containers/") else EngineError
            raise kind("the engine answered %s with status %d: %s" % (path, response.status, ascii(message)))
        return value

    def _request(self, path: str) -> Response:
        try:
            raw = _exchange(self._path, path, self._timeout)
        except socket.timeout:
            raise EngineUnreachable(
                "the Docker engine did not answer %s within %g s" % (path, self._timeout),
                hint="its socket is %s; a hanging engine shows in its log" % self._path,
            ) from None
        except (OSError, ValueError) as error:
            number = error.errno if isinstance(error, OSError) else None
            hint = None if number is None else _HINTS.get(number)
            raise EngineUnreachable(
                "the Docker engine cannot be reached at %s: %s" % (ascii(self._path), error), hint=hint
            ) from None
        return parse_response(raw)


def _exchange(socket_file: str, path: str, timeout: float) -> bytes:
    """Send one request. Return all bytes until the other side closes the connection."""
    request = "GET %s HTTP/1.0\r\nHost: docker\r\nAccept: application/json\r\n\r\n" % path
    deadline = time.monotonic() + timeout
    chunks: List[bytes] = []
    size = 0
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(timeout)
        connection.connect(socket_file)
        connection.sendall(request.encode("ascii"))
        while True:
            left = deadline - time.monotonic()
            if left <= 0:
                raise socket.timeout()
            connection.settimeout(left)
            chunk = connection.recv(256 * 1024)
            if not chunk:
                return b"".join(chunks)
            size += len(chunk)
            if size > MAX_HEAD + MAX_BODY:
                raise EngineError("the engine's answer to %s is longer than %d MB" % (path, MAX_BODY >> 20))
            chunks.append(chunk)


def parse_response(raw: bytes) -> Response:
    """Parse the bytes of a whole connection. Raises EngineError if they are not HTTP or are cut off."""
    head, end, _rest = raw[:MAX_HEAD].partition(b"\r\n\r\n")
    if not end:
        raise EngineError("no HTTP answer from the engine: %s" % ascii(raw[:60]) if raw else "the engine hung up")
    status_line, *lines = head.decode("iso-8859-1").split("\r\n")
    status = re.match(r"HTTP/1\.[01] ([0-9]{3})(?: |\Z)", status_line)
    if status is None:
        raise EngineError("no HTTP answer from the engine: %s" % ascii(status_line[:60]))
    headers: Dict[str, str] = {}
    for line in lines:
        name, _colon, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    return Response(int(status.group(1)), headers, _body(headers, raw[len(head) + 4:]))


def _body(headers: Dict[str, str], raw: bytes) -> bytes:
    if headers.get("transfer-encoding", "").lower() == "chunked":
        return _dechunked(raw)
    length = headers.get("content-length")
    if length is None:
        return raw
    if not (length.isascii() and length.isdigit()) or len(length) > 12 or len(raw) < int(length):
        raise EngineError("the engine's answer is cut off: %d of %s bytes" % (len(raw), ascii(length[:20])))
    return raw[:int(length)]


def _dechunked(raw: bytes) -> bytes:
    parts: List[bytes] = []
    at = 0
    while True:
        header = re.compile(rb"([0-9A-Fa-f]{1,8})(?:;[^\r\n]*)?\r\n").match(raw, at)
        if header is None:
            raise EngineError("the engine's answer is cut off, or its chunks are broken")
        size = int(header.group(1), 16)
        if size == 0:
            return b"".join(parts)
        end = header.end() + size
        if raw[end:end + 2] != b"\r\n":
            raise EngineError("the engine's answer is cut off, or its chunks are broken")
        parts.append(raw[header.end():end])
        at = end + 2
