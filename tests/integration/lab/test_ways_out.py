# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Egress and masquerade as keys of a policy, in one task with the rest, and over a reboot of the host."""
import pytest

from tests.integration.lab.support import outwards, ways
from tests.integration.lab.support.playbook import play
from tests.lab import layout
from tests.lab.api import Probe
from tests.lab.layout import OUTSIDE

BOOT = {"drawbridge.docker.boot_restore": {}}
POLICY = {"drawbridge.docker.host_policy": {"fragments": "host_policy__"}}
FRAGMENTS = {
    "host_policy__outbound": {
        "masquerade": {"networks": {outwards.NETWORK: False}},
        "egress": {"networks": {outwards.NETWORK: {
            "default": "deny", "allow": [{"destination": OUTSIDE.v4, "port": layout.OUTSIDE_SERVER_TCP}]}}},
    },
    "host_policy__backend": {"egress": {"networks": {"backend": {"default": "deny", "host": "allow"}}}},
    "host_policy__heavy": {"weight": 60, "egress": {"networks": {"backend": {"host": "deny"}}}},
}


@pytest.fixture(name="travelling")
def hosts_with_containers(manageable):
    """The hosts, each with a network and containers of its own, and the way back to them."""
    ways.on_all(manageable, outwards.allow_replies)
    ways.on_all(manageable, outwards.make)
    with outwards.routes_back(manageable):
        yield manageable


def state(host):
    """What the outside sees, and what is reached by UDP, of the host, and from backend."""
    found = host.containers()
    probes = [Probe("tcp", OUTSIDE.v4, layout.OUTSIDE_SERVER_TCP, timeout=1.5), Probe("udp", OUTSIDE.v4, layout.OUTSIDE_SERVER_UDP)]
    traveller = found[outwards.NAME].probe([*probes, Probe("tcp", found[outwards.NAME].gateway, 9000)])
    peer = found["peer"].probe([*probes, Probe("tcp", found["peer"].gateway, 9000)])
    return {"seen": traveller[0].peer == found[outwards.NAME].v4, "traveller": [item.open for item in traveller],
            "peer": [item.open for item in peer]}


HELD = {"seen": True, "traveller": [True, False, False], "peer": [False, False, False]}
AS_DOCKER_DOES = {"seen": False, "traveller": [True, True, True], "peer": [True, True, True]}


@pytest.mark.drill
def test_in_a_policy_and_over_a_reboot(travelling):
    hosts = travelling
    host_vars = {host.name: FRAGMENTS for host in hosts}
    assert ways.on_all(hosts, state) == {host.name: AS_DOCKER_DOES for host in hosts}
    assert set(play(hosts, [BOOT, POLICY], host_vars=host_vars).changed().values()) == {True}
    assert ways.on_all(hosts, state) == {host.name: HELD for host in hosts}
    ways.on_all(hosts, lambda host: host.reboot())
    assert ways.on_all(hosts, state) == {host.name: HELD for host in hosts}
    assert set(play(hosts, [BOOT, POLICY], host_vars=host_vars).changed().values()) == {False}
    play(hosts, [{"drawbridge.docker.host_policy": {"state": "absent"}}])
    assert ways.on_all(hosts, state) == {host.name: AS_DOCKER_DOES for host in hosts}


def test_fragments_that_contradict_each_other_name_both(manageable):
    hosts = manageable[:1]
    clash = {hosts[0].name: {
        "host_policy__a": {"masquerade": {"networks": {"backend": False}}, "egress": {"default": "deny"}},
        "host_policy__b": {"masquerade": {"networks": {"backend": "192.0.2.99"}}},
    }}
    said = play(hosts, [POLICY], host_vars=clash, fails=True).failed()[hosts[0].name]
    assert "host_policy__b.masquerade.networks.backend" in said and "host_policy__a" in said
    wrong = {hosts[0].name: {"host_policy__a": {"egress": {"networks": {"backend": {"default": "deny", "allow": [{"destination": "@nowhere"}]}}}}}}
    said = play(hosts, [POLICY], host_vars=wrong, fails=True).failed()[hosts[0].name]
    assert "host_policy__a.egress.networks.backend.allow[0].destination" in said and "unknown address set" in said
