# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""How long a container is open that starts, and the mode that keeps it closed until its rules are in: by a client that never stops
trying."""
import pytest

from tests.integration.lab.support import workloads
from tests.integration.lab.support.following import UNIT, blocked, hammered, protect, restart, wait_until_blocked
from tests.integration.lab.support.playbook import play
from tests.integration.lab.support.reach import Onlooker, v4, wait_for
from tests.integration.lab.support.ways import on_all
from tests.lab.api import Probe
from tests.lab.layout import OUTSIDE, OUTSIDE_SERVER_TCP

OPEN, CLOSED = "open", "closed until ready"
GATE = {OPEN: {}, CLOSED: {"closed_until_ready": True}}
BLOCKED = blocked(name="web")


@pytest.fixture(name="look")
def onlooker(lab, manageable):
    """Who is served on which way."""
    return Onlooker(lab, manageable)


def measure(lab, host, times, mode, capsys):
    """Restart web so often under fire → how many tries of the denied client were answered, and how long after each start of its process the rules
    were in, in seconds."""
    protect([host], BLOCKED, **GATE[mode])
    tried, served, latest = 0, 0, []
    for _time in range(times):
        with hammered(lab.clients["denied"], host.spec.v4, 8080, "web ") as found:
            started, ready = restart(host, "web")
        tried += found.tried
        served += len(found.answered)
        latest.append(ready - started)
    with capsys.disabled():
        print("\n%s, engine %s, %s: %d restarts, %d tries of the denied client, %d answered; rules in %s ms after the process started"
              % (host.name, host.engine_version(), mode, times, tried, served, " ".join("%.0f" % (1000 * after) for after in latest)))
    assert tried > 200 * times
    return served, latest


def test_nobody_comes_in_before_the_rules_do(lab, look, capsys):
    for host in look.hosts:
        assert measure(lab, host, 3, CLOSED, capsys)[0] == 0
    assert look.serves("allowed", v4(8080))


@pytest.mark.drill
def test_how_long_a_container_is_open(lab, look, capsys):
    for host in look.hosts:
        assert max(measure(lab, host, 10, OPEN, capsys)[1]) < 10
    for host in look.hosts:
        assert measure(lab, host, 10, CLOSED, capsys)[0] == 0


def goes_out(host, name):
    return host.containers()[name].probe([Probe("tcp", OUTSIDE.v4, OUTSIDE_SERVER_TCP, timeout=3)])[0].open


def test_others_are_ready_at_once_and_stay_so(look):
    protect(look.hosts, BLOCKED, closed_until_ready=True)
    on_all(look.hosts, lambda host: workloads.publish(host, "late", 8200))
    on_all(look.hosts, lambda host: workloads.network(host, "late-net"))
    on_all(look.hosts, lambda host: workloads.run(host, "late-inside", "late-net"))
    assert look.serves("denied", v4(8200)) and look.serves("denied", v4(8081))
    on_all(look.hosts, lambda host: wait_for(lambda: goes_out(host, "late-inside"), host.name + ": egress of a new network"))
    # A container that runs, and joins another network.
    on_all(look.hosts, lambda host: host.run(["docker", "network", "connect", "late-net", "late"]))
    on_all(look.hosts, lambda host: wait_for(lambda: reaches(host), host.name + ": between containers of the new network"))


def reaches(host):
    address = host.run(["docker", "inspect", "--format", '{{(index .NetworkSettings.Networks "late-net").IPAddress}}', "late"]).stdout.strip()
    return host.containers()["late-inside"].probe([Probe("tcp", address, 80)])[0].open


def test_without_the_service_what_starts_stays_closed(look):
    protect(look.hosts, BLOCKED, closed_until_ready=True)
    on_all(look.hosts, lambda host: host.run(["systemctl", "stop", UNIT]))
    on_all(look.hosts, lambda host: host.run(["docker", "restart", "--time", "0", "web"]))
    assert look.serves("allowed", v4(8081))
    assert look.turns_away("allowed", v4(8080)) and look.turns_away("denied", v4(8080))
    on_all(look.hosts, lambda host: host.run(["systemctl", "start", UNIT]))
    on_all(look.hosts, lambda host: wait_until_blocked(host, "web"))
    assert look.serves("allowed", v4(8080))
    assert look.turns_away("denied", v4(8080))
    # Who flushes nftables takes the table too; it comes back.
    on_all(look.hosts, lambda host: host.run(["nft", "delete", "table", "bridge", "drawbridge-closed"]))
    on_all(look.hosts, lambda host: wait_for(lambda: gate(host), host.name + ": the table is back", 60))
    assert look.serves("allowed", v4(8080)) and look.serves("allowed", v4(8081))
    play(look.hosts, [{"drawbridge.docker.event_service": {"state": "absent"}}])
    assert not any(gate(host) for host in look.hosts)


def gate(host):
    return host.run(["nft", "list", "table", "bridge", "drawbridge-closed"], check=False).returncode == 0


def test_nobody_comes_in_at_boot(lab, look, capsys):
    host = next(host for host in look.hosts if host.name == "trixie")
    protect([host], BLOCKED, closed_until_ready=True)
    with hammered(lab.clients["denied"], host.spec.v4, 8080, "web ") as found:
        host.reboot()
        wait_until_blocked(host, "web")
    with capsys.disabled():
        print("\n%s, a boot, closed until ready: %d tries of the denied client, %d answered" % (host.name, found.tried, len(found.answered)))
    assert found.tried > 1000 and found.answered == []
    assert Onlooker(lab, [host]).serves("allowed", v4(8080))
