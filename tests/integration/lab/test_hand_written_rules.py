# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""What administrators write by hand to close a published port, why it fails on every engine, and what closes it.

The order is that of seed 002, the story that this collection began with: a rule in INPUT, a rule in DOCKER-USER on the
host's port, a chain of one's own ahead of Docker's DNAT.
"""
import pytest

from tests.integration.lab.support import firewall, policies, workloads
from tests.integration.lab.support.playbook import play
from tests.integration.lab.support.reach import Onlooker, v4, v6
from tests.integration.lab.support.ways import on_all
from tests.lab.layout import CLIENTS

ALLOWED = CLIENTS["allowed"].v4


@pytest.fixture(name="look")
def onlooker(lab, outermost):
    """Who is served on which way."""
    return Onlooker(lab, outermost)


def by_hand(look, *commands):
    on_all(look.hosts, lambda host: firewall.by_hand(host, *commands))


def nat_filter(**arguments):
    return {"drawbridge.docker.nat_filter_chain": arguments}


def test_a_rule_in_input_does_nothing(look):
    by_hand(look, "iptables -A INPUT -s %s -p tcp -m tcp --dport 8080 -j ACCEPT" % ALLOWED,
            "iptables -A INPUT -p tcp -m tcp --dport 8080 -j REJECT --reject-with icmp-host-prohibited")
    assert look.serves("denied", v4(8080))
    play(look.hosts, [policies.POLICY], host_vars=policies.for_hosts(look.hosts, policies.one_client))
    assert look.serves("allowed", v4(8080))
    assert look.turns_away("denied", v4(8080))


def test_a_rule_in_docker_user_on_the_host_port_does_nothing(look):
    by_hand(look, "iptables -I DOCKER-USER -p tcp -m tcp --dport 8080 -j DROP")
    assert look.serves("denied", v4(8080))
    rules = [{"protocol": "tcp", "published_port": 8080, "source": policies.ALLOWED, "jump": "RETURN"},
             {"protocol": "tcp", "published_port": 8080, "jump": "DROP"}]
    task = {"drawbridge.docker.docker_user_chain": {"section": "web", "rules": rules}}
    play(look.hosts, [task])
    assert look.serves("allowed", v4(8080))
    assert look.turns_away("denied", v4(8080))
    assert look.serves("denied", v4(8081))
    assert not any(play(look.hosts, [task]).changed().values())


def test_a_rule_in_docker_user_on_the_container_port_cuts_replies_off(look):
    by_hand(look, "iptables -I DOCKER-USER -p tcp -j DROP",
            "iptables -I DOCKER-USER -s %s -p tcp -m tcp --dport 80 -j ACCEPT" % ALLOWED)
    assert look.turns_away("allowed", v4(8080))
    by_hand(look, "iptables -D DOCKER-USER -p tcp -j DROP",
            "iptables -D DOCKER-USER -s %s -p tcp -m tcp --dport 80 -j ACCEPT" % ALLOWED)
    task = {"drawbridge.docker.docker_user_chain": {"section": "web", "rules": [
        {"protocol": "tcp", "ctstate": ["DNAT"], "source": "!%s" % ALLOWED, "jump": "DROP"}]}}
    play(look.hosts, [task])
    assert look.serves("allowed", v4(8080))
    assert look.turns_away("denied", v4(8080))


BY_HAND = [
    "iptables -t nat -N DOCKER-FILTER",
    "iptables -t nat -I PREROUTING -m addrtype --dst-type LOCAL -j RETURN",
    "iptables -t nat -I PREROUTING -m addrtype --dst-type LOCAL -j DOCKER-FILTER",
    "iptables -t nat -A DOCKER-FILTER -s %s -p tcp -m tcp --dport 8080 -m state --state NEW,ESTABLISHED -j DOCKER" % ALLOWED,
]
TAKEN_BACK = [
    "iptables -t nat -D PREROUTING -m addrtype --dst-type LOCAL -j DOCKER-FILTER",
    "iptables -t nat -D PREROUTING -m addrtype --dst-type LOCAL -j RETURN",
    "iptables -t nat -F DOCKER-FILTER",
    "iptables -t nat -X DOCKER-FILTER",
]


def test_a_chain_ahead_of_dnat_alone_leaves_docker_proxy(look):
    assert look.peers("denied", v4(8080)) == {CLIENTS["denied"].v4}
    by_hand(look, *BY_HAND)
    assert CLIENTS["denied"].v4 not in look.peers("denied", v4(8080))
    by_hand(look, *TAKEN_BACK)
    before = on_all(look.hosts, firewall.dump)
    task = nat_filter(allow=[{"port": 8080, "sources": policies.ALLOWED}])
    play(look.hosts, [task])
    for way in (v4(8080), v6(8080)):
        assert look.serves("allowed", way)
        assert look.turns_away("denied", way)
    for way in (v4(8081), v6(8081), v4(8083), v6(8083)):
        assert look.turns_away("denied", way)
    for way in (v4(9000), v6(9000), v4(8082), v6(8082), v4(22)):
        assert look.serves("denied", way)
    assert not any(play(look.hosts, [task]).changed().values())
    play(look.hosts, [nat_filter(state="absent")])
    after = on_all(look.hosts, firewall.dump)
    for host in look.hosts:
        assert firewall.written(after[host.name]) == firewall.written(before[host.name])
    assert look.serves("denied", v4(8080))


def test_the_module_closes_it_beside_what_was_written_by_hand(look):
    by_hand(look, *BY_HAND)
    play(look.hosts, [nat_filter(allow=[{"port": 8080, "sources": policies.ALLOWED}])])
    assert look.serves("allowed", v4(8080))
    assert look.turns_away("denied", v4(8080))
    assert look.turns_away("denied", v4(8081))


def test_default_allow_limits_only_what_has_an_entry(look):
    play(look.hosts, [nat_filter(default="allow", allow=[{"port": 8080, "sources": policies.ALLOWED}])])
    for way in (v4(8080), v6(8080)):
        assert look.serves("allowed", way)
        assert look.turns_away("denied", way)
    for way in (v4(8081), v6(8081), v6(8083), v4(9000)):
        assert look.serves("denied", way)


def test_unpublished_deny_keeps_later_ports_from_dnat(look):
    task = nat_filter(allow=[{"port": 8080, "sources": policies.ALLOWED}], unpublished="deny")
    play(look.hosts, [task])
    on_all(look.hosts, lambda host: workloads.publish(host, "late", 8200))
    assert CLIENTS["denied"].v4 not in look.peers("denied", v4(8200))
    again = play(look.hosts, [task])
    assert all(again.changed().values())
    assert look.turns_away("denied", v4(8200))
    assert look.turns_away("denied", v6(8200))
    assert look.serves("allowed", v4(8080))
