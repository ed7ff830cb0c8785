# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""What a policy says about containers and networks, followed by the event service: nothing leads to, or is for, who came after them."""
import pytest

from tests.integration.lab.support import boot, following, outwards, policies, workloads
from tests.integration.lab.support.following import UNIT, service
from tests.integration.lab.support.playbook import play
from tests.integration.lab.support.reach import Onlooker, answers, v4, wait_for
from tests.integration.lab.support.ways import on_all
from tests.lab.api import Probe
from tests.lab.layout import CLIENTS, OUTSIDE, OUTSIDE_SERVER_TCP
from tests.lab.workload import IMAGE

# More than a few literal sources are a set.
MANY = [CLIENTS["allowed"].v4, *("198.51.100.%d" % number for number in range(1, 7))]
PORT, OTHER = 8990, 8991
OPEN = {"name": "late", "port": PORT, "container_port": 80, "sources": ["@friends"]}
BOTH = [OPEN, dict(OPEN, port=OTHER, sources=MANY)]


@pytest.fixture(name="look")
def onlooker(lab, manageable):
    """Who is served on which way, on hosts with the service."""
    play(manageable, [service()])
    on_all(manageable, lambda host: workloads.network(host, "moving", "--subnet", "10.97.0.0/24"))
    return Onlooker(lab, manageable)


def policy(**more):
    return lambda spec: dict(policies.closed_services(spec), **more)


def apply(look, compiled, **options):
    return play(look.hosts, [policies.POLICY], host_vars=policies.for_hosts(look.hosts, compiled), **options)


def late(host, *options):
    """The container that ports are opened for: it has another address each time, since somebody gets the one from before."""
    host.run(["docker", "run", "--detach", "--restart=always", "--stop-signal=KILL", "--name", "late", "--network", "moving", *options, IMAGE,
              "answer", "late", "tcp,0.0.0.0,80"])


def made_anew(host, meanwhile="true"):
    """Another container gets the address, then it starts again."""
    before = host.containers()["late"].v4
    host.run(["docker", "rm", "--force", "late"])
    host.run(["docker", "run", "--detach", "--restart=always", "--stop-signal=KILL", "--network", "moving", "--ip", before, "--name",
              "squatter-%s" % before.rpartition(".")[2], IMAGE, "answer", "squatter", "tcp,0.0.0.0,80"])
    host.run(["sh", "-c", meanwhile])
    host.wait_ready()
    wait_for(lambda: "--to-destination %s:80" % before not in nat(host), host.name + ": no port leads to who came after", 60)
    late(host)
    assert host.containers()["late"].v4 != before


def nat(host):
    return host.run(["iptables-save", "-t", "nat"]).stdout


def is_open(look, *ports):
    """Whether they lead to the one container, for the one client."""
    return all(
        look.serves("allowed", v4(port)) and look.turns_away("denied", v4(port))
        and {item.server for item in answers(look.lab.clients["allowed"], look.hosts, v4(port)).values()} == {"late"}
        for port in ports
    )


def records(host):
    return host.run(["ls", "/var/lib/drawbridge/lasting"]).stdout.split()


RESTART = "systemctl reset-failed docker.service docker.socket; systemctl restart docker"
HAPPENINGS = {
    "nothing else": "true",
    "the engine restarted": RESTART,
    "the service killed": "kill -9 $(systemctl show --property=MainPID --value %s)" % UNIT,
    "the service stopped, the engine restarted, the service started": "systemctl stop %s; %s; systemctl start %s" % (UNIT, RESTART, UNIT),
}


def test_opened_ports_follow_their_container(look):
    on_all(look.hosts, late)
    wanted = policy(open_ports=BOTH)
    assert all(item["lasting"] for item in (apply(look, wanted).last(host.name) for host in look.hosts))
    assert is_open(look, PORT, OTHER)
    for name, happening in HAPPENINGS.items():
        on_all(look.hosts, lambda host, text=happening: made_anew(host, text))
        assert is_open(look, PORT, OTHER), name
        print("ports followed after: %s" % name)
    # Who was open and who was closed, a new run would have the same way.
    assert not any(apply(look, wanted).changed().values())
    # A policy that came when no container was there.
    on_all(look.hosts, lambda host: host.run(["docker", "rm", "--force", "late"]))
    apply(look, policy())
    apply(look, wanted)
    on_all(look.hosts, late)
    assert is_open(look, PORT, OTHER)
    # Without the key nothing is left, and nothing comes again.
    assert all(apply(look, policy()).changed().values())
    on_all(look.hosts, lambda host: host.run(["docker", "restart", "--time", "0", "late"]))
    on_all(look.hosts, lambda host: wait_for(lambda: not records(host), host.name + ": no record is left", 90))
    for host in look.hosts:
        assert "DB-PUBLISH" not in nat(host) and "DB-LASTING" not in host.run(["iptables-save"]).stdout
    assert look.turns_away("allowed", v4(PORT))
