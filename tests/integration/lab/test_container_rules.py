# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Rules inside containers, put in from the host: seed 000's experiment without NET_ADMIN, proven by real connections."""
import pytest

from tests.integration.lab.support.playbook import play
from tests.integration.lab.support.reach import Onlooker, v4
from tests.integration.lab.support.ways import dumps, on_all
from tests.lab.layout import CLIENTS
from tests.lab.workload import IMAGE

DENIED = CLIENTS["denied"].v4
BLOCK = {"section": "blocked", "rules": [{"source": DENIED, "jump": "DROP"}]}


def rule(**arguments):
    return {"drawbridge.docker.container_netns_rule": {**BLOCK, **arguments}}


@pytest.fixture(name="look")
def onlooker(lab, manageable):
    """Who is served on which way. Containers are started anew: rules in them are no part of what pristine() restores."""
    yield Onlooker(lab, manageable)
    on_all(manageable, lambda host: host.run(["docker", "restart", "--time", "0", "web", "same"]))


def inside(host, name, program="iptables-save"):
    """A container's rules, without counters."""
    text = host.containers()[name].run([program]).stdout
    return [line.split(" [")[0] for line in text.splitlines() if not line.startswith("#")]


def test_one_source_is_dropped_in_one_container_only(look):
    before = dumps(look.hosts)
    assert look.serves("denied", v4(8080))
    predicted = play(look.hosts, [rule(name="web")], check=True)
    assert look.serves("denied", v4(8080))
    done = play(look.hosts, [rule(name="web")])
    for host in look.hosts:
        assert predicted.last(host.name)["diff"] == done.last(host.name)["diff"]
        assert [item["name"] for item in done.last(host.name)["containers"]] == ["web"]
    assert done.changed() == dict.fromkeys(look.everywhere, True)
    assert look.serves("allowed", v4(8080))
    assert look.turns_away("denied", v4(8080))
    assert look.serves("denied", v4(8081))
    assert dumps(look.hosts) == before
    assert not any(play(look.hosts, [rule(name="web")]).changed().values())
    play(look.hosts, [rule(name="web", state="absent")])
    assert look.serves("denied", v4(8080))
    for host in look.hosts:
        assert not [line for line in inside(host, "web") if "DB-" in line]


def test_a_container_with_net_admin_keeps_its_own_rules(look):
    for host in look.hosts:
        host.run(["docker", "run", "--detach", "--name", "admin", "--cap-add", "NET_ADMIN", "--publish", "8990:80", IMAGE,
                  "answer", "admin", "tcp,0.0.0.0,80"])
        host.containers()["admin"].run(["iptables", "-A", "INPUT", "-s", "203.0.113.99/32", "-j", "DROP"])
    own = {host.name: inside(host, "admin") for host in look.hosts}
    play(look.hosts, [rule(name="admin")])
    assert look.serves("allowed", v4(8990))
    assert look.turns_away("denied", v4(8990))
    for host in look.hosts:
        assert [line for line in inside(host, "admin") if "DB-" not in line] == own[host.name]
    play(look.hosts, [rule(name="admin", state="absent")])
    assert {host.name: inside(host, "admin") for host in look.hosts} == own
