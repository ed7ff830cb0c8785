# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Ports that are published after the run: closed from the first moment on, through restarts, by whatever closes them on the host."""
import pytest

from tests.integration.lab.support import boot, late, policies, workloads
from tests.integration.lab.support.flood import flood, now
from tests.integration.lab.support.playbook import play
from tests.integration.lab.support.reach import Onlooker, v4, v6, wait_for
from tests.integration.lab.support.ways import on_all
from tests.lab import layout
from tests.lab.api import Probe

SERVICE = {"name": "service", "drawbridge.docker.event_service": {}}
MORE_ROUNDS = 5


def nobody_else(seen, tell, what):
    """The denied client never, the allowed one on both ways."""
    for name, (denied, allowed) in seen.items():
        tell("%s, %s: %d connections of %d tries of the denied client, %d of the allowed one" % (name, what, denied.count, denied.tried, allowed.count))
        assert denied.count == 0 and denied.tried > 1000, (name, what, {place: len(times) for place, times in denied.opened.items()})
        assert all(allowed.opened.values()), (name, what)


def test_closed_from_the_first_moment_on(lab, outermost, tell):
    run = boot.protect(outermost, late.policy())
    assert {run.last(host.name)["late_ports"] for host in outermost} == {"kernel"}
    nobody_else(late.flooded(lab, outermost, late.publish), tell, "published")
    nobody_else(late.flooded(lab, outermost, restart), tell, "the engine restarted")
    # Nothing ran in between that would know the ports.
    for host in outermost:
        assert not any(str(late.PORT) in line for line in host.run(["ipset", "save"]).stdout.splitlines())
    assert not any(play(outermost, [policies.task(late.policy())], check=True).last(host.name).get("failed") for host in outermost)


def restart(host):
    host.run(["systemctl", "restart", "docker"])
    host.wait_ready()
    late.served(host)


def test_closed_through_a_reboot(lab, one, tell):
    boot.protect([one], late.policy())
    late.publish(one)
    nobody_else(late.flooded(lab, [one], rebooted, 3.0), tell, "booted")


def rebooted(host):
    host.reboot()
    late.served(host)


@pytest.mark.drill
def test_over_and_over(lab, manageable, tell):
    """Published, the engine killed and restarted, booted, the container made anew, five times."""
    boot.protect(manageable, late.policy())
    for number in range(MORE_ROUNDS):
        nobody_else(late.flooded(lab, manageable, late.publish), tell, "round %d, published" % number)
        nobody_else(late.flooded(lab, manageable, killed), tell, "round %d, the engine killed" % number)
        nobody_else(late.flooded(lab, manageable, rebooted, 3.0), tell, "round %d, booted" % number)
        on_all(manageable, lambda host: host.run(["docker", "rm", "--force", *late.NAMES]))


def killed(host):
    host.run(["sh", "-c", "kill -9 $(pidof dockerd); systemctl reset-failed docker; systemctl restart docker"])
    host.wait_ready()
    late.served(host)


def test_datagrams(lab, outermost):
    """What docker-proxy answers over UDP, to every kind of address that it answers to."""
    boot.protect(outermost, late.policy())
    on_all(outermost, lambda host: host.run([
        "docker", "run", "--detach", "--name", "late-udp", "--publish", "5301:5301/udp", "lab/server:3", "answer", "late-udp", "udp,0.0.0.0,5301"]))
    own = [result.open for host in outermost for result in host.probe([Probe("udp", "::1", 5301, timeout=5)])]
    assert own == [True] * len(outermost)
    for client in ("denied", "allowed"):
        assert not any(result.open for result in lab.clients[client].probe(datagrams(outermost, "closed")))
    assert not any("closed" in received(host) for host in outermost)
    wait_for(lambda: come_in_without_the_table(lab, outermost), "datagrams without the table")


def come_in_without_the_table(lab, hosts):
    """Whether they came in by now, so that closing them was seen. The table that is taken away here may be back before they arrive."""
    on_all(list(hosts), lambda host: host.run(["nft", "delete", "table", "inet", "drawbridge-engine"], check=False))
    lab.clients["denied"].probe(datagrams(hosts, "opened"))
    return all("opened-%s" % kind in received(host) for host in hosts for kind in ("own", "group"))


