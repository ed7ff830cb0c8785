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
def onlooker(lab, outermost):
    """Who is served on which way, on hosts with the service."""
    play(outermost, [service()])
    on_all(outermost, lambda host: workloads.network(host, "moving", "--subnet", "10.97.0.0/24"))
    return Onlooker(lab, outermost)


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
    return host.run(["ls", "/var/lib/drawbridge/records"]).stdout.split()


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
    assert all(item["recorded"] for item in (apply(look, wanted).last(host.name) for host in look.hosts))
    assert is_open(look, PORT, OTHER)
    for name, happening in HAPPENINGS.items():
        on_all(look.hosts, lambda host, text=happening: made_anew(host, text))
        assert is_open(look, PORT, OTHER), name
        print("ports followed after: %s" % name)
    # The engine that was started anew has a cgroup of its own, which a run tells the kernel. Who was open and who was closed, a new run would
    # have the same way.
    apply(look, wanted)
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


def test_what_is_taken_back_is_not_followed(look):
    on_all(look.hosts, late)
    apply(look, policy(open_ports=[OPEN]))
    # The play is over before anything is confirmed.
    armed = {"drawbridge.docker.firewall_checkpoint": {"state": "armed", "timeout": 8}}
    play(look.hosts, [armed, policies.POLICY], host_vars=policies.for_hosts(look.hosts, policy(open_ports=[dict(OPEN, port=OTHER)])))
    assert is_open(look, OTHER)
    assert on_all(look.hosts, lambda host: len(records(host))) == {host.name: 2 for host in look.hosts}
    on_all(look.hosts, lambda host: wait_for(lambda: "--dport %d " % OTHER not in nat(host), host.name + ": taken back", 30))
    on_all(look.hosts, made_anew)
    assert is_open(look, PORT)
    assert look.turns_away("allowed", v4(OTHER))
    on_all(look.hosts, lambda host: wait_for(lambda: len(records(host)) == 1, host.name + ": one record is left", 90))


def test_ports_are_open_again_after_a_boot(look):
    on_all(look.hosts, late)
    wanted = policy(open_ports=BOTH)
    play(look.hosts, [boot.BOOT, policies.POLICY], host_vars=policies.for_hosts(look.hosts, wanted))
    on_all(look.hosts, lambda host: host.reboot())
    on_all(look.hosts, lambda host: wait_for(lambda: "late" in host.containers(), host.name + ": late runs", 60))
    assert is_open(look, PORT, OTHER)
    assert not any(apply(look, wanted).changed().values())


def test_going_back_goes_back_to_the_policy_before_and_that_is_followed(look):
    on_all(look.hosts, late)
    play(look.hosts, [boot.BOOT, policies.POLICY], host_vars=policies.for_hosts(look.hosts, policy(open_ports=[OPEN])))
    apply(look, policy(open_ports=[dict(OPEN, port=OTHER)]))
    # What the service did since is no change that anybody would go back from.
    on_all(look.hosts, made_anew)
    assert is_open(look, OTHER)
    play(look.hosts, [{"drawbridge.docker.firewall_checkpoint": {"state": "rolled_back"}}])
    # It leads to where the container was until the service has looked.
    wait_for(lambda: is_open(look, PORT), "the service leads the port of the policy before to where its container is now")
    assert look.turns_away("allowed", v4(OTHER))


def test_what_cannot_be_opened_is_closed_and_the_rest_followed(look):
    def stays(host):
        host.run(["docker", "run", "--detach", "--name", "second", "--network", "moving", IMAGE, "answer", "late", "tcp,0.0.0.0,80"])

    on_all(look.hosts, late)
    on_all(look.hosts, stays)
    of_task = {"drawbridge.docker.container_port": {"name": "late", "port": 8992, "container_port": 80, "sources": ["any"]}}
    wanted = policies.for_hosts(look.hosts, policy(open_ports=[OPEN, dict(OPEN, name="second", port=OTHER)]))
    play(look.hosts, [policies.POLICY, of_task], host_vars=wanted)
    assert is_open(look, PORT, OTHER) and look.serves("denied", v4(8992))
    before = on_all(look.hosts, lambda host: host.containers()["late"].v4)

    def moved_to_the_host(host):
        host.run(["docker", "rm", "--force", "late", "second"])
        host.run(["docker", "run", "--detach", "--name", "late", "--network", "host", IMAGE, "answer", "late", "tcp,0.0.0.0,8999"])
        workloads.run(host, "squatter", "moving")
        stays(host)
        assert host.containers()["squatter"].v4 == before[host.name]
        wait_for(lambda: "--to-destination %s:80" % before[host.name] not in nat(host), host.name + ": no port leads to who came after", 60)

    on_all(look.hosts, moved_to_the_host)
    assert is_open(look, OTHER)
    assert look.turns_away("allowed", v4(PORT)) and look.turns_away("denied", v4(8992))
    assert all("is on the host's network" in following.journal(host) for host in look.hosts)


