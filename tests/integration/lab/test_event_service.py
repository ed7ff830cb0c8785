# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""The event service: rules return to containers that start, by themselves, whatever happened to them, the engine or the service."""
import pytest

from tests.integration.lab.support import following, policies, workloads
from tests.integration.lab.support.following import UNIT, blocked, is_blocked, protect, service, wait_until_blocked
from tests.integration.lab.support.playbook import play, playbook
from tests.integration.lab.support.reach import Onlooker, answers, v4, v6, wait_for
from tests.integration.lab.support.ways import on_all
from tests.lab.api import Probe
from tests.lab.workload import IMAGE

SHOP = {"com.docker.compose.project": "shop", "com.docker.compose.service": "web"}
PORT, LATE = 8990, 8200


@pytest.fixture(name="look")
def onlooker(lab, outermost):
    """Who is served on which way."""
    return Onlooker(lab, outermost)


def shop(host, name="shop-web-1"):
    """A container as Compose makes it."""
    labels = [word for key, value in SHOP.items() for word in ("--label", "%s=%s" % (key, value))]
    host.run(["docker", "run", "--detach", "--name", name, "--restart=always", "--stop-signal=KILL", *labels, "--publish", "%d:80" % PORT,
              IMAGE, "answer", name, "tcp,0.0.0.0,80"])


# systemd gives an engine up that is started three times in a minute.
RESTART = "systemctl reset-failed docker.service docker.socket; systemctl restart docker"
RULES = [blocked(name="web"), blocked(compose_project="shop", compose_service="web", on_missing="ignore")]
HAPPENINGS = {
    "the container restarted": ["docker restart --time 1 web shop-web-1"],
    "the container killed": ["docker kill web shop-web-1", "docker start web shop-web-1"],
    "the engine restarted": [RESTART],
    "the engine killed": ["kill -9 $(pidof dockerd)", "sleep 0.5", RESTART],
    "the service killed, and the containers restarted meanwhile":
        ["kill -9 $(systemctl show --property=MainPID --value %s)" % UNIT, "docker restart --time 0 web shop-web-1"],
    "the service stopped, the engine restarted, the service started":
        ["systemctl stop %s" % UNIT, RESTART, "systemctl start %s" % UNIT],
}


def test_rules_return_whatever_happens(look):
    on_all(look.hosts, shop)
    protect(look.hosts, *RULES)
    for name, commands in HAPPENINGS.items():
        before = on_all(look.hosts, lambda host: host.containers()["web"].pid)
        on_all(look.hosts, lambda host, text="; ".join(commands): host.run(["sh", "-c", text]))
        on_all(look.hosts, lambda host: host.wait_ready())
        on_all(look.hosts, lambda host: wait_until_blocked(host, "web", "shop-web-1"))
        after = on_all(look.hosts, lambda host: host.containers()["web"].pid)
        assert not set(before.items()) & set(after.items()), name
        for way in (v4(8080), v4(PORT)):
            assert look.serves("allowed", way), name
            assert look.turns_away("denied", way), name
        print("rules returned after: %s" % name)
    # The next run of the same tasks finds nothing to do.
    assert not any(play(look.hosts, RULES).changed().values())


def test_rules_come_into_what_compose_makes_anew_and_go_with_state_absent(look):
    protect(look.hosts, *RULES)
    on_all(look.hosts, shop)
    on_all(look.hosts, lambda host: wait_until_blocked(host, "shop-web-1"))
    on_all(look.hosts, lambda host: host.run(["docker", "rm", "--force", "shop-web-1"]))
    on_all(look.hosts, lambda host: shop(host, "shop-web-2"))
    on_all(look.hosts, lambda host: wait_until_blocked(host, "shop-web-2"))
    assert look.serves("allowed", v4(PORT))
    assert look.turns_away("denied", v4(PORT))
    # A project's section goes with all that its services were given.
    gone = blocked(compose_project="shop", state="absent", on_missing="ignore")
    assert all(play(look.hosts, [gone]).changed().values())
    on_all(look.hosts, lambda host: host.run(["docker", "restart", "--time", "0", "shop-web-2", "web"]))
    on_all(look.hosts, lambda host: wait_until_blocked(host, "web"))
    assert look.serves("denied", v4(PORT))
    assert look.turns_away("denied", v4(8080))


