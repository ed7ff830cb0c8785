# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""From an opened port to chains, and back from chains to what is open."""
import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.errors import DrawbridgeError
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.rules.desired import MAX_CHAIN_NAME, MAX_SET_NAME
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.rules.ownership import is_our_set, owned_set
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.rules.saved_ruleset import Ruleset, SavedChain
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.blocks.owners import FILTER, NAT, PortForwardingOwner
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.blocks.port_rules import Rules
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.language.open_port_entries import (
    parse_open_port,
    parse_target,
)
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.language.open_ports import Endpoint, Opening
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.port_forwarding.chains import open_wanted, parents
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.port_forwarding.conflicts import (
    refuse_opened,
    refuse_other_owner,
    refuse_twice,
)
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.port_forwarding.opened import OpenedPort, leads, leads_of, mark_of
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.tasks import container_port

ENDS = (Endpoint(4, "172.18.0.2", "br-1", ("172.18.0.0/16",)), Endpoint(6, "fd00::2", "br-1", ("fd00::/64",)))
USER = {4: "DOCKER-USER", 6: "FORWARD"}


def opening(**more):
    given = {"name": "web", "port": 8080, "container_port": 80, "sources": ["any"], **more}
    port = parse_open_port(given)
    return Opening(port, None, tuple(end for end in ENDS if end.family in port.families))


def compiled(*opened):
    return open_wanted(PortForwardingOwner("key"), opened, Rules(), USER, "abc")


def chain(wanted, table, name, family=4):
    (found,) = [item for item in wanted.chains if (item.table, item.name) == (table, name)]
    return [line.text for line in found.lines if family in line.families]


def ruleset(wanted, family=4):
    nat = {item.name: SavedChain("-", chain(wanted, item.table, item.name, family), []) for item in wanted.chains if item.table == NAT}
    return Ruleset({NAT: nat})


def test_what_is_accepted_was_led_here():
    """Address and port of the container, the host's port as it was dialled, both directions."""
    dialled = "-m conntrack --ctstate DNAT --ctorigdstport 8080"
    assert chain(compiled(opening()), FILTER, "DB-PUBLISH-key") == [
        "-s 172.18.0.2/32 -i br-1 -p tcp -m tcp --sport 80 %s --ctdir REPLY -j ACCEPT" % dialled,
        "-d 172.18.0.2/32 -o br-1 -p tcp -m tcp --dport 80 %s --ctdir ORIGINAL -j ACCEPT" % dialled,
    ]


def test_who_may_not_any_more_is_dropped():
    lines = chain(compiled(opening(sources=["192.0.2.1"])), FILTER, "DB-PUBLISH-key")
    assert lines[1].startswith("-s 192.0.2.1/32 -d 172.18.0.2/32") and lines[1].endswith("-j ACCEPT")
    assert lines[2] == lines[1].replace("-s 192.0.2.1/32 ", "").replace("ACCEPT", "DROP")


def test_a_comment_says_nothing_of_the_port():
    rule = '-p tcp -m tcp --dport 80 -m comment --comment "was --dport 90 once" -j DNAT --to-destination 172.18.0.2:80'
    nat = Ruleset({NAT: {"DB-PUBLISH-key": SavedChain("-", [rule, rule.replace("DNAT", "LOG"), "! -d 192.0.2.7/32 " + rule], [])}})
    assert leads({4: nat}) == [OpenedPort("DB-PUBLISH-key", 4, "tcp", None, 80, "172.18.0.2:80")]


def test_the_host_itself_may_always():
    lines = chain(compiled(opening(sources=["192.0.2.1"])), NAT, "DB-PUBLISH-key", 6)
    assert lines == [
        '-d ::1/128 -m comment --comment "drawbridge:for:abc" -j RETURN',
        "-p tcp -m tcp --dport 8080 -m addrtype --src-type LOCAL --dst-type LOCAL -j DNAT --to-destination [fd00::2]:80",
    ]


