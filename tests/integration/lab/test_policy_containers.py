# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""A policy's open_ports and containers: in the one task, from fragments, taken away with the policy, covered by its confirmation."""
import pytest

from tests.integration.lab.support import following, policies
from tests.integration.lab.support.firewall import written
from tests.integration.lab.support.playbook import play
from tests.integration.lab.support.reach import Onlooker, v4, v6, wait_for
from tests.integration.lab.support.ways import dumps, on_all
from tests.lab.api import Probe
from tests.lab.layout import CLIENTS
from tests.lab.workload import IMAGE

ALLOWED, DENIED = CLIENTS["allowed"], CLIENTS["denied"]
PORT = 8990
OPEN = {"name": "nginx", "port": PORT, "container_port": 80, "sources": ["@friends"]}
BLOCK = {"name": "web", "section": "blocked", "rules": [{"source": ALLOWED.v4, "jump": "DROP"}]}


@pytest.fixture(name="look")
def onlooker(lab, outermost):
    """Hosts on which nginx has both families and publishes nothing; web, with rules inside, is started anew behind the test."""
    def start(host):
        host.run(["docker", "run", "--detach", "--name", "nginx", "--network", "net6", IMAGE, "answer", "nginx", "tcp,0.0.0.0,80", "tcp,::,80"])
        wait_for(lambda: host.probe([Probe("tcp", host.containers()["nginx"].v6, 80)])[0].server == "nginx", "nginx")

    on_all(outermost, start)
    yield Onlooker(lab, outermost)
    on_all(outermost, lambda host: host.run(["docker", "restart", "--time", "0", "web", "peer"]))


def policy(**more):
    """As one_client's, so that the allowed client reaches what is published, and these."""
    return lambda spec: dict(policies.closed_services(spec), **more)


def apply(look, compiled, **options):
    return play(look.hosts, [policies.POLICY], host_vars=policies.for_hosts(look.hosts, compiled), **options)


def inside(host, name):
    """The lines of policies in a container."""
    text = host.containers()[name].run(["iptables-save"]).stdout
    return [line for line in text.splitlines() if "DB-NS-policy" in line]


def states(look):
    """Of each host; a set that is made again has another seed."""
    return {name: {line.split(" initval ")[0] for line in written(text)} for name, text in dumps(look.hosts).items()}


def test_both_are_part_of_the_policy_s_one_task(look):
    apply(look, policy())
    before = states(look)
    both = policy(open_ports=[OPEN], containers=[BLOCK])
    predicted = apply(look, both, check=True)
    assert states(look) == before
    done = apply(look, both)
    for host in look.hosts:
        assert predicted.last(host.name)["diff"] == done.last(host.name)["diff"]
        assert [item["name"] for item in done.last(host.name)["open_ports"]] == ["nginx"]
        assert [item["name"] for item in done.last(host.name)["containers"]] == ["web"]
    assert predicted.changed() == done.changed() == dict.fromkeys(look.everywhere, True)
    # The policy's own set says who; nobody else comes in, and nothing else is opened.
    for way in (v4(PORT), v6(PORT)):
        assert look.serves("allowed", way)
        assert look.turns_away("denied", way)
    assert look.serves("allowed", v4(8081))
    assert look.turns_away("allowed", v4(8080))
    assert not any(apply(look, both).changed().values())
    # Another container's section instead, and another port: what a policy does not have any more goes.
    moved = policy(open_ports=[dict(OPEN, port=PORT + 1)], containers=[dict(BLOCK, name="peer")])
    apply(look, moved)
    assert look.serves("allowed", v4(PORT + 1))
    assert look.turns_away("allowed", v4(PORT))
    assert look.serves("allowed", v4(8080))
    for host in look.hosts:
        assert not inside(host, "web") and inside(host, "peer")
    assert apply(look, policy()).changed() == dict.fromkeys(look.everywhere, True)
    assert states(look) == before
    assert look.turns_away("allowed", v4(PORT + 1))
    for host in look.hosts:
        assert not inside(host, "peer")
    assert not any(apply(look, policy()).changed().values())


def test_the_first_run_of_all_opens_both_families(look):
    """In which the policy itself makes the engine's chain for IPv6."""
    apply(look, policy(open_ports=[OPEN]))
    for way in (v4(PORT), v6(PORT)):
        assert look.serves("allowed", way)
    assert not any(apply(look, policy(open_ports=[OPEN])).changed().values())


def test_with_the_policy_all_of_it_goes(look):
    before = states(look)
    apply(look, policy(open_ports=[OPEN], containers=[BLOCK]))
    assert look.serves("allowed", v4(PORT))
    done = play(look.hosts, [{"drawbridge.docker.host_policy": {"state": "absent"}}])
    assert done.changed() == dict.fromkeys(look.everywhere, True)
    assert look.turns_away("allowed", v4(PORT))
    for host in look.hosts:
        assert not inside(host, "web")
        # The engine's chain, which a policy makes in both families, is the engine's.
        assert not {line for line in states(look)[host.name] - before[host.name] if "DOCKER-USER" not in line}