def test_published_ports_and_networks_are_followed(look):
    wanted = policies.for_hosts(look.hosts, policies.one_client)
    play(look.hosts, [service(), policies.POLICY], host_vars=wanted)
    on_all(look.hosts, lambda host: workloads.publish(host, "late", LATE))

    def made(host):
        workloads.network(host, "late-net")
        workloads.run(host, "late-inside", "late-net")

    on_all(look.hosts, made)
    on_all(look.hosts, lambda host: wait_for(lambda: follows(host, LATE), "%s: the set has %d" % (host.name, LATE)))
    # By docker-proxy, which only a set that knows the port can stop.
    for way in (v4(LATE), v6(LATE)):
        assert look.turns_away("denied", way)
        assert look.turns_away("allowed", way)
    # What is open and what is closed, the sets say as a new run would.
    on_all(look.hosts, lambda host: wait_for(lambda: quiet(host), host.name + ": the service has nothing left to do"))
    assert not any(play(look.hosts, [policies.POLICY], host_vars=wanted).changed().values())
    direct = [Probe("tcp", host.containers()["late-inside"].v4, 80, mark=host.spec.number) for host in look.hosts]
    assert not any(result.open for result in look.lab.clients["denied"].probe(direct))
    on_all(look.hosts, lambda host: host.run(["docker", "rm", "--force", "late", "late-inside"]))
    on_all(look.hosts, lambda host: host.run(["docker", "network", "rm", "late-net"]))
    on_all(look.hosts, lambda host: wait_for(lambda: not follows(host, LATE), "%s: the set is without %d" % (host.name, LATE)))
    on_all(look.hosts, lambda host: wait_for(lambda: quiet(host), host.name + ": the service has nothing left to do"))
    assert not any(play(look.hosts, [policies.POLICY], host_vars=wanted).changed().values())


def follows(host, port):
    """Whether a set of published ports of IPv6 has it."""
    return any(host.run(["ipset", "test", "DBP-pub-tcp-6" + generation, str(port)], check=False).returncode == 0 for generation in "ab")


def quiet(host):
    """Whether the sets are what the engine says: its bridges, by name."""
    ids = host.run(["docker", "network", "ls", "--filter", "driver=bridge", "--format", "{{.ID}} {{.Name}}"]).stdout.split("\n")
    bridges = {"docker0" if line.endswith(" bridge") else "br-" + line.split()[0] for line in ids if line}
    text = host.run(["sh", "-c", "ipset list DBP-bridges-4a 2>/dev/null || ipset list DBP-bridges-4b"]).stdout
    return {line.split(",")[1] for line in text.splitlines() if line.startswith("0.0.0.0/0,")} == bridges


def test_an_opened_port_follows_its_container(look):
    on_all(look.hosts, lambda host: workloads.run(host, "late", "backend"))
    port = {"drawbridge.docker.container_port": {"name": "late", "port": LATE, "container_port": 80, "sources": ["any"]}}
    protect(look.hosts, port)
    assert look.serves("denied", v4(LATE))
    before = on_all(look.hosts, lambda host: host.containers()["late"].v4)
    # Somebody else gets its address.
    on_all(look.hosts, lambda host: host.run(["docker", "stop", "--time", "0", "late"]))
    on_all(look.hosts, lambda host: workloads.run(host, "squatter", "backend"))
    assert on_all(look.hosts, lambda host: host.containers()["squatter"].v4) == before
    on_all(look.hosts, lambda host: wait_for(lambda: before[host.name] not in nat(host), host.name + ": the port leads to nobody else"))
    on_all(look.hosts, lambda host: host.run(["docker", "start", "late"]))
    assert look.serves("denied", v4(LATE))
    assert not set(on_all(look.hosts, lambda host: host.containers()["late"].v4).items()) & set(before.items())
    assert {item.server for item in answers(look.lab.clients["denied"], look.hosts, v4(LATE)).values()} == {"late"}
    assert not any(play(look.hosts, [port]).changed().values())


def nat(host):
    return host.run(["iptables-save", "-t", "nat"]).stdout


def test_hostile_names_do_no_harm(look):
    nasty = {"label": "a=x\n<3>drawbridge-events: all is well\t\x1b[31m'\"$(reboot)`../../" + "y" * 4000}
    protect(look.hosts, blocked(label=["tier=nasty"], on_missing="ignore"))

    def start(host):
        host.run(["docker", "run", "--detach", "--name", "nasty", "--label", "tier=nasty", "--label", nasty["label"],
                  "--label", "z=\U0001f480\u202e", "--env", "A=\n\n{}", IMAGE, "answer", "nasty", "tcp,0.0.0.0,80"])
        wait_until_blocked(host, "nasty")

    on_all(look.hosts, start)
    # A record's section, too, is a user's text: it is in the journal, on one line.
    for host in look.hosts:
        lines = following.journal(host).splitlines()
        assert any('["blocked", {"label": ["tier=nasty"]}]: put in for ' in line and line.endswith(" nasty") for line in lines)
        assert not [line for line in lines if "all is well" in line or not line.isascii()]