def test_a_way_back():
    assert chain(compiled(opening()), NAT, "DB-HAIRPIN-key")[0].startswith("-s 172.18.0.0/16 -d 172.18.0.2/32 -o br-1 ")
    assert chain(compiled(opening(masquerade=True)), NAT, "DB-HAIRPIN-key")[0].startswith("-d 172.18.0.2/32 -o br-1 ")


def test_nothing_is_wanted_where_nothing_is_open():
    wanted = compiled(Opening(opening().port, None, ()))
    assert (wanted.chains, wanted.hooks) == ([], [])


def test_where_the_engine_keeps_no_chain_none_is_made():
    there = Ruleset({FILTER: {"DOCKER-USER": SavedChain("-", [], [])}})
    assert parents({4: Ruleset(), 6: Ruleset()}) == {4: "DOCKER-USER", 6: "FORWARD"}
    assert parents({4: there, 6: there}) == {4: "DOCKER-USER", 6: "DOCKER-USER"}
    assert parents({4: there}) == {4: "DOCKER-USER", 6: "FORWARD"}
    assert parents({4: Ruleset(), 6: Ruleset()}, (6,)) == {4: "DOCKER-USER", 6: "DOCKER-USER"}


def test_what_is_open_is_read_from_the_chains():
    opened = [opening(), opening(port=53, protocol="udp", address="192.0.2.7", sources=["192.0.2.1", "192.0.2.2"])]
    wanted = compiled(*opened)
    found = leads({4: ruleset(wanted), 6: ruleset(wanted, 6)})
    assert found == sorted(leads_of("DB-PUBLISH-key", opened)) == [
        OpenedPort("DB-PUBLISH-key", 4, "tcp", None, 8080, "172.18.0.2:80"),
        OpenedPort("DB-PUBLISH-key", 4, "udp", "192.0.2.7", 53, "172.18.0.2:80"),
        OpenedPort("DB-PUBLISH-key", 6, "tcp", None, 8080, "[fd00::2]:80"),
    ]
    assert mark_of({4: ruleset(wanted)}, "DB-PUBLISH-key") == "abc"
    assert mark_of({4: ruleset(wanted)}, "DB-PUBLISH-other") is None


@pytest.mark.parametrize("more, meets", [
    ({}, True), ({"address": "192.0.2.7"}, True), ({"ip_version": "ipv6"}, True),
    ({"port": 8081}, False), ({"protocol": "udp"}, False),
])
def test_one_port_is_opened_once(more, meets):
    held = {4: ruleset(compiled(opening())), 6: ruleset(compiled(opening()), 6)}

    def errors(check):
        try:
            check()
        except DrawbridgeError as error:
            return str(error)
        return ""

    assert bool(errors(lambda: refuse_opened([opening(**more).port], "DB-PUBLISH-mine", held))) == meets
    assert bool(errors(lambda: refuse_twice([opening().port, opening(**more).port]))) == meets


def test_another_selector_s_chain_is_not_taken_over():
    held = {4: ruleset(compiled(opening()))}
    refuse_opened([opening().port], "DB-PUBLISH-key", held)
    refuse_other_owner(opening().port, "DB-PUBLISH-key", "abc", held)
    with pytest.raises(DrawbridgeError, match="a task opened it for other containers"):
        refuse_other_owner(opening().port, "DB-PUBLISH-key", "def", held)


def test_names_fit():
    for port, address in (({"port": 65535, "protocol": "sctp", "address": "2001:db8::1"}, True), ({"port": 1}, False)):
        key = container_port._key(parse_target(port))
        assert all(len(name) <= MAX_CHAIN_NAME for _table, name in PortForwardingOwner(key).owned) and ("-" in key[5:]) == address
        name = owned_set(container_port._set_owner(key), "src-0123456789ab", 4, "a")
        assert len(name) <= MAX_SET_NAME and is_our_set(name)
    assert container_port._key(parse_target({"port": 1, "address": "192.0.2.1"})) != container_port._key(parse_target({"port": 1, "address": "192.0.2.2"}))