def test_masquerading_follows_a_network_made_anew(look):
    hosts = look.hosts
    on_all(hosts, outwards.allow_replies)
    on_all(hosts, outwards.make)
    wanted = policy(masquerade={"networks": {outwards.NETWORK: False}})
    with outwards.routes_back(hosts):
        apply(look, wanted)
        assert outwards.all_see(hosts, outwards.own(hosts)) == outwards.own(hosts)
        on_all(hosts, outwards.unmake)
        # Nobody said anything about the one that has the subnet now.
        on_all(hosts, lambda host: outwards.make(host, "another"))
        assert outwards.all_see(hosts, outwards.hosts_own(hosts)) == outwards.hosts_own(hosts)
        on_all(hosts, lambda host: outwards.unmake(host, "another"))
        on_all(hosts, outwards.make)
        assert outwards.all_see(hosts, outwards.own(hosts)) == outwards.own(hosts)
        assert not any(apply(look, wanted).changed().values())
        on_all(hosts, outwards.unmake)
        apply(look, policy())
        on_all(hosts, outwards.make)
        assert outwards.all_see(hosts, outwards.hosts_own(hosts)) == outwards.hosts_own(hosts)


ADDRESS = "10.97.0.77"


def goes_out(host, name):
    return host.containers()[name].probe([Probe("tcp", OUTSIDE.v4, OUTSIDE_SERVER_TCP)])[0].open


def fixed(host):
    host.run(["docker", "run", "--detach", "--name", "fixed", "--network", "moving", "--ip", ADDRESS, IMAGE, "answer", "fixed", "tcp,0.0.0.0,80"])


def test_egress_is_about_no_one_who_came_after(look):
    on_all(look.hosts, late)
    on_all(look.hosts, fixed)
    wanted = policy(egress={"default": "deny", "containers": [{"name": "late", "default": "allow"}, {"address": ADDRESS, "default": "allow"}]})
    apply(look, wanted)
    for name in ("late", "fixed"):
        assert all(on_all(look.hosts, lambda host, name=name: goes_out(host, name)).values())

    def replaced(host):
        before = host.containers()["late"].v4
        host.run(["docker", "rm", "--force", "late"])
        host.run(["docker", "run", "--detach", "--name", "squatter", "--network", "moving", "--ip", before, IMAGE, "answer", "squatter", "tcp,0.0.0.0,80"])
        wait_for(lambda: not goes_out(host, "squatter"), host.name + ": what was said of another container is not about this one")
        late(host)
        wait_for(lambda: goes_out(host, "late"), host.name + ": what is said of a container is about it wherever it is")

    on_all(look.hosts, replaced)
    assert not any(apply(look, wanted).changed().values())


def test_egress_for_an_address_is_about_its_network_made_anew(look):
    on_all(look.hosts, fixed)
    wanted = policy(egress={"default": "allow", "containers": [{"address": ADDRESS, "default": "deny"}]})
    apply(look, wanted)

    def anew(host):
        assert not goes_out(host, "fixed")
        host.run(["docker", "rm", "--force", "fixed"])
        host.run(["docker", "network", "rm", "moving"])
        workloads.network(host, "moving", "--subnet", "10.97.0.0/24")
        fixed(host)
        late(host)
        wait_for(lambda: not goes_out(host, "fixed"), host.name + ": the address is denied behind the new bridge, too")
        assert goes_out(host, "late")

    on_all(look.hosts, anew)
    assert not any(apply(look, wanted).changed().values())
