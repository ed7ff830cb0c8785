# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Closed until ready: on a bridge of this namespace, with containers that are namespaces on veth pairs."""
import os
import socket
import subprocess
import time

import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.errors import DrawbridgeError
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.network.links import ends_into
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.system.system import System
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.service.closed_until_ready import TABLE, Gate, table_text

from .support.bridged import BRIDGE, Bridged, sh
from .support.containers import containers
from .support.namespace import entered, missing


class Gated(Bridged):
    """The same, with a gate."""

    def __init__(self, found):
        super().__init__(found)
        self.gate = Gate(System())

    def open(self, *names, namespace=None):
        engine = self.found.engine
        listed = engine.all_containers()
        ids = [item["Id"] for item in listed if item["Names"][0][1:] in names]
        found = self.gate.namespaces(engine, listed, ids)
        self.gate.open(engine, listed, found if namespace is None else dict.fromkeys(found, namespace))


def wait_until_gone(name):
    """The kernel takes a pair away with its namespace, a moment later."""
    end = time.monotonic() + 10
    while name in [found for _index, found in socket.if_nameindex()]:
        assert time.monotonic() < end, name
        time.sleep(0.01)


@pytest.fixture(name="bridged")
def bridge_with_containers(namespace, monkeypatch):
    reason = missing("nft", "ip")
    if reason:
        pytest.skip(reason)
    with containers("nft", monkeypatch) as found:
        yield Gated(found)


def ready(bridged):
    assert bridged.gate.is_there
    return set(bridged.gate._ready)


def test_only_those_that_are_ready_send_and_get(bridged):
    bridged.start("a", 10, "veth000000a")
    bridged.start("b", 11, "veth000000b")
    assert bridged.reaches("a", "b") and bridged.reaches(None, "a")
    bridged.open("b")
    assert ready(bridged) == {"veth000000b"}
    assert not bridged.reaches("a", "b") and not bridged.reaches("b", "a")
    assert not bridged.reaches("a", None) and not bridged.reaches(None, "a")
    assert bridged.reaches("b", None) and bridged.reaches(None, "b")
    bridged.open("a")
    assert bridged.reaches("a", "b") and bridged.reaches("a", None) and bridged.reaches(None, "a")


def test_a_new_start_is_closed_and_what_has_gone_is_forgotten(bridged):
    bridged.start("a", 10, "veth000000a")
    bridged.open("a")
    bridged.found.stop("a")
    wait_until_gone("veth000000a")
    del bridged.found.engine.inspected[next(iter(bridged.found.engine.inspected))]
    bridged.start("a", 10, "veth000001a")
    bridged.start("b", 11, "veth000000b")
    assert not bridged.reaches(None, "a")
    bridged.open("b")
    assert ready(bridged) == {"veth000000b"}
    bridged.open("a")
    assert ready(bridged) == {"veth000000b", "veth000001a"}


def test_rules_in_the_namespace_before_are_none(bridged):
    bridged.start("a", 10, "veth000000a")
    inode = os.stat("/proc/%d/ns/net" % bridged.found.pid("a")).st_ino
    bridged.open("a", namespace=inode + 1)
    assert ready(bridged) == set()
    bridged.open("a", namespace=inode)
    assert ready(bridged) == {"veth000000a"}


def test_a_container_cannot_say_that_a_port_is_its_own(bridged):
    bridged.start("a", 10, "veth000000a")
    bridged.start("b", 11, "veth000000b")
    with entered("/proc/%d/ns/net" % bridged.found.pid("a")):
        # Pairs of its own, with every index that the host's interfaces could have.
        for number in range(12):
            sh("ip", "link", "add", "x%d" % number, "type", "veth", "peer", "name", "veth000000b" if number == 5 else "y%d" % number)
    bridged.open("a")
    assert ready(bridged) == {"veth000000a"}
    with open("/proc/%d/ns/net" % bridged.found.pid("b"), "rb") as netns:
        assert ends_into(netns.fileno()) == ["veth000000b"]


def test_a_namespace_that_nothing_leads_to(bridged):
    bridged.found.start("lonely")
    with open("/proc/%d/ns/net" % bridged.found.pid("lonely"), "rb") as netns:
        assert ends_into(netns.fileno()) == []
    with open(os.devnull, "rb") as netns, pytest.raises(DrawbridgeError, match="does not tell its interfaces"):
        ends_into(netns.fileno())


class Networks:
    """An engine that says which bridges are Docker's."""

    def __init__(self, *bridges):
        self.bridges = bridges

    def networks(self):
        return [{"Name": name, "Id": "f" * 64, "Driver": "bridge", "Options": {"com.docker.network.bridge.name": name}}
                for name in self.bridges]


def test_bridges_that_are_not_dockers_are_left_alone(bridged):
    bridged.start("a", 10, "veth000000a")
    bridged.open()
    assert not bridged.reaches(None, "a")
    bridged.gate.open_others(Networks(BRIDGE, "docker0"))
    assert not bridged.reaches(None, "a")
    bridged.gate.open_others(Networks("docker0"))
    assert bridged.reaches(None, "a")
    # Ports that are not called as Docker calls them were never closed.
    bridged.start("b", 11, "vnet0")
    assert bridged.reaches(None, "b")
    bridged.open("b")
    assert ready(bridged) == {"veth000000a"}


def test_it_is_made_again_and_taken_away(bridged):
    bridged.start("a", 10, "veth000000a")
    bridged.open("a")
    sh("nft", "flush", "ruleset")
    assert not bridged.gate.is_there and not bridged.gate.is_known
    bridged.open()
    assert bridged.gate.is_there and not bridged.reaches(None, "a")
    bridged.gate.take_away()
    bridged.gate.take_away()
    assert bridged.reaches(None, "a") and not bridged.gate.is_there
    bridged.gate._nft.load(table_text())
    bridged.gate._nft.load(table_text(["veth000000a"]))
    assert ready(bridged) == {"veth000000a"}
    listed = subprocess.run(["nft", "list", "table", "bridge", TABLE], capture_output=True, text=True, check=True).stdout
    assert listed.count("drop") == 2
