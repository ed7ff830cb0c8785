# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Networks whose containers are meant to be reached at their own addresses: who does, the policy says, by the container's port."""
import json

import pytest

from tests.integration.lab.support import policies, workloads
from tests.integration.lab.support.playbook import play
from tests.integration.lab.support.reach import Onlooker, wait_for
from tests.lab.api import Probe
from tests.lab.workload import IMAGE

MODES = {"routed": "172.28.1", "nat-unprotected": "172.28.2"}


@pytest.fixture(name="forky")
def host_with_such_networks(lab):
    """The one host whose engine knows both modes."""
    host = lab.hosts.get("forky")
    if host is None:
        pytest.skip("the lab has no engine 28, which the modes came with")
    host.pristine()
    for mode, prefix in MODES.items():
        workloads.network(host, mode, "--subnet", prefix + ".0/24", "--ipv6", "--subnet", _v6(mode) + "::/64", *(
            word for family in (4, 6) for word in ("--opt", "com.docker.network.bridge.gateway_mode_ipv%d=%s" % (family, mode))))
        host.run(["docker", "run", "--detach", "--name", mode, "--network", mode, "--expose", "80", "--publish", "80", IMAGE,
                  "answer", mode, "tcp,0.0.0.0,80", "tcp,::,80"])
    yield host
    host.pristine()


def _v6(mode):
    return "fd28:%d:0:0" % (1 + list(MODES).index(mode))


def ways(host):
    """By mode and family, to the container's own address through the host."""
    found = {}
    for mode in MODES:
        told = json.loads(host.run(["docker", "inspect", mode]).stdout)[0]["NetworkSettings"]["Networks"][mode]
        found[mode, 4] = Probe("tcp", told["IPAddress"], 80, mark=host.spec.number, timeout=1.0)
        found[mode, 6] = Probe("tcp", told["GlobalIPv6Address"], 80, mark=host.spec.number, timeout=1.0)
    return found


def reached(lab, host, who):
    """Which of the ways a client has."""
    probes = ways(host)
    results = lab.clients[who].probe(list(probes.values()))
    return {way for way, result in zip(probes, results, strict=True) if result.open}


def apply(host, **published):
    published = dict(policies.one_client(host.spec)["published_ports"], **published)
    return play([host], [policies.POLICY], host_vars=policies.for_hosts([host], lambda spec: dict(
        policies.one_client(spec), published_ports=published)))


def test_closed_unless_the_policy_names_who(lab, forky):
    everywhere = {(mode, family) for mode in MODES for family in (4, 6)}
    wait_for(lambda: reached(lab, forky, "denied") == everywhere, "Docker opens them to everybody")
    apply(forky)
    assert reached(lab, forky, "denied") == set() and reached(lab, forky, "allowed") == set()
    named = {"routed": [{"port": 80, "sources": ["@friends"]}]}
    apply(forky, **named)
    assert reached(lab, forky, "denied") == set() and reached(lab, forky, "allowed") == everywhere
    assert not any(apply(forky, **named).changed().values())
    apply(forky, routed=[{"port": 81, "sources": ["@friends"]}])
    assert reached(lab, forky, "allowed") == set()
    apply(forky, direct="allow")
    assert reached(lab, forky, "denied") == everywhere
    assert Onlooker(lab, [forky]).serves("allowed", lambda host: Probe("tcp", host.spec.v4, 8080, timeout=1.0))
