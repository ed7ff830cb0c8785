# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""What packet_probe says of packets is what became of them: answered, refused, forbidden or lost, from the host and from inside a namespace."""
import contextlib
import socket
import threading

import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.containers.selector import SELECTOR_ARGUMENTS
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.errors import DrawbridgeError
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.tasks.packet_probe import probed

from tests.integration.kernel.support import wire
from tests.integration.kernel.support.namespace import entered
from tests.integration.kernel.support.playbook import play, why_not
from tests.integration.kernel.support.watching import until

DEFAULTS = dict.fromkeys(SELECTOR_ARGUMENTS) | {
    "on_missing": "fail", "port": None, "protocol": None, "expect": None, "answer": True, "payload": "x", "source": None, "source_port": None,
    "interface": None, "timeout": 5.0, "http_path": None, "http_host": None, "http_status": None,
}
AF = {4: socket.AF_INET, 6: socket.AF_INET6}
OPEN, CLOSED, DROPPED, REJECTED = 7001, 7002, 7003, 7004


@contextlib.contextmanager
def served(family, kind):
    """An answering socket of the host's, which says what it was asked."""
    asked = []
    with socket.socket(AF[family], kind) as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind((wire.HOST[family], OPEN))

        def streams():
            server.listen()
            while True:
                link, peer = server.accept()
                with link:
                    link.settimeout(20)
                    with contextlib.suppress(OSError):
                        text = link.recv(1000)
                        asked.append((peer, text))
                        link.sendall(b"HTTP/1.1 503 {{ no }}\r\n\r\n" if b"HTTP" in text else b"")

        def datagrams():
            while True:
                text, peer = server.recvfrom(1000)
                if peer is None:
                    return
                asked.append((peer, text))
                server.sendto(b"answer", peer)

        def body():
            with contextlib.suppress(OSError):
                (streams if kind == socket.SOCK_STREAM else datagrams)()

        thread = threading.Thread(target=body, daemon=True)
        thread.start()
        yield asked
        with contextlib.suppress(OSError):
            server.shutdown(socket.SHUT_RDWR)


def outcomes(host, family, client=None, **arguments):
    params = dict(DEFAULTS, to=wire.HOST[family], path=None if client is None else client.path, **arguments)
    probes, failure = probed(host.system, params, lambda: None)
    return [(item["outcome"], item["verdict"]) for item in probes], failure, probes


@pytest.fixture(name="ruled")
def rules_of_a_host(nft_host, client):
    for family in (4, 6):
        nft_host.restore("*filter\n-A INPUT -p tcp -m tcp --dport %d -j DROP\n-A INPUT -p udp -m udp --dport %d -j DROP\n"
                         "-A INPUT -p tcp -m tcp --dport %d -j REJECT\nCOMMIT\n" % (DROPPED, DROPPED, REJECTED), family)
    client.until_it_carries()
    return nft_host


