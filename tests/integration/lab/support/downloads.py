# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Downloads that go on and on: servers in containers that send numbers without being asked again, and clients that count them."""
from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from tests.lab.api import Client, Host
from tests.lab.workload import IMAGE

from .background import from_client
from .reach import wait_for

# COUNT PORT: over TCP and UDP, send numbers to whoever came once, 200 a second, until they are gone.
_COUNT = """
import selectors, socket, struct, sys, time
port, connections, peers = int(sys.argv[1]), {}, {}
families = [(socket.AF_INET, "0.0.0.0")] + ([(socket.AF_INET6, "::")] if socket.has_dualstack_ipv6() else [])
ready = selectors.DefaultSelector()
for family, address in families:
    try:
        listener = socket.create_server((address, port), family=family)
        datagrams = socket.socket(family, socket.SOCK_DGRAM)
        if family == socket.AF_INET6:
            datagrams.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        datagrams.bind((address, port))
    except OSError:
        continue
    ready.register(listener, selectors.EVENT_READ)
    ready.register(datagrams, selectors.EVENT_READ)
while True:
    for key, _events in ready.select(0.005):
        if key.fileobj.type == socket.SOCK_STREAM:
            connection = key.fileobj.accept()[0]
            connection.setblocking(False)
            connections[connection] = 0
        else:
            try:
                peers.setdefault((key.fileobj, key.fileobj.recvfrom(100)[1]), 0)
            except OSError:
                pass
    time.sleep(0.005)
    for connection, number in list(connections.items()):
        try:
            if connection.send(struct.pack("!Q", number)) == 8:
                connections[connection] = number + 1
        except BlockingIOError:
            pass
        except OSError:
            del connections[connection]
            connection.close()
    for (datagrams, peer), number in list(peers.items()):
        try:
            datagrams.sendto(struct.pack("!Q", number), peer)
        except OSError:
            pass
        peers[datagrams, peer] = number + 1
"""

# TAKE PROTOCOL,ADDRESS,PORT...: start a download from each place; for each line of input print what came of each so far: how many
# numbers, how many are missing, the time of the last one, and whether the connection was ended.
_TAKE = """
import json, selectors, socket, struct, sys, time
told, ready = {}, selectors.DefaultSelector()
for place in sys.argv[1:]:
    protocol, address, port = place.split(",")
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    connection = socket.socket(family, socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM)
    connection.settimeout(5)
    if protocol == "tcp":
        connection.connect((address, int(port)))
    else:
        # Not connected: docker-proxy may answer from another address of its host.
        connection.sendto(b"begin", (address, int(port)))
    connection.setblocking(False)
    told[place] = {"count": 0, "missing": 0, "last": 0.0, "ended": False, "next": None}
    ready.register(connection, selectors.EVENT_READ, place)
ready.register(sys.stdin, selectors.EVENT_READ, None)
rests = dict.fromkeys(told, b"")
print("ready", flush=True)
while True:
    for key, _events in ready.select():
        if key.data is None:
            if not sys.stdin.readline():
                sys.exit()
            print(json.dumps(told), flush=True)
            continue
        one = told[key.data]
        try:
            data = key.fileobj.recv(65536)
        except BlockingIOError:
            continue
        except OSError:
            data = b""
        if not data:
            one["ended"] = True
            ready.unregister(key.fileobj)
            continue
        one["last"] = time.monotonic()
        data = rests[key.data] + data
        for start in range(0, len(data) - 7, 8):
            number, = struct.unpack("!Q", data[start:start + 8])
            one["missing"] += 0 if one["next"] is None else abs(number - one["next"])
            one["next"] = number + 1
            one["count"] += 1
        rests[key.data] = data[len(data) - len(data) % 8:]
"""


@dataclass(frozen=True)
class Taken:
    """What came of one download so far. last: the time (time.monotonic()) of the last byte."""

    count: int
    missing: int
    last: float
    ended: bool


class Downloads:
    """A client's downloads by place."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def now(self) -> dict[str, Taken]:
        """What came so far."""
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        told = json.loads(self._process.stdout.readline())
        return {place: Taken(*(one[name] for name in ("count", "missing", "last", "ended"))) for place, one in told.items()}

    def go_on(self, numbers: int) -> None:
        """Wait until each has brought so many more numbers."""
        before = self.now()
        wait_for(lambda: all(one.count >= before[place].count + numbers for place, one in self.now().items()),
                 "%d more numbers everywhere: %s" % (numbers, self.now()))


@contextmanager
def downloads(client: Client, places: Sequence[str]) -> Iterator[Downloads]:
    """Downloads that run while the block does, each place PROTOCOL,ADDRESS,PORT."""
    with from_client(client, _TAKE, *places) as process:
        assert process.stdout and process.stdout.readline() == "ready\n"
        yield Downloads(process)


def serve(host: Host, name: str, port: int, inner: int, network: str = "bridge") -> None:
    """A container that counts over TCP and UDP on a port of its own, published."""
    count(host, name, inner, "--network", network, "--publish", "%d:%d" % (port, inner), "--publish", "%d:%d/udp" % (port, inner))


def count(host: Host, name: str, inner: int, *options: str) -> None:
    """The same with the options of docker run."""
    host.run(["docker", "run", "--detach", "--name", name, *options, IMAGE, "python3", "-IS", "-c", _COUNT, str(inner)])
