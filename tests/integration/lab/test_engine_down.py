# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""A policy applied while the engine stands still, after it ran and before it ever did: closed from the first moment on."""
import json
from contextlib import ExitStack

from tests.integration.lab.support import expected, firewall, policies, senders, ways
from tests.integration.lab.support.background import from_client
from tests.integration.lab.support.playbook import play
from tests.integration.lab.support.ways import on_all

DOCKER = ["docker.socket", "docker.service"]


def stop(host):
    host.run(["systemctl", "stop", *DOCKER])


def start(host):
    host.run(["systemctl", "start", *DOCKER])


def apply(hosts, policy=policies.closed_services):
    return play(hosts, [policies.POLICY], host_vars=policies.for_hosts(hosts, policy))


def forget(host):
    """As after a boot on which the engine has not started yet: no rules, no sets."""
    host.run(["nft", "flush", "ruleset"])
    host.run(["ipset", "destroy"])


def ours(dump):
    """Drawbridge's lines of a dump."""
    return {line for line in firewall.written(dump) if "DB" in line}


def start_under_fire(lab, hosts):
    """Start the engines while the denied client tries to get in, until all containers run → (tries, what was open)."""
    places = ["%s,%d" % (address, port) for host in hosts for port in (8080, 8081, 8083)
              for address in (host.spec.v4, host.spec.v6)]
    with ExitStack() as stack:
        hammer = stack.enter_context(from_client(lab.clients["denied"], senders.HAMMER, *places))
        assert hammer.stdout.readline() == "ready\n"
        on_all(hosts, start)
        on_all(hosts, lambda host: host.wait_ready())
        return json.loads(hammer.communicate("end\n", timeout=10)[0])


def test_the_engine_is_down(lab, manageable):
    assert set(apply(manageable).changed().values()) == {True}
    before = ways.dumps(manageable)
    on_all(manageable, stop)
    run = apply(manageable)
    for host in manageable:
        told = run.last(host.name)
        assert told["engine_reachable"] is False and told["changed"] is False
        assert "engine" in str(told["warnings"])
        # Sets of published ports and bridges are those of the last run; the engine took its own rules for ports away.
        assert ours(firewall.dump(host)) == ours(before[host.name])
    tried, found = start_under_fire(lab, manageable)
    assert found == [] and tried > 50
    cells = ways.plain(lab, manageable, expected.services_closed)
    assert expected.differences(cells, expected.services_closed) == []


def test_containers_that_cannot_be_found_keep_no_rule_from_the_host(manageable):
    inside = {"name": "web", "section": "blocked", "rules": [{"source": "192.0.2.102", "jump": "DROP"}]}

    def policy(**more):
        return lambda spec: dict(policies.closed_services(spec), containers=[dict(inside, **more)])

    hosts = manageable[:1]
    on_all(hosts, stop)
    try:
        failed = play(hosts, [policies.POLICY], host_vars=policies.for_hosts(hosts, policy(on_missing="fail")), fails=True).failed()
        assert all("containers[0]: the Docker engine cannot be reached" in text for text in failed.values())
        assert ours(firewall.dump(hosts[0])) == set()
        run = apply(hosts, policy())
        assert set(run.changed().values()) == {True} and ours(firewall.dump(hosts[0]))
        assert any("containers[0]: no container gets these rules now" in text for text in run.last(hosts[0].name)["warnings"])
    finally:
        on_all(hosts, start)
        on_all(hosts, lambda host: host.wait_ready())


def test_before_the_engine_first_started(lab, manageable):
    on_all(manageable, stop)
    on_all(manageable, forget)
    run = apply(manageable)
    assert set(run.changed().values()) == {True}
    for host in manageable:
        assert run.last(host.name)["engine_reachable"] is False
        for family in firewall.FAMILIES:
            assert firewall.rules(host, "FORWARD", family=family) == ["-A FORWARD -j DOCKER-USER"]
    tried, found = start_under_fire(lab, manageable)
    assert found == [] and tried > 50
    on_all(manageable, lambda host: host.run(["systemctl", "restart", "lab-vm-accept"]))
    # What only the engine knows, which bridges there are, is learnt by the next run.
    apply(manageable)
    assert ways.differences(lab, manageable, expected.services_closed) == []
    assert not any(apply(manageable).changed().values())
