# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""What escapes rules on published ports."""
import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.api.answers import Container, Network
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.facts.unfiltered_networks import (
    escapes,
    rootless,
    swarm_active,
)


def network(name, driver="bridge", **modes):
    return Network(name, name + "-id", driver, None, [], False, {int(key[1]): mode for key, mode in modes.items()}, {})


def container(name, mode="default", *networks):
    return Container(name, name + "-id", mode, ["%s-id" % item for item in networks])


def kinds(found):
    return [(item.kind, item.network, item.container) for item in found]


def test_an_ordinary_host_has_none():
    assert escapes({}, [network("bridge", v4="nat", v6="nat"), network("in", v4="isolated")],
                   [container("web", "default", "bridge"), container("off", "none")]) == []


def test_host_network_also_behind_another_container():
    containers = [container("agent", "host"), container("side", "container:agent-id"),
                  container("third", "container:side-id"), container("web"), container("webs", "container:web-id"),
                  container("orphan", "container:gone")]
    assert kinds(escapes({}, [], containers)) == [
        ("host_network", None, "agent"), ("host_network", None, "side"), ("host_network", None, "third"),
    ]


def test_containers_that_share_in_a_circle_end_the_search():
    assert escapes({}, [], [container("a", "container:b-id"), container("b", "container:a-id")]) == []


@pytest.mark.parametrize("escaping, kind", [
    (network("net", "macvlan"), "macvlan"),
    (network("net", "ipvlan"), "ipvlan"),
    (network("net", v4="routed", v6="nat"), "routed"),
    (network("net", v4="nat", v6="nat-unprotected"), "nat-unprotected"),
])
def test_networks_with_their_containers(escaping, kind):
    found = escapes({}, [escaping], [container("web", "net", "net"), container("db", "other", "other")])
    assert kinds(found) == [(kind, "net", None), (kind, "net", "web")]
    assert all(item.reason for item in found)


def test_a_bridge_that_others_come_in_by():
    shared, own = network("lan")._replace(bridge="br0"), network("net")._replace(bridge="br-1")
    found = escapes({}, [shared, own], [container("web", "lan", "lan"), container("db", "net", "net")], frozenset(["br0"]))
    assert kinds(found) == [("shared_bridge", "lan", None), ("shared_bridge", "lan", "web")]


@pytest.mark.parametrize("state, active", [
    ("inactive", False), ("", False), (None, False), ("active", True), ("pending", True), ("locked", True),
    ("error", True),
])
def test_swarm(state, active):
    info = {"Swarm": {"LocalNodeState": state}}
    assert swarm_active(info) is active
    assert kinds(escapes(info, [], [])) == ([("swarm", None, None)] if active else [])
    assert not swarm_active({})


def test_rootless():
    info = {"SecurityOptions": ["name=seccomp,profile=builtin", "name=rootless"]}
    assert rootless(info)
    assert not rootless({"SecurityOptions": None})
    assert kinds(escapes(info, [], [])) == [("rootless", None, None)]
