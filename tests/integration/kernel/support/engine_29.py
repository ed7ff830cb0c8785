# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""An engine with the nftables backend, as 29.7.2 leaves a host: its rules as captured, two containers, and its socket."""
from __future__ import annotations

import contextlib
import json
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler
from pathlib import Path

from tests.integration.kernel.support.host import CAPTURES
from tests.integration.kernel.support.link import carry
from tests.integration.kernel.support.namespace import entered
from tests.lab.layout import GUEST

RULES = CAPTURES / "docker-29.7.2-nftables.c.nft"
# Bridge → the subnet's first two bytes. A container stands at .0.2 and serves port 80.
BRIDGES = {"docker0": "172.17", "br-36587cf4495f": "172.18"}
# Host port → bridge of the container that publishes it.
PUBLISHED = {8080: "docker0", 8082: "br-36587cf4495f"}


def network(bridge: str) -> dict[str, object]:
    """A network as /networks tells it."""
    default = bridge == "docker0"
    return {
        "Name": "bridge" if default else "app", "Id": "ab" * 32 if default else "36587cf4495f" + "cd" * 26, "Driver": "bridge",
        "Scope": "local", "Internal": False, "Ingress": False, "EnableIPv4": True, "EnableIPv6": False, "Labels": {},
        "IPAM": {"Driver": "default", "Options": None, "Config": [
            {"Subnet": BRIDGES[bridge] + ".0.0/16", "Gateway": BRIDGES[bridge] + ".0.1"}]},
        "Options": {"com.docker.network.bridge.name": bridge} if default else {}, "Containers": {},
    }


def container(port: int) -> dict[str, object]:
    """A container as /containers/json tells it."""
    bridge = PUBLISHED[port]
    attached = {"IPAddress": BRIDGES[bridge] + ".0.2", "GlobalIPv6Address": "", "Gateway": BRIDGES[bridge] + ".0.1",
                "NetworkID": network(bridge)["Id"]}
    return {
        "Id": "%064x" % port, "Names": ["/c%d" % port], "Image": "server", "Labels": {}, "State": "running", "Status": "Up",
        "HostConfig": {"NetworkMode": network(bridge)["Name"]},
        "NetworkSettings": {"Networks": {network(bridge)["Name"]: attached}},
        "Ports": [{"IP": "0.0.0.0", "PrivatePort": 80, "PublicPort": port, "Type": "tcp"}],
    }


def answers(ports: Iterable[int]) -> dict[str, object]:
    """What the engine says, publishing these ports."""
    info = {
        "ServerVersion": "29.7.2", "FirewallBackend": {"Driver": "nftables"}, "EnableUserlandProxy": False, "IPv4Forwarding": True,
        "SecurityOptions": [], "Swarm": {"LocalNodeState": "inactive"}, "Warnings": None, "Name": "host",
    }
    version = {"Version": "29.7.2", "ApiVersion": "1.54"}
    return {"/version": version, "/info": info, "/networks": [network(bridge) for bridge in BRIDGES], "/containers/json": [container(port) for port in ports]}


class _Server(socketserver.ThreadingUnixStreamServer):
    """answers: by path."""

    answers: Mapping[str, object]


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        """/_ping, or a question with the version in front of it."""
        path = self.path.removeprefix("/v1.54").partition("?")[0]
        found = {"/_ping": "OK", **self.server.answers}.get(path)
        body = json.dumps(found).encode()
        self.send_response(404 if found is None else 200)
        self.send_header("Api-Version", "1.54")
        self.end_headers()
        self.wfile.write(body)

    def address_string(self) -> str:
        """There is no address behind a unix socket."""
        return "client"

    def log_message(self, *_arguments: object) -> None:
        """Nothing to say."""


def engine(folder: Path, ports: Iterable[int] | None = None) -> contextlib.AbstractContextManager[str]:
    """An engine that answers on a socket in the folder → its address. ports: PUBLISHED where not given."""
    return answering(folder, answers(PUBLISHED if ports is None else ports))


@contextlib.contextmanager
def answering(folder: Path, by_path: Mapping[str, object]) -> Iterator[str]:
    """Some engine that gives these answers on a socket in the folder → its address."""
    path = str(Path(folder, "docker.sock"))
    with _Server(path, _Handler) as server:
        server.answers = by_path
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        try:
            yield "unix://" + path
        finally:
            server.shutdown()
            Path(path).unlink()


def _run(*argv: str) -> None:
    subprocess.run(argv, check=True, stdout=subprocess.DEVNULL)


@contextlib.contextmanager
def containers() -> Iterator[None]:
    """Make the engine's rules and bridges in this namespace, and a serving container behind each."""
    # Older releases of nft know the name of this priority for prerouting only.
    rules = RULES.read_text(encoding="utf-8").replace("hook output priority dstnat", "hook output priority -100")
    subprocess.run(["nft", "-f", "-"], input=rules, text=True, check=True)
    with open("/proc/sys/net/ipv4/ip_forward", "w", encoding="ascii") as setting:
        setting.write("1")
    with contextlib.ExitStack() as stack:
        for bridge, subnet in BRIDGES.items():
            stack.enter_context(_container(bridge, subnet))
        yield


@contextlib.contextmanager
def _container(bridge: str, subnet: str) -> Iterator[None]:
    answer = [sys.executable, str(GUEST / "answer.py"), bridge, "tcp,0.0.0.0,80"]
    with subprocess.Popen(["unshare", "--net", *answer]) as process:
        try:
            inside = "/proc/%d/ns/net" % process.pid
            _until(lambda: Path(inside).readlink() != Path("/proc/thread-self/ns/net").readlink())
            _run("ip", "link", "add", bridge, "type", "veth", "peer", "name", "eth0", "netns", str(process.pid))
            _run("ip", "address", "add", subnet + ".0.1/16", "dev", bridge)
            _run("ip", "link", "set", bridge, "up")
            with entered(inside):
                _run("ip", "address", "add", subnet + ".0.2/16", "dev", "eth0")
                _run("ip", "link", "set", "eth0", "up")
                _run("ip", "route", "add", "default", "via", subnet + ".0.1")
                _until(lambda: ":0050 " in Path("/proc/thread-self/net/tcp").read_text(encoding="ascii"))
                carry("eth0")
            carry(bridge)
            yield
        finally:
            process.kill()


def _until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)
