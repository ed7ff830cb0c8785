# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Beside podman: the real netavark makes its bridge and rules, and a policy decides who reaches what it published."""
import json

import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.compile.compile import compile_policy
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.language.schema import parse_policy

from tests.integration.kernel.support import rooted, wire
from tests.integration.kernel.support.host import PROGRAMS
from tests.integration.kernel.support.namespace import entered
from tests.integration.kernel.support.policies import no_policy
from tests.integration.kernel.test_denied_sources import ALL, DIALLED, NOBODY_KNOWN, SERVED, THEY, reach

# It is fetched from a mirror.
pytestmark = pytest.mark.drill
BRIDGE = "podman0"
SUBNETS = {4: ("10.88.0.0/16", "10.88.0.1"), 6: ("fd00:88::/64", "fd00:88::1")}
INNER = {4: "10.88.0.2", 6: "fd00:88::2"}
ALLOWED = [{"port": DIALLED, "sources": list(wire.SOURCES["allowed"].values())}]
# What podman writes to it of `podman run --publish 8080:80`.
SAID = {
    "container_id": "c" * 64, "container_name": "web",
    "networks": {"podman": {"interface_name": "eth0", "static_ips": list(INNER.values())}},
    "network_info": {"podman": {
        "name": "podman", "id": "2f259bab93aaaaa2542ba43ef33eb990d0999ee1b9924b557b7be53c0b7a1bb9", "driver": "bridge", "network_interface": BRIDGE,
        "subnets": [{"subnet": subnet, "gateway": gateway} for subnet, gateway in SUBNETS.values()],
        "ipv6_enabled": True, "internal": False, "dns_enabled": False, "ipam_options": {"driver": "host-local"},
    }},
    "port_mappings": [{"container_port": SERVED, "host_ip": "", "host_port": DIALLED, "protocol": "tcp", "range": 1}],
}


@pytest.fixture(name="packages", scope="module")
def fetched_from_outside_the_namespace():
    return rooted.fetched("netavark")


class Podman:
    """netavark, as podman calls it for one container."""

    def __init__(self, root, driver, inner):
        self._root, self._driver, self._inner = root, driver, inner

    def __call__(self, verb):
        self._root.run("/usr/lib/podman/netavark", "--config", "/run/netavark", verb, self._inner, text=json.dumps(SAID), NETAVARK_FW=self._driver)


@pytest.fixture(params=["iptables", "nftables"], name="podman")
def podman_of_each_driver(request, packages, host, tmp_path, inner):
    return Podman(rooted.Root(packages, tmp_path / "root", host.variant), request.param, inner)


@pytest.fixture(name="inner")
def container(client):
    """The path of its namespace. The client knows the way to containers' own addresses."""
    with wire.behind() as pid:
        with entered(client.path):
            for family, (network, _gateway) in SUBNETS.items():
                wire.ip("-%d" % family, "route", "add", network, "via", wire.HOST[family])
        yield "/proc/%d/ns/net" % pid


def theirs(host):
    """Its rules, in order."""
    tables = host.sh("nft", "list", "tables")
    listed = [host.sh("nft", "list", "table", "inet", "netavark")] if "inet netavark" in tables else []
    return listed + [line for family in PROGRAMS for line in host.save(family).splitlines() if "NETAVARK" in line]


def applied(host, **policy):
    return host.converge(compile_policy(parse_policy(policy), NOBODY_KNOWN)).is_change


def dialled(client, inner):
    return reach(client, inner, wire.HOST, DIALLED)


def test_what_it_published(host, client, inner, podman):
    podman("setup")
    before = theirs(host)
    assert before and dialled(client, inner) == ALL
    assert applied(host, published_ports={"allow": ALLOWED}) and theirs(host) == before
    assert dialled(client, inner) == THEY
    # Its bridge is none of the engine's: what is routed to its containers' own addresses is podman's.
    assert reach(client, inner, INNER, SERVED) == ALL
    # The container starts anew.
    podman("teardown")
    podman("setup")
    assert theirs(host) == before and not applied(host, published_ports={"allow": ALLOWED})
    assert dialled(client, inner) == THEY


def test_nobody_is_named_or_the_bridge_is_left_alone(host, client, inner, podman):
    podman("setup")
    before = theirs(host)
    applied(host, published_ports={})
    assert dialled(client, inner) == set()
    applied(host, published_ports={}, unmanaged_interfaces=[BRIDGE])
    assert dialled(client, inner) == ALL
    host.converge(no_policy())
    assert dialled(client, inner) == ALL and theirs(host) == before