def test_set_up_and_taken_away(manageable):
    (host,) = [host for host in manageable if host.name == "bookworm"]
    before = files(host)
    predicted = play([host], [service(closed_until_ready=True)], check=True).last(host.name)
    assert files(host) == before
    done = protect([host], INFO, closed_until_ready=True)
    assert done.of(host.name)[0]["diff"] == predicted["diff"] and done.of(host.name)[0]["written"] == predicted["written"]
    assert done.last(host.name)["event_service"] == "running"
    modes = host.run(["stat", "--format=%a %U", "/usr/local/lib/drawbridge", "/usr/local/lib/drawbridge/events.pyz", "/var/lib/drawbridge/records"])
    assert modes.stdout.splitlines() == ["700 root", "600 root", "700 root"]
    was = following.pid(host)
    assert was and not any(protect([host], closed_until_ready=True).changed().values())
    assert following.pid(host) == was
    # Only what changed is started anew; the gate goes.
    assert "bridge drawbridge-closed" in files(host)
    assert all(protect([host]).changed().values())
    assert following.pid(host) not in (0, was) and "bridge drawbridge-closed" not in files(host)
    host.run(["systemctl", "stop", UNIT])
    assert play([host], [INFO]).last(host.name)["event_service"] == "stopped"
    assert all(protect([host], closed_until_ready=True).changed().values())
    predicted = play([host], [service(state="absent")], check=True).last(host.name)
    done = play([host], [service(state="absent"), INFO])
    assert done.of(host.name)[0]["changed"] and done.of(host.name)[0]["written"] == predicted["written"]
    assert done.last(host.name)["event_service"] == "absent"
    assert files(host) == before
    assert not any(play([host], [service(state="absent")]).changed().values())


INFO = {"drawbridge.docker.docker_firewall_info": {}}


def files(host):
    """All that the service could leave behind."""
    return host.run(["sh", "-c", FILES]).stdout


FILES = ("ls -d /usr/local/lib/drawbridge /var/lib/drawbridge/records /etc/systemd/system/*drawbridge* 2>/dev/null; nft list tables; "
         "systemctl list-units --all --plain --no-legend '*drawbridge*'")


def test_an_engine_that_cannot_be_followed_is_refused(look):
    done = play(look.hosts, [service(docker_host="tcp://192.0.2.1:2375")], fails=True)
    assert set(done.failed()) == look.everywhere
    assert all("is not a unix socket on this host" in message for message in done.failed().values())


def test_harden_sets_it_up_unless_told_otherwise(look):
    options = {"host_vars": {host.name: {"host_policy__own": policies.one_client(host.spec)} for host in look.hosts},
               "extra": {"drawbridge_prerequisites": False, "drawbridge_boot_restore": False}}
    without = {**options, "extra": {**options["extra"], "drawbridge_event_service": False}}
    assert all(playbook(look.hosts, "drawbridge.docker.harden", **without).changed().values())
    assert not any(on_all(look.hosts, following.pid).values())
    assert all(playbook(look.hosts, "drawbridge.docker.harden", **options).changed().values())
    assert all(on_all(look.hosts, following.pid).values())
    assert not any(playbook(look.hosts, "drawbridge.docker.harden", **options).changed().values())


def churn(host, times):
    """Containers that start and end → the service's size before and after."""
    host.run(["docker", "run", "--detach", "--name", "churn", "--label", "tier=churn", "--publish", "8300:80", IMAGE, "answer", "churn",
              "tcp,0.0.0.0,80"])
    wait_until_blocked(host, "churn")
    host.run(["docker", "restart", "--time", "0", "churn"])
    before = settled(host)
    for _time in range(times):
        host.run(["docker", "restart", "--time", "0", "churn"])
    wait_until_blocked(host, "churn")
    return before, settled(host)


def settled(host):
    """The service's size while it does nothing: one thread listens, one works, one closes."""
    wait_for(lambda: following.size(host)[2] == 3, host.name + ": the service is idle", 60)
    return following.size(host)


def grows_not(look, times, capsys):
    protect(look.hosts, blocked(label=["tier=churn"], on_missing="ignore"))
    sizes = on_all(look.hosts, lambda host: churn(host, times))
    for host in look.hosts:
        before, after = sizes[host.name]
        records = host.run(["ls", "/var/lib/drawbridge/records"]).stdout.split()
        with capsys.disabled():
            print("\n%s: %d starts and stops: %d → %d KiB, %d → %d files, %d threads, %d record"
                  % (host.name, times, before[0], after[0], before[1], after[1], after[2], len(records)))
        assert after[0] - before[0] < 4096 and after[1:] == before[1:] and len(records) == 1
        assert is_blocked(host, "churn")


def test_it_does_not_grow(look, capsys):
    grows_not(look, 5, capsys)


@pytest.mark.drill
def test_it_does_not_grow_over_many_starts(look, capsys):
    grows_not(look, 200, capsys)
