# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""A Docker engine that says over its socket what a host's file says of it."""

from __future__ import annotations

import hashlib
import json
import re
import socketserver
import threading
from http.server import BaseHTTPRequestHandler
from typing import Any, Dict, List

_API = {"20": "1.41", "24": "1.43", "26": "1.45", "27": "1.47", "28": "1.51", "29": "1.52"}
_PORT = re.compile(r"(?:\[?(?P<address>[0-9a-f.:]+?)\]?:)?(?P<public>\d+):(?P<private>\d+)/(?P<protocol>\w+)")


# Of the first container's process; the others' are the next.
FIRST_PID = 1001


def digest(text: str) -> str:
    """An id as engines give them."""
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def answers(host: Dict[str, Any]) -> Dict[str, Any]:
    """What a host's file says of its engine, as the engine's API says it: by path."""
    networks = [_network(item) for item in host["networks"]]
    containers = [_container(item, pid, host) for pid, item in enumerate(host["containers"], FIRST_PID)]
    said = {"/info": {"ServerVersion": host["release"], "Name": "host", **host.get("info", {})}, "/networks": networks}
    said["/containers/json"] = [item["listed"] for item in containers]
    said["/nodes"] = host.get("nodes", [])
    said.update({"/networks/" + item["Id"]: item for item in networks})
    said.update({"/containers/%s/json" % item["listed"]["Id"]: item["inspected"] for item in containers})
    return said


def _network(item: Dict[str, Any]) -> Dict[str, Any]:
    options = dict(item.get("options", {}))
    if "interface" in item:
        options["com.docker.network.bridge.name"] = item["interface"]
    return {
        "Name": item["name"], "Id": network_id(item), "Driver": item.get("driver", "bridge"), "Scope": item.get("scope", "local"),
        "Ingress": item.get("ingress", False), "Internal": item.get("internal", False), "Options": options,
        "IPAM": {"Config": [{"Subnet": subnet} for subnet in item.get("subnets", [])]},
        "Peers": [{"Name": peer, "IP": peer} for peer in item.get("peers", [])],
    }


def network_id(item: Dict[str, Any]) -> str:
    """Its bridge is called after the first twelve digits."""
    identity: str = item.get("id", "")
    return identity + digest(item["name"])[len(identity):]


def _container(item: Dict[str, Any], pid: int, host: Dict[str, Any]) -> Dict[str, Any]:
    ids = {network["name"]: network_id(network) for network in host["networks"]}
    ends = {
        name: {
            "NetworkID": ids[name], "IPAddress": next((address for address in addresses if ":" not in address), ""),
            "GlobalIPv6Address": next((address for address in addresses if ":" in address), ""), "GwPriority": 0,
        }
        for name, addresses in item["ends"].items()
    }
    identity, mode = digest("container " + item["name"]), next(iter(item["ends"]))
    shared = {"Id": identity, "HostConfig": {"NetworkMode": mode}, "NetworkSettings": {"Networks": ends}}
    labels = item.get("labels", {})
    ports = [_port(text) for text in item.get("ports", [])]
    return {
        "listed": dict(shared, Names=["/" + item["name"]], Labels=labels, Ports=ports, State="running", Image="server:1"),
        "inspected": dict(
            shared, Name="/" + item["name"], Config={"Labels": labels}, State={"Status": "running", "Running": True, "Pid": pid, "Paused": False}
        ),
    }


def _port(text: str) -> Dict[str, Any]:
    found = _PORT.fullmatch(text)
    assert found, text
    port = {"PrivatePort": int(found["private"]), "PublicPort": int(found["public"]), "Type": found["protocol"]}
    return dict(port, IP=found["address"]) if found["address"] else port


class Engine(socketserver.ThreadingUnixStreamServer):
    """Answers as long as the block lasts. said: by path."""

    daemon_threads = True

    def __init__(self, path: str, said: Dict[str, Any]) -> None:
        self.said = said
        self.api = _API[said["/info"]["ServerVersion"].split(".")[0]]
        super().__init__(path, _Request)

    def __enter__(self) -> Engine:
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self.shutdown()
        self.server_close()

    def answer(self, path: str) -> List[Any]:
        """Status and body."""
        path = re.sub(r"^/v[0-9.]+", "", path).partition("?")[0]
        return [200, self.said[path]] if path in self.said else [404, {"message": "not found"}]


class _Request(BaseHTTPRequestHandler):
    def do_GET(self) -> None:  # pylint: disable=invalid-name
        """All that is asked of an engine."""
        status, body = (200, "OK") if self.path == "/_ping" else self.server.answer(self.path)  # type: ignore[attr-defined]
        text = json.dumps(body).encode("utf-8")
        self.send_response(status)
        self.send_header("Api-Version", self.server.api)  # type: ignore[attr-defined]
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format: str, *arguments: Any) -> None:  # pylint: disable=redefined-builtin
        """Nothing is logged."""

    def address_string(self) -> str:
        return "unix"