@pytest.mark.parametrize("family", [4, 6])
def test_what_came_back_is_told(ruled, client, family):
    before = ruled.everything()
    with served(family, socket.SOCK_STREAM) as asked:
        for arguments, expected in (
            ({"port": OPEN}, ("answered", "allow")), ({"port": CLOSED}, ("refused", "deny")), ({"port": REJECTED}, ("refused", "deny")),
            ({"port": DROPPED, "timeout": 0.3}, ("silent", "deny")), ({}, ("answered", "allow")),
            ({"port": OPEN, "http_path": "/x", "http_status": [503]}, ("answered", "allow")),
            ({"port": OPEN, "http_path": "/x", "http_status": [200, 204]}, ("answered", "deny")),
        ):
            found, failure, probes = outcomes(ruled, family, client, **arguments)
            assert found == [expected] and failure is None, (arguments, probes)
        assert probes[0]["http_status"] == 503 and "expected is 200 or 204" in probes[0]["reason"]
        assert asked[-1][1].startswith(b"GET /x HTTP/1.1\r\nHost: ")
        source = wire.SOURCES["denied"][family]
        found, failure, probes = outcomes(ruled, family, client, port=OPEN, source=source, source_port=45678, interface=link_of(client), expect="deny")
        assert found == [("answered", "allow")] and "expected deny, and it is allow" in failure
        # The server is told of it a moment after the client.
        until(lambda: asked[-1][0][:2] == (source, 45678))
        assert probes[0]["sender"].endswith(":45678")
    with served(family, socket.SOCK_DGRAM):
        for arguments, expected in (
            ({"port": OPEN}, ("answered", "allow")), ({"port": CLOSED}, ("refused", "deny")), ({"port": DROPPED, "timeout": 0.3}, ("silent", "deny")),
            ({"port": DROPPED, "timeout": 0.1, "answer": False}, ("sent", "allow")), ({"port": CLOSED, "answer": False}, ("refused", "deny")),
        ):
            found, failure, probes = outcomes(ruled, family, client, protocol="udp", **arguments)
            assert found == [expected] and failure is None, (arguments, probes)
        # The host itself, with nobody else to ask.
        assert outcomes(ruled, family, protocol="udp", port=OPEN)[0] == [("answered", "allow")]
    nowhere = dict(DEFAULTS, to={4: "203.0.113.77", 6: "2001:db8:ffff::1"}[family], port=80, path=client.path)
    assert probed(ruled.system, nowhere, lambda: None)[0][0]["outcome"] == "unreachable"
    assert ruled.everything() == before


def link_of(client):
    with entered(client.path):
        return next(name for _index, name in socket.if_nameindex() if name != "lo")


def test_bad_words(ruled, client):
    for wrong, path in (
        ({"to": "example.com"}, "to"), ({"to": "192.0.2.0/24"}, "to"), ({"port": 70000}, "port"), ({"protocol": "udp"}, "port"),
        ({"protocol": "icmp", "port": 1}, "port"), ({"port": 1, "source": "2001:db8::1"}, "source"), ({"port": 1, "timeout": 0.0}, "timeout"),
        ({"port": 1, "http_path": "/\r\nX: y"}, "http_path"), ({"port": 1, "http_path": "/", "http_host": "a b"}, "http_host"),
        ({"port": 1, "http_status": [200]}, "http_path"),
        ({"port": 1, "answer": False}, "answer"), ({"port": 1, "protocol": "udp", "answer": False, "expect": "deny"}, "expect"),
        ({"port": 1, "path": "/nowhere"}, "path"),
    ):
        with pytest.raises(DrawbridgeError) as caught:
            probed(ruled.system, dict(DEFAULTS, **dict({"to": wire.HOST[4]}, **wrong)), lambda: None)
        assert caught.value.path == path, wrong


def test_modules(ruled, client, tmp_path):
    """As ansible-playbook runs them: in check mode, too, and with what fails."""
    if why_not():
        pytest.skip(why_not())

    def task(check=False, **arguments):
        return {"drawbridge.docker.packet_probe": dict({"to": wire.HOST[4], "path": client.path, "timeout": 5}, **arguments), "check_mode": check}

    pinged, refused, wrong, traced = play(tmp_path, [
        task(True, expect="allow"), task(port=CLOSED, expect="deny"), task(port=CLOSED, expect="allow"),
        {"drawbridge.docker.packet_trace": {"packet": {"from": wire.SOURCES["allowed"][4], "to": wire.HOST[4], "port": DROPPED}}, "check_mode": True},
    ])
    assert pinged["probes"][0]["outcome"] == "answered" and not pinged["changed"]
    assert not refused["failed"] and "nobody listens" in refused["warnings"][0]
    assert wrong["failed"] and "expected allow, and it is deny" in wrong["msg"] and wrong["probes"][0]["outcome"] == "refused"
    assert traced["verdict"]["verdict"] == "dropped" and traced["seen"] == [] and traced["agrees"] is None and traced["method"] == "trace"
