# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""One address of each class stands for all that nothing on the host tells apart from it."""
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.verdict.matching.packet import spelt
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.verdict.snapshot.sets import parse
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.verdict.walk.judge import Judge
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.proof.classes import classes, joined
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.proof.distinctions import Distinctions
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.support.verdict_hosts import host, judged, nft, saved

BITS = 6
SPANS = st.lists(st.tuples(st.integers(0, 63), st.integers(0, 63)).map(lambda ends: (min(ends), max(ends))), max_size=4).map(joined)


def held(parts, address):
    return frozenset(name for name, spans in parts.items() if any(first <= address <= last for first, last in spans))


@given(st.dictionaries(st.sampled_from("abcd"), SPANS))
def test_every_address_is_of_one_class(parts):
    found = {item.within: item.address for item in classes(parts, BITS)}
    assert {held(parts, address) for address in range(1 << BITS)} == set(found)
    assert all(held(parts, address) == within for within, address in found.items())


def test_spans_that_touch_are_one():
    assert joined([(5, 6), (0, 1), (2, 3), (1, 1)]) == [(0, 3), (5, 6)]
    assert [item.address for item in classes({"a": [(8, 63)]}, BITS)] == [1, 9]
    assert classes({"all": [(0, 63)]}, BITS)[0].within == {"all"}


# Networks inside one another, with their neighbours.
NETWORKS = st.sampled_from(["10.0.0.0/8", "10.1.0.0/16", "10.1.128.0/17", "10.1.2.0/24", "10.1.2.3/32", "198.51.100.0/25", "128.0.0.0/1"])
ADDRESSES = st.sampled_from([text for base in ("10.0.0.0", "10.1.0.0", "10.1.128.0", "10.1.2.0", "10.1.2.3", "11.0.0.0", "10.2.0.0", "198.51.100.0",
                                               "198.51.100.128", "128.0.0.0", "10.1.3.0") for text in (base,)]).flatmap(
    lambda text: st.integers(-1, 1).map(lambda step: text if step == 0 else _beside(text, step)))
SOURCES = st.one_of(
    st.builds("{}-s {}".format, st.sampled_from(["", "! "]), NETWORKS),
    st.builds("-m set {}--match-set {} src".format, st.sampled_from(["", "! "]), st.sampled_from(["nets", "ips", "holes", "list"])),
    st.builds("-m set --match-set ports {}".format, st.sampled_from(["src,dst"])),
    st.just("-m iprange --src-range 10.1.2.0-10.1.130.7"), st.just("-m addrtype --src-type LOCAL"),
)
PORTS = st.sampled_from(["", "-p tcp -m tcp --dport 80", "-p tcp -m tcp --dport 8080", "-p tcp -m multiport ! --dports 22,23", "-p udp -m udp --dport 80",
                         "-p tcp -m conntrack --ctorigdstport 8080"])
RULES = st.lists(st.tuples(SOURCES, PORTS, st.sampled_from(["DROP", "ACCEPT", "RETURN"])), max_size=6)


def _beside(text, step):
    value = int.from_bytes(bytes(map(int, text.split("."))), "big") + step
    return spelt(4, value)


@settings(max_examples=150)
@given(ruleset=RULES, early=RULES, sets=st.lists(NETWORKS, min_size=1, max_size=4), source=ADDRESSES, port=st.sampled_from([80, 8080, 22]))
def test_a_class_meets_the_same_rules(ruleset, early, sets, source, port):
    ipset = "create nets hash:net family inet\ncreate ips hash:ip family inet\nadd ips 10.1.2.3\ncreate holes hash:net family inet\n"
    ipset += "create ports hash:net,port family inet\ncreate list list:set size 8\nadd list ips\nadd list nets\n"
    ipset += "".join("add nets %s\nadd ports %s,tcp:%d\n" % (network, network, 80 + number) for number, network in enumerate(dict.fromkeys(sets)))
    ipset += "".join("add holes %s%s\n" % (network, " nomatch" if number % 2 else "") for number, network in enumerate(dict.fromkeys(sets)))
    lines = ["%s %s -j %s" % (match, ports, verdict) if ports else "%s -j %s" % (match, verdict) for match, ports, verdict in ruleset]
    first = ["%s %s -j %s" % (match, ports, verdict) if ports else "%s -j %s" % (match, verdict) for match, ports, verdict in early if "DROP" in verdict]
    # What is dialled as 8080 is 80 behind the translation.
    nat = ["-p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.17.0.2:80"]
    snapshot = host(iptables=saved(mangle__PREROUTING=first, nat__PREROUTING=nat, filter__INPUT=lines, filter__FORWARD=lines), ipset=ipset)
    world = Judge(snapshot).world(4)
    told_apart = Distinctions(world, parse(ipset))
    parts = told_apart.of_sources("tcp", told_apart.ports_on_the_way("tcp", port), False)
    value = int.from_bytes(bytes(map(int, source.split("."))), "big")
    representative = next(item.address for item in classes(parts, 32) if item.within == held(parts, value))
    answers = [judged(snapshot, source=address, to="192.0.2.10:%d" % port, interface="eth0") for address in (source, spelt(4, representative))]
    assert [(answer.verdict, answer.reason) for answer in answers[:1]] == [(answers[1].verdict, answers[1].reason.replace(spelt(4, representative), source))]


def test_ports_are_followed_through_translations():
    nat = ["-p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.17.0.2:80", "-p tcp -m tcp --dport 80 -j REDIRECT --to-ports 81",
           "-p udp -m udp --dport 53 -j DNAT --to-destination 172.17.0.2:53-99", "-p tcp -m tcp --dport 22 -j DNAT --to-destination 172.17.0.2"]
    snapshot = host(iptables=saved(nat__PREROUTING=nat))
    told_apart = Distinctions(Judge(snapshot).world(4), {})
    asked = [("tcp", 8080), ("tcp", 22), ("udp", 53), ("udp", 8080), ("icmp", None)]
    assert [told_apart.ports_on_the_way(*item) for item in asked] == [{8080, 80, 81}, {22}, None, {8080}, set()]


def test_addresses_that_tables_of_nftables_name_are_told_apart():
    source = {"payload": {"protocol": "ip", "field": "saddr"}}

    def asked(right):
        return [{"match": {"op": "==", "left": source, "right": right}}, {"drop": None}]

    rules = [asked("198.51.100.7"), asked({"range": ["203.0.113.8", "203.0.113.9"]}), asked("@s"),
             asked({"set": ["192.0.2.77", {"prefix": {"addr": "10.1.0.0", "len": 16}}]})]
    lead = {"dnat": {"addr": {"map": {"key": source, "data": {"set": [["10.2.0.1", "172.17.0.2"], ["10.2.0.2", "172.17.0.3"]]}}}}}
    tables = nft(("in", "filter input 0", rules), ("pre", "nat prerouting -100", [[lead]]),
                 s=["10.3.0.0", {"elem": {"val": {"prefix": {"addr": "10.4.0.0", "len": 16}}}}])
    told_apart = Distinctions(Judge(host(nftables=tables)).world(4), {})
    assert told_apart.ports_on_the_way("tcp", 80) is None
    parts = told_apart.of_sources("tcp", None, False)
    held_by = {address: held(parts, int.from_bytes(bytes(map(int, address.split("."))), "big"))
               for address in ("198.51.100.7", "203.0.113.9", "192.0.2.77", "10.1.0.9", "10.2.0.1", "10.2.0.2", "10.3.0.0", "203.0.113.50")}
    assert len(set(held_by.values())) == len(held_by)
