# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Where a container is, by what the engine tells of it."""
from types import SimpleNamespace

import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.api.answers import Network
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.errors import DrawbridgeError
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.language.open_port_entries import parse_open_port
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.port_forwarding.container_address import endpoints

PORT = parse_open_port({"name": "web", "port": 8080, "container_port": 80, "sources": ["any"]})
NETWORKS = [
    Network("app", "a", "bridge", "br-a", ["172.18.0.0/16", "fd00:a::/64"], False, {}, {}),
    Network("back", "b", "bridge", "br-b", ["172.19.0.0/16"], False, {}, {}),
    Network("inner", "i", "bridge", "br-i", ["172.20.0.0/16"], True, {}, {}),
    Network("lan", "l", "macvlan", None, ["192.0.2.0/24"], False, {}, {}),
    Network("odd", "o", "bridge", 'br"; x', ["172.21.0.0/16"], False, {}, {}),
]


def end(network, v4, v6="", **more):
    return {"NetworkID": network, "IPAddress": v4, "GlobalIPv6Address": v6, **more}


def details(mode="app", **ends):
    return {"HostConfig": {"NetworkMode": mode}, "NetworkSettings": {"Networks": ends}}


def found(inspected, port=PORT, others=None):
    target = SimpleNamespace(name="web", details=inspected)
    inspector = SimpleNamespace(inspect=lambda identity: (others or {})[identity])
    return [(item.address, item.bridge, item.subnets) for item in endpoints(port, target, inspector, NETWORKS)]


def test_both_families_of_one_network():
    assert found(details(app=end("a", "172.18.0.2", "fd00:a::0:2"))) == [
        ("172.18.0.2", "br-a", ("172.18.0.0/16",)), ("fd00:a::2", "br-a", ("fd00:a::/64",))]


def test_of_several_networks_the_one_that_the_engine_takes():
    """By its priority as gateway, then by name, one that is internal last."""
    several = {"back": end("b", "172.19.0.2"), "app": end("a", "172.18.0.2"), "inner": end("i", "172.20.0.2")}
    assert found(details(**several))[0][0] == "172.18.0.2"
    several["back"]["GwPriority"] = 1
    assert found(details(**several))[0][0] == "172.19.0.2"


def test_who_shares_a_network_is_where_its_owner_is():
    owner = details(app=end("a", "172.18.0.2"))
    assert found(details("container:x"), others={"x": details("container:y"), "y": owner})[0][0] == "172.18.0.2"
    with pytest.raises(DrawbridgeError, match="cannot be found"):
        found(details("container:x"), others={"x": details("container:x")})


@pytest.mark.parametrize("inspected, message", [
    (details("host"), "is on the host's network"),
    (details("none", none=end("n", "")), "has no network"),
    ({}, "has no network"),
    (details(lan=end("l", "192.0.2.9")), "is on 'lan', which is no bridge network of this host"),
    (details(odd=end("o", "172.21.0.2")), "is on 'odd', which is no bridge network of this host"),
    (details(app=end("a", "")), "has no address that the port could lead to"),
    (details(inner=end("i", "172.20.0.2")), "is on the internal network 'inner'"),
])
def test_what_no_port_can_lead_to(inspected, message):
    with pytest.raises(DrawbridgeError, match=message):
        found(inspected)


def test_an_internal_network_with_the_host_s_help():
    port = PORT._replace(masquerade=True)
    assert found(details(inner=end("i", "172.20.0.2")), port)[0][0] == "172.20.0.2"


def test_an_engine_s_address_is_read_before_it_becomes_a_rule():
    with pytest.raises(DrawbridgeError, match="is not an IP address"):
        found(details(app=end("a", "172.18.0.2 -j ACCEPT")))
