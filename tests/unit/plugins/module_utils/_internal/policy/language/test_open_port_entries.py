# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""What users write to open a port."""
import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.errors import DrawbridgeError
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.language.open_port_entries import parse_open_port

GIVEN = {"name": "web", "port": 8080, "container_port": 80, "sources": ["any"]}


def opened(**more):
    return parse_open_port({**GIVEN, **more}, "open_ports[0]")


def test_what_is_left_out():
    port = opened()
    assert (port.number, port.container_port, port.target.protocol, port.address) == (8080, 80, "tcp", None)
    assert (port.families, port.masquerade, port.ignores_missing) == ((4, 6), False, False)
    assert port.called == "port 8080/tcp"


def test_an_address_decides_about_the_family():
    assert opened(address="192.0.2.7").families == (4,)
    assert opened(address="2001:db8::0:7").address == "2001:db8::7"
    assert opened(address="192.0.2.7", protocol="UDP").called == "port 8080/udp of 192.0.2.7"
    assert (opened(address="::").families, opened(address="::").address) == ((6,), None)


def test_the_mark_is_the_selector_s():
    """And nobody else's: what the port does may change without being another one's."""
    assert opened().mark == opened(sources=["192.0.2.1"], port=1, container_port=2, masquerade=True).mark
    assert len({opened().mark, opened(name="web2").mark, opened(label=["web"]).mark, opened(label=["a", "b"]).mark}) == 4


@pytest.mark.parametrize("more, message", [
    ({"port": None}, "open_ports[0]: port is missing"),
    ({"container_port": None}, "open_ports[0]: container_port is missing"),
    ({"sources": None}, "open_ports[0]: sources is missing (sources: [any] lets everybody in)"),
    ({"port": "80-90"}, "open_ports[0].port: 80:90: one port is opened at a time, not a range"),
    ({"container_port": 0}, "open_ports[0].container_port: '0': ports are from 1 to 65535"),
    ({"address": "127.0.0.1"}, "open_ports[0].address: the loopback cannot be led to a container"),
    ({"address": "::1"}, "open_ports[0].address: the loopback cannot be led to a container"),
    ({"address": "192.0.2.7", "ip_version": "ipv6"}, "open_ports[0].address: the address is not of ipv6"),
    ({"protocol": "icmp"}, "open_ports[0].protocol: 'icmp' is not one of tcp, udp, sctp"),
    ({"masquerade": "yes"}, "open_ports[0].masquerade: expected true or false"),
    ({"on_missing": "maybe"}, "open_ports[0].on_missing: 'maybe' is not one of fail, ignore"),
    ({"sources": ["example.com"]}, "open_ports[0].sources[0]: 'example.com' is not an IP address or network"),
    ({"name": None}, "open_ports[0]: no container is chosen"),
    ({"name": ""}, "open_ports[0].name: '' chooses nothing"),
])
def test_errors_name_the_place(more, message):
    with pytest.raises(DrawbridgeError) as error:
        opened(**more)
    assert str(error.value).startswith(message)
