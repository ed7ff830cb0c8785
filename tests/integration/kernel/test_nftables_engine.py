# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Beside an engine with the nftables backend: what is in force there, and the module that would protect nothing says so."""
import json
import subprocess
from types import SimpleNamespace

import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.containers.selector import ENGINE_SELECTORS
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.errors import DrawbridgeError
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.tasks.run import Task
from ansible_collections.drawbridge.docker.plugins.modules import container_port, host_policy, nat_filter_chain

from tests.integration.kernel.support import engine_29, wire
from tests.lab import probing

ALLOWED = list(wire.SOURCES["allowed"].values())
POLICY = {"published_ports": {"default": "deny", "allow": [{"port": 8080, "sources": ALLOWED}]}}
EVERYTHING = {(who, port) for who in wire.SOURCES for port in engine_29.PUBLISHED}
NAT_FILTER = {"state": "present", "default": "deny", "allow": [], "unpublished": "leave", "external_interfaces": []}


@pytest.fixture(name="docker_host")
def host_with_containers(host):
    """A host, its engine's rules, its containers, and a client on a wire."""
    with wire.wired() as client, engine_29.containers():
        def task(docker_host, **params):
            return Task(dict(params, docker_host=docker_host, transport=host.variant, lock_timeout=5), False, host.system)

        yield SimpleNamespace(rules=host.rules, by_hand=host.iptables, everything=host.everything, section=host.section,
                              client=client, task=task)


def reached(docker_host):
    """(client, port) of what is served, to a client whose own address the container sees."""
    tries = [(who, port) for who in sorted(wire.SOURCES) for port in engine_29.PUBLISHED]
    probes = [probing.Probe("tcp", wire.HOST[4], port, source=wire.SOURCES[who][4]) for who, port in tries]

    def inside(argv, **options):
        return subprocess.run(["nsenter", "--net=" + docker_host.client.path, "--", *argv], capture_output=True, text=True,
                              check=True, **options)

    results = probing.probe(inside, probes)
    assert all(result.peer == wire.SOURCES[who][4] for (who, _port), result in zip(tries, results) if result.open)
    return {place for place, result in zip(tries, results) if result.open}


def keep_policy(docker_host, folder, ports=None):
    with engine_29.engine(folder, ports) as address:
        return host_policy.keep_policy(docker_host.task(
            address, state="present", policy=json.dumps(POLICY), fragments=None, profile=None, allow_lockout=False, revoke="end"))


def test_without_rules_everybody_is_served(docker_host):
    assert reached(docker_host) == EVERYTHING


def test_a_policy_is_in_force(docker_host, tmp_path):
    assert keep_policy(docker_host, tmp_path).values["changed"]
    assert reached(docker_host) == {("allowed", 8080)}
    assert not keep_policy(docker_host, tmp_path).values["changed"]


def test_ports_published_after_the_run_are_closed(docker_host, tmp_path):
    """The guard knows of none of them: it is the chain behind DOCKER-USER, which this engine does not make."""
    keep_policy(docker_host, tmp_path, ports=())
    assert docker_host.rules("FORWARD") == ["-j DOCKER-USER"]
    assert reached(docker_host) == {("allowed", 8080)}


def test_a_section_judges_by_the_port_that_the_outside_dials(docker_host):
    docker_host.section([{"protocol": "tcp", "published_port": 8080, "source": "!" + ALLOWED[0], "jump": "DROP"}])
    assert docker_host.rules("FORWARD") == ["-j DOCKER-USER"]
    assert reached(docker_host) == EVERYTHING - {("denied", 8080)}


def test_skipping_the_dnat_protects_nothing(docker_host):
    docker_host.by_hand("-t nat -I PREROUTING -p tcp -m addrtype --dst-type LOCAL -j ACCEPT")
    assert reached(docker_host) == EVERYTHING


def test_so_nat_filter_chain_refuses(docker_host, tmp_path):
    before = docker_host.everything()
    with engine_29.engine(tmp_path) as address, pytest.raises(DrawbridgeError) as error:
        nat_filter_chain.keep_filter(docker_host.task(address, **NAT_FILTER))
    assert "nftables backend" in str(error.value) and "host_policy" in str(error.value)
    assert docker_host.everything() == before


def test_container_port_refuses(docker_host, tmp_path):
    """What it would accept, this engine's own chain drops all the same."""
    before = docker_host.everything()
    task = {"state": "present", "name": "c8080", "port": 8990, "container_port": 80, "sources": ["any"]}
    with engine_29.engine(tmp_path) as address, pytest.raises(DrawbridgeError) as error:
        container_port.keep_port(docker_host.task(address, **{**dict.fromkeys(ENGINE_SELECTORS), **task}))
    assert "nftables backend" in str(error.value) and "host_policy" in str(error.value)
    assert docker_host.everything() == before
