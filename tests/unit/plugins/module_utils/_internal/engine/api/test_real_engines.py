# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""What real engines answered (20.10, 26.1, 28.5, recorded on the lab's hosts), and what is made of it."""
import json
from pathlib import Path

import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.api.answers import (
    parse_backend,
    parse_containers,
    parse_networks,
    parse_published,
    release,
)
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.api.client import Engine, EngineError, EngineUnreachable
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.facts import gather
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.facts.unfiltered_networks import escapes
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.system.system import System

FIXTURES = Path(__file__).resolve().parents[5] / "fixtures" / "engine"
VERSIONS = ["20.10.24", "26.1.5", "28.5.2"]


class Recorded(Engine):
    """An engine that answers what a real one once did."""

    def __init__(self, version):
        self.answers = json.loads((FIXTURES / ("docker-%s.json" % version)).read_text(encoding="utf-8"))

    def version(self):
        return self.answers["/version"]

    def info(self):
        return self.answers["/info"]

    def networks(self):
        return self.answers["/networks"]

    def containers(self):
        return self.answers["/containers/json"]


class NoSwarm(System):
    def read(self, path):
        return None


class InSwarm(System):
    def read(self, path):
        assert path == "/var/lib/docker/swarm/docker-state.json"
        return "{}"


@pytest.fixture(params=VERSIONS)
def engine(request):
    return Recorded(request.param)


def test_ports(engine):
    second = engine.answers["/info"]["Name"]
    last = {"bookworm": 111, "trixie": 112, "forky": 113}[second]
    found = parse_published(engine.containers())
    every = [(8080, "web", 80), (8081, "same", 8081), (8083, "six", 80), (8100, "range", 8100), (8101, "range", 8101),
             (8102, "range", 8102), (8103, "range", 8103), (5300, "udp", 5300)]
    expected = {(family, None, port, "udp" if name == "udp" else "tcp", name, inner, False)
                for family in (4, 6) for port, name, inner in every}
    expected |= {
        (4, "192.0.2.%d" % last, 8082, "tcp", "one", 80, False),
        (6, "2001:db8:1::%d" % last, 8082, "tcp", "one", 80, False),
        (4, "127.0.0.1", 8090, "tcp", "local", 80, True),
        (4, "127.0.0.1", 8099, "tcp", "rec-link", 80, True),
    }
    assert {(port.family, port.address, port.port, port.protocol, port.container_name, port.container_port,
             port.loopback) for port in found} == expected
    assert len(found) == len(expected)


def test_networks(engine):
    networks = {network.name: network for network in parse_networks(engine.networks(), engine.info())}
    assert networks["bridge"].bridge == "docker0"
    assert networks["bridge"].subnets == ["172.17.0.0/16"]
    assert networks["backend"].bridge == "br-" + networks["backend"].id[:12]
    assert networks["rec-int"].internal and not networks["backend"].internal
    assert sorted(":" in subnet for subnet in networks["net6"].subnets) == [False, True]
    assert networks["host"].bridge is None and networks["none"].bridge is None
    assert networks["rec-lan"].options["parent"] == "rec0"


def test_escapes(engine):
    networks = parse_networks(engine.networks(), engine.info())
    found = [(item.kind, item.network, item.container)
             for item in escapes(engine.info(), networks, parse_containers(engine.containers()))]
    # The option is there on every engine; those before 27 do nothing with it.
    routed = [("routed", "rec-routed", None)] if release(engine.info()) >= (27,) else []
    assert found == [("host_network", None, "rec-host"), ("host_network", None, "rec-side"),
                     ("macvlan", "rec-lan", None), ("macvlan", "rec-lan", "rec-mac")] + routed


def test_a_link_does_not_rename_its_target(engine):
    assert "web" in {container.name for container in parse_containers(engine.containers())}


def test_facts_for_the_policy(engine):
    asked = gather.ask(engine, NoSwarm())
    assert asked.warnings == [] and asked.facts.known and not asked.facts.swarm
    assert asked.backend == parse_backend(engine.info())
    assert {port.port for port in asked.facts.published} == {8080, 8081, 8082, 8083, 8100, 8101, 8102, 8103, 5300}
    assert "docker0" in asked.facts.bridges and "172.17.0.0/16" in asked.facts.subnets


@pytest.mark.parametrize("system, swarm", [(NoSwarm(), False), (InSwarm(), True)])
def test_an_engine_that_cannot_be_asked(system, swarm):
    engine = Recorded("20.10.24")

    def gone():
        raise EngineUnreachable("hung up")

    engine.containers = gone
    asked = gather.ask(engine, system)
    assert not asked.facts.known and asked.facts.swarm is swarm
    assert asked.facts.published == [] and asked.backend is None
    assert [warning.partition("; ")[0] for warning in asked.warnings] == ["hung up"]


def test_an_engine_that_makes_no_sense_is_an_error():
    engine = Recorded("20.10.24")

    def odd():
        raise EngineError("not JSON")

    engine.info = odd
    with pytest.raises(EngineError):
        gather.ask(engine, NoSwarm())