def test_fragments(look):
    """The heavier decides about a port and a section, equals add up their sources or are told apart by name."""
    light = {"weight": 10, "published_ports": {}, "open_ports": [dict(OPEN, sources=[DENIED.v4])], "containers": [dict(BLOCK, rules=[])]}
    heavy = {"open_ports": [dict(OPEN, sources=[ALLOWED.v4])], "containers": [BLOCK]}
    as_heavy = {"open_ports": [dict(OPEN, sources=[CLIENTS["outside"].v4])]}
    task = {"drawbridge.docker.host_policy": {"fragments": "host_policy__"}}
    play(look.hosts, [task], extra={"host_policy__a": light, "host_policy__b": heavy, "host_policy__c": as_heavy})
    for who in ("allowed", "outside"):
        assert look.serves(who, v4(PORT))
    assert look.turns_away("denied", v4(PORT))
    for host in look.hosts:
        assert any(ALLOWED.v4 in line for line in inside(host, "web"))
    contrary = {"open_ports": [dict(OPEN, container_port=81)]}
    failed = play(look.hosts, [task], extra={"host_policy__b": heavy, "host_policy__c": contrary}, fails=True).failed()
    assert all(text.startswith("host_policy__c.open_ports[0]: ") and "in host_policy__b, which has the same weight" in text
               for text in failed.values()) and set(failed) == look.everywhere


@pytest.mark.drill
def test_errors_name_the_place_and_nothing_is_changed(look):
    apply(look, policy(open_ports=[OPEN], containers=[BLOCK]))
    before = states(look)
    for more, message in [
        ({"open_ports": [OPEN, dict(OPEN, port=9000)]}, "policy.open_ports[1]: port 9000/tcp cannot be opened: "),
        ({"open_ports": [OPEN, OPEN]}, "policy.open_ports[1]: port 8990/tcp cannot be opened: it is opened by policy.open_ports[0] as well"),
        ({"open_ports": [dict(OPEN, port="x")]}, "policy.open_ports[0].port: 'x' is not a port"),
        ({"open_ports": [dict(OPEN, on_missing="fail", name="nobody")]}, "policy.open_ports[0]: no container matches"),
        ({"open_ports": [dict(OPEN, pod="x")]}, "policy.open_ports[0]: unknown key 'pod'"),
        ({"containers": [dict(BLOCK, rules=[{"jump": "DROP", "source": "x"}])]}, "policy.containers[0].rules[0].source: 'x' is not an IP address"),
        ({"containers": [dict(BLOCK, rules=[{"jump": "NOWHERE"}])]},
         "policy.containers[0]: 1 of 1 failed: web: policy.containers[0].rules[0]: iptables refuses the rule"),
        ({"containers": [BLOCK, BLOCK]}, "policy.containers[1]: the same section for the same containers as in policy.containers[0]"),
        ({"containers": [dict(BLOCK, section="policy")]}, "policy.containers[0].section: "),
        ({"containers": [dict(BLOCK, name="nobody", on_missing="fail")]}, "policy.containers[0]: no container matches"),
    ]:
        failed = apply(look, policy(**more), fails=True).failed()
        assert set(failed) == look.everywhere and all(text.startswith(message) for text in failed.values()), failed
    assert states(look) == before
    # Nobody there is no error: the rest of a policy must not depend on who runs.
    done = apply(look, policy(open_ports=[dict(OPEN, name="nobody")], containers=[dict(BLOCK, name="nobody")]))
    assert "policy.open_ports[0]: port 8990/tcp leads nowhere: no container that matches runs" in " ".join(done.output.split())
    assert look.turns_away("allowed", v4(PORT))
    assert look.serves("allowed", v4(8080))


def test_a_change_that_nobody_confirms_takes_the_ports_along(look):
    apply(look, policy())
    before = states(look)
    # The play is over before anything is confirmed.
    armed = {"drawbridge.docker.firewall_checkpoint": {"state": "armed", "timeout": 8}}
    tasks = [armed, policies.POLICY]
    play(look.hosts, tasks, host_vars=policies.for_hosts(look.hosts, policy(open_ports=[OPEN])))
    assert look.serves("allowed", v4(PORT))
    for host in look.hosts:
        wait_for(lambda host=host: not any("DB-PUBLISH" in line for line in states(look)[host.name]), "taken back", 30)
    assert {name: now ^ before[name] for name, now in states(look).items()} == {name: set() for name in before}
    assert look.turns_away("allowed", v4(PORT))
    # Confirmed by the task itself.
    apply(look, policy(open_ports=[OPEN], containers=[BLOCK]))
    confirmed = dict(policies.task("{{ lab_policy }}", confirm_timeout=20))
    other = policy(open_ports=[dict(OPEN, port=PORT + 1)], containers=[dict(BLOCK, name="peer")])
    done = play(look.hosts, [confirmed], host_vars=policies.for_hosts(look.hosts, other))
    assert all("confirm_seconds" in done.last(host.name) for host in look.hosts)
    assert look.serves("allowed", v4(PORT + 1))


def test_rules_inside_follow_where_the_event_service_is(look):
    following.protect(look.hosts)
    apply(look, policy(containers=[BLOCK]))
    on_all(look.hosts, lambda host: host.run(["docker", "restart", "--time", "0", "web"]))
    for host in look.hosts:
        wait_for(lambda host=host: bool(inside(host, "web")), "%s: rules in web again" % host.name, 60)
    assert not any(apply(look, policy(containers=[BLOCK])).changed().values())
    apply(look, policy())
    for host in look.hosts:
        assert not inside(host, "web")
        assert host.run(["ls", "/var/lib/drawbridge/records"]).stdout == ""