def datagrams(hosts, word):
    """To each host's own addresses, and to groups that it is in. An engine may bring one in and lose the answer: the container tells."""
    every = tuple(place for host in hosts for place in places(host.spec))
    own = [Probe("udp", address, 5301, timeout=2, answers_from=every, payload=word + "-own") for host in hosts for address in (host.spec.v4, host.spec.v6)]
    groups = (layout.LAN_BROADCAST, "255.255.255.255", layout.ALL_HOSTS_V4, layout.ALL_HOSTS_V6 + "%eth0")
    return own + [Probe("udp", address, 5301, timeout=2, answers_from=every, payload=word + "-group") for address in groups]


def received(host):
    """What came to the container."""
    return host.run(["docker", "logs", "--tail", "400", "late-udp"]).stdout


def places(spec):
    """Every address that the host could answer from."""
    return (spec.v4, spec.v4_second, spec.v6, spec.v6_second)


def test_who_else_talks_to_the_engine(lab, outermost):
    """Containers reach published ports by the host's address, the host itself does, and its own services are none of the table's business."""
    boot.protect(outermost, late.policy())
    on_all(outermost, late.publish)
    for host in outermost:
        gateway = host.run(["docker", "network", "inspect", "bridge", "--format", "{{(index .IPAM.Config 0).Gateway}}"]).stdout.strip()
        assert host.containers()["web"].probe([Probe("tcp", gateway, late.PORT, timeout=3)])[0].open
        assert host.probe([Probe("tcp", host.spec.v6, late.PORT)])[0].open
    look = Onlooker(lab, outermost)
    for way in (v4(9000), v6(9000), v4(22), v6(22)):
        assert look.serves("denied", way)


def test_a_host_on_which_nothing_closes_them_is_found(lab, outermost):
    boot.protect(outermost, late.policy())
    assert looked_at(outermost) == ({"kernel"}, set())
    on_all(outermost, lambda host: host.run(["nft", "flush", "set", "inet", "drawbridge-engine", "engine"]))
    assert looked_at(outermost) == ({"next_run"}, {"late_ports_open"})
    assert all(play(outermost, [policies.task(late.policy())]).changed().values())
    assert not any(play(outermost, [policies.task(late.policy())]).changed().values())
    on_all(outermost, lambda host: host.run(["rm", "/etc/systemd/system/docker.service.d/drawbridge.conf"]))
    assert looked_at(outermost) == ({"kernel_until_restart"}, {"late_ports_open"})


def looked_at(hosts):
    """What docker_firewall_info says of it: late_ports, and the finding."""
    run = play(hosts, [{"name": "look", "drawbridge.docker.docker_firewall_info": {}}])
    told = [run.last(host.name) for host in hosts]
    return {one["late_ports"] for one in told}, {item["code"] for one in told for item in one["findings"] if item["code"] == "late_ports_open"}


def test_the_event_service_where_the_kernel_cannot_tell(lab, manageable, tell):
    """The table is taken away, as if the host had none: how long a port is open then."""
    play(manageable, [SERVICE, policies.task(late.policy())])
    on_all(manageable, lambda host: host.run(["nft", "delete", "table", "inet", "drawbridge-engine"]))
    for host in manageable:
        place = "%s,%d" % (host.spec.v6, late.PORT)
        with flood(lab.clients["denied"], [place]) as denied:
            late.publish(host)
            wait_for(lambda host=host: str(late.PORT) in host.run(["ipset", "save"]).stdout, "the service knows the port")
            known = now()
        times = denied.opened[place]
        tell("%s without the table: open for %.2f s, %d connections, until the event service knew the port" % (
            host.name, max(times) - min(times) if times else 0.0, len(times)))
        assert not [moment for moment in times if moment > known + 0.5]


def test_a_network_made_later(lab, outermost):
    """A container's own address, reached through the host; its way out stays open."""
    boot.protect(outermost, late.policy())
    on_all(outermost, lambda host: workloads.network(host, "late-net", "--ipv6", "--subnet", "fd00:db8:99::/64"))
    on_all(outermost, lambda host: workloads.publish(host, "late-six", 8202, "late-net"))
    direct = [Probe("tcp", address, 80, mark=host.spec.number, timeout=2) for host in outermost
              for address in (host.containers()["late-six"].v4, host.containers()["late-six"].v6)]
    assert not any(result.open for client in ("denied", "allowed") for result in lab.clients[client].probe(direct))
