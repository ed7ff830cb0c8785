# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""An allow-list that is a set: changed without touching a rule, beside a public port, with containers that still reach the internet;
and its rules in the wrong order, which is told."""
from tests.integration.lab.support import firewall, policies, reach, ways
from tests.integration.lab.support.playbook import play
from tests.lab import layout
from tests.lab.api import Probe
from tests.lab.layout import OUTSIDE

FRIENDS = {"source": "@friends", "in_interface": "eth0", "jump": "RETURN"}
PUBLIC = {"protocol": "tcp", "published_port": 8081, "in_interface": "eth0", "jump": "RETURN"}
OTHERS = {"in_interface": "eth0", "jump": "DROP"}


def friends(entries):
    return {"drawbridge.docker.address_set": {"name": "friends", "entries": entries}}


def section(*rules):
    return {"drawbridge.docker.docker_user_chain": {"section": "allowlist", "rules": list(rules)}}


def reaches_outside(host):
    return host.containers()["web"].probe([Probe("tcp", OUTSIDE.v4, layout.OUTSIDE_SERVER_TCP)])[0].open


def test_the_list_decides_and_changes_alone(lab, manageable):
    hosts = manageable
    onlooker = reach.Onlooker(lab, hosts)
    play(hosts, [friends(policies.ALLOWED), section(FRIENDS, PUBLIC, OTHERS)])
    assert onlooker.serves("allowed", reach.v4(8080)) and onlooker.turns_away("denied", reach.v4(8080))
    assert onlooker.serves("denied", reach.v4(8081))
    assert set(ways.on_all(hosts, reaches_outside).values()) == {True}
    before = ways.on_all(hosts, lambda host: firewall.rules(host, "DB-USER-allowlist"))
    again = play(hosts, [friends(policies.DENIED), section(FRIENDS, PUBLIC, OTHERS)])
    assert all(not again.last(host.name)["changed"] for host in hosts)
    assert ways.on_all(hosts, lambda host: firewall.rules(host, "DB-USER-allowlist")) == before
    assert onlooker.serves("denied", reach.v4(8080)) and onlooker.turns_away("allowed", reach.v4(8080))
    assert set(ways.on_all(hosts, reaches_outside).values()) == {True}


def test_the_wrong_order_is_told(lab, manageable):
    """As somebody gets it who inserts each rule at the top in the order in which they are explained."""
    hosts = manageable
    not_friends = {"source": "! @friends", "in_interface": "eth0", "jump": "DROP"}
    done = play(hosts, [friends(policies.ALLOWED), section(not_friends, FRIENDS, PUBLIC)], check=False)
    said = " ".join(done.output.split())
    assert "rules[2] can never match: rules[0] and rules[1] take all that it would" in said
    onlooker = reach.Onlooker(lab, hosts)
    assert onlooker.serves("allowed", reach.v4(8081)) and onlooker.turns_away("denied", reach.v4(8081))
    said = " ".join(play(hosts, [section(OTHERS, "-i eth0 -m state --state ESTABLISHED,RELATED -j ACCEPT", PUBLIC)]).output.split())
    assert "rules[1] can never match: the line '-m conntrack --ctstate RELATED,ESTABLISHED -j RETURN' before all others" in said
    assert "rules[2] can never match: rules[0] takes all that it would" in said
    assert "can never match" not in play(hosts, [section(FRIENDS, PUBLIC, OTHERS)]).output
