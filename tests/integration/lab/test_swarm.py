# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""A real swarm of two hosts whose services are denied: its nodes reach each other, nobody else reaches its ports."""
import pytest

from tests.integration.lab.support.following import protect
from tests.integration.lab.support.playbook import play
from tests.integration.lab.support.reach import wait_for
from tests.lab.api import Probe
from tests.lab.layout import CLIENTS
from tests.lab.workload import IMAGE

MANAGER, WORKER = "trixie", "bookworm"
JOIN, GOSSIP = 2377, 7946


def policy(**said):
    ssh = {"port": 22, "sources": [CLIENTS["controller"].v4]}
    return {"drawbridge.docker.host_policy": {"policy": {"host_services": {"default": "deny", "allow": [ssh], **said}}}}


@pytest.fixture(name="swarm")
def real_swarm(lab):
    """The manager and the worker of a swarm."""
    manager, worker = hosts = [lab.hosts[MANAGER], lab.hosts[WORKER]]
    for host in hosts:
        host.pristine()
    try:
        manager.run(["docker", "swarm", "init", "--advertise-addr", manager.spec.v4])
        join(manager, worker)
        yield hosts
    finally:
        for host in hosts:
            host.run(["docker", "swarm", "leave", "--force"], check=False)
            host.pristine()


def join(manager, worker, fails=False):
    token = manager.run(["docker", "swarm", "join-token", "--quiet", "worker"]).stdout.strip()
    done = worker.run(["timeout", "5" if fails else "60", "docker", "swarm", "join", "--token", token, "%s:%d" % (manager.spec.v4, JOIN)], check=not fails)
    assert (done.returncode != 0) == fails, done.stdout


def are_ready(manager, count=2):
    states = manager.run(["docker", "node", "ls", "--format", "{{.Status}}"]).stdout.split()
    return states == ["Ready"] * count


def is_open(lab, who, host, port):
    return lab.clients[who].probe([Probe("tcp", host.spec.v4, port, timeout=1)])[0].open


def entries(host):
    listed = host.run(["ipset", "list", "DBP-swarm-nodes-4a"]).stdout
    return set(listed.partition("Members:\n")[2].split())


def test_only_its_nodes_reach_a_swarm(lab, swarm):
    manager, worker = swarm
    assert is_open(lab, "denied", manager, JOIN) and is_open(lab, "denied", worker, GOSSIP)
    done = play(swarm, [policy()])
    assert "the event service does not run" in done.output
    for host in swarm:
        assert not is_open(lab, "denied", host, GOSSIP)
    assert not is_open(lab, "denied", manager, JOIN)
    assert entries(manager) == {worker.spec.v4} and entries(worker) == {manager.spec.v4}
    assert not any(play(swarm, [policy()]).changed().values())
    # The swarm goes on, over new flows too: gossip and the overlay both ways, an engine that comes back.
    manager.run(["docker", "network", "create", "--driver", "overlay", "--attachable", "wide"])
    for host, name in ((manager, "on-m"), (worker, "on-w")):
        host.run(["docker", "run", "--detach", "--name", name, "--network", "wide", IMAGE, "answer", name, "tcp,0.0.0.0,80"])
    for host, name, there, other in ((manager, "on-m", worker, "on-w"), (worker, "on-w", manager, "on-m")):
        address = there.run(["docker", "inspect", "--format", "{{.NetworkSettings.Networks.wide.IPAddress}}", other]).stdout.strip()
        wait_for(lambda host=host, name=name, address=address: host.containers()[name].probe([Probe("tcp", address, 80, timeout=1)])[0].open,
                 "%s reaches %s" % (name, other), 30)
    worker.run(["systemctl", "restart", "docker"])
    wait_for(lambda: are_ready(manager), "the worker is back", 60)


def test_a_node_that_is_not_known_joins_by_name_and_is_followed(lab, swarm):
    manager, worker = swarm
    worker.run(["docker", "swarm", "leave", "--force"])
    manager.run(["docker", "node", "rm", "--force", WORKER])
    alone = play([manager], [policy()])
    assert "knows no other node" in alone.output and entries(manager) == set()
    join(manager, worker, fails=True)
    worker.run(["docker", "swarm", "leave", "--force"], check=False)
    named = protect([manager], policy(swarm=[worker.spec.v4]))
    assert "knows no other node" not in named.output
    join(manager, worker)
    wait_for(lambda: are_ready(manager), "the worker is there", 30)
    # The engine tells, and the event service writes it down.
    wait_for(lambda: entries(manager) == {worker.spec.v4}, "the node is known", 30)
    assert not is_open(lab, "denied", manager, JOIN)
