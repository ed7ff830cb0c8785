# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""An ACCEPT that somebody puts ahead of DOCKER-USER: what looked closed was open, and is closed by the next run."""
import pytest

from tests.integration.lab.support import outwards, ways
from tests.integration.lab.support.playbook import play
from tests.lab import layout
from tests.lab.api import Probe
from tests.lab.layout import OUTSIDE

DENY = {"drawbridge.docker.container_egress": {"default": "deny"}}
POLICY = {"drawbridge.docker.host_policy": {"policy": {"egress": {"default": "deny"}}}}
LOOK = {"drawbridge.docker.docker_firewall_info": {}}


def reaches_outside(host):
    """Whether a container does."""
    return host.containers()["web"].probe([Probe("tcp", OUTSIDE.v4, layout.OUTSIDE_SERVER_TCP)])[0].open


def found(host, code):
    return [item for item in play([host], [LOOK]).last(host.name)["findings"] if item["code"] == code]


@pytest.mark.parametrize("task", [pytest.param(DENY, marks=pytest.mark.drill), POLICY], ids=["container_egress", "host_policy"])
def test_an_accept_ahead_of_docker_user_does_not_stay_there(one, task):
    play([one], [task])
    assert not reaches_outside(one) and not found(one, "docker_user_passed_by")
    one.run(["iptables", "-I", "FORWARD", "-i", "docker0", "-j", "ACCEPT"])
    assert reaches_outside(one)
    (finding,) = found(one, "docker_user_passed_by")
    assert "-i docker0 -j ACCEPT" in finding["about"][0] and "run the play again" in finding["hint"]
    dumps = ways.dumps([one])
    assert play([one], [task], check=True).changed() == {one.name: True} and ways.dumps([one]) == dumps
    assert play([one], [task]).changed() == {one.name: True}
    assert not reaches_outside(one) and not found(one, "docker_user_passed_by")
    assert play([one], [task]).changed() == {one.name: False}
    # The engine puts its own jump first, up to 27 at each new network, later at its start: there is one jump whoever was last.
    one.run(["docker", "network", "create", "later"])
    play([one], [task])
    outwards.restart_engine(one)
    play([one], [task])
    assert play([one], [task]).changed() == {one.name: False}
    assert not reaches_outside(one)
    rules = one.run(["iptables", "-S", "FORWARD"]).stdout.splitlines()
    assert [line for line in rules if line.endswith("DOCKER-USER")] == ["-A FORWARD -j DOCKER-USER"]
