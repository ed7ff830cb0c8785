# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Verdicts of nftables' own tables beside those of iptables: order, statements, sets and maps, and what is left open."""
import json

import pytest

from tests.unit.support.verdict_hosts import CAPTURES, host, judged, nft, places, saved

DROP, ACCEPT, RETURN = {"drop": None}, {"accept": None}, {"return": None}
PROXY = "tcp LISTEN 0 4096 0.0.0.0:8080 0.0.0.0:* users:((\"docker-proxy\",pid=1,fd=4))\n"


def meta(key):
    return {"meta": {"key": key}}


def field(protocol, name):
    return {"payload": {"protocol": protocol, "field": name}}


def match(left, right, operator="=="):
    return {"match": {"op": operator, "left": left, "right": right}}


def to(target, word="jump"):
    return {word: {"target": target}}


def asked(*chains, packet=None, texts=None, **sets):
    return judged(host(nftables=nft(*chains, **sets), **(texts or {})), **{"to": "192.0.2.10:22", **(packet or {})})


def verdict_of(*statements, packet=None, texts=None, hook="filter input 0", **sets):
    """Of one rule that drops, in one chain."""
    return asked(("in", hook, [[*statements, DROP]]), packet=packet, texts=texts, **sets).verdict


def test_an_accept_ends_one_base_chain_and_a_drop_is_final():
    answer = asked(("first", "filter input -10", [[ACCEPT], [DROP]]), ("last", "filter input 10", [[{"counter": None}], [DROP]]))
    assert places(answer) == [("inet t", "first", 1), ("inet t", "last", 1), ("inet t", "last", 2)]
    assert (answer.verdict, answer.reason) == ("dropped", "rule 2 of chain last in table inet t: drop")


def test_jumps_gotos_and_returns():
    answer = asked(("in", "filter input 0", [[to("a")], [DROP]]), ("a", "", [[match(field("udp", "dport"), 22), ACCEPT], [to("b", "goto")], [ACCEPT]]),
                   ("b", "", [[to("c")], [RETURN], [ACCEPT]]), ("c", "", [[match(meta("iifname"), "eth*"), RETURN], [ACCEPT]]))
    assert places(answer) == [("inet t", "in", 1), ("inet t", "a", 2), ("inet t", "b", 1), ("inet t", "c", 1), ("inet t", "b", 2), ("inet t", "in", 2)]


def test_a_policy_is_named():
    assert asked(("in", "filter input 0 drop", [])).reason == "the policy of chain in in table inet t: policy drop"


@pytest.mark.parametrize("priority, met", [(-160, [("inet t", "in", 1), ("mangle", "INPUT", 1), ("filter", "INPUT", 1)]),
                                           (-10, [("mangle", "INPUT", 1), ("inet t", "in", 1), ("filter", "INPUT", 1)]),
                                           (10, [("mangle", "INPUT", 1), ("filter", "INPUT", 1), ("inet t", "in", 1)])])
def test_chains_are_asked_in_order_of_their_priorities(priority, met):
    texts = {"iptables": saved(mangle__INPUT=["-j ACCEPT"], filter__INPUT=["-j ACCEPT"])}
    assert places(asked(("in", "filter input %d" % priority, [[ACCEPT]]), texts=texts)) == met


MARK = {"mangle": {"key": {"meta": {"key": "mark"}}, "value": 1}}


def test_of_one_priority_both_orders_are_followed():
    """What was registered last is asked first, which no text tells."""
    texts = {"iptables": saved(mangle__INPUT=["-m mark --mark 0x1 -j DROP"])}
    answer = asked(("in", "filter input -150", [[MARK]]), texts=texts)
    assert answer.verdict == "unknown"
    assert [str(item) for item in answer.decided] == [
        "chain in of nftables' table inet t is asked before iptables' table mangle on the hook input, where both have one priority"]
    agreed = asked(("in", "filter input -150", [[MARK]]), texts={"iptables": saved(mangle__INPUT=["-j DROP"])})
    assert agreed.verdict == "dropped"
    # The order of two that only drop or accept makes no difference to the verdict. Whether a dropped packet met the other one before is told as open.
    told = [asked(("in", "filter input 0", [[match(meta("iifname"), name), DROP]]), texts={"iptables": saved(filter__INPUT=["-p tcp", "-p udp -j DROP"])})
            for name in ("eth0", "eth1")]
    assert [(answer.verdict, len(answer.open)) for answer in told] == [("dropped", 1), ("accepted", 0)]


def test_what_is_of_iptables_is_left_to_iptables_save():
    """iptables-nft's tables are in nft's output, too."""
    tables = nft(("INPUT", "filter input 0", [[{"xt": {"type": "match", "name": "addrtype"}}, DROP]]),
                 ("own", "filter input 10", [[DROP]]), table="ip filter")
    answer = judged(host(iptables=saved(filter__INPUT=["-m addrtype --dst-type LOCAL -j ACCEPT"]), nftables=tables), to="192.0.2.10:22")
    assert places(answer) == [("filter", "INPUT", 1), ("ip filter", "own", 1)]
    # What iptables-save does not print is walked here: what nft does not tell is named.
    alone = judged(host(iptables="", nftables=tables), to="192.0.2.10:22")
    assert alone.verdict == "dropped" and len(alone.open) == 1


@pytest.mark.parametrize("item, held", [
    (match(meta("iifname"), "eth0"), True), (match(meta("iifname"), "eth1"), False), (match(meta("iif"), "eth0"), True), (match(meta("iif"), "0"), False),
    (match(meta("oif"), 0), True), (match(meta("iifname"), {"set": ["docker0", "eth*"]}), True), (match(meta("iifname"), {"set": ["docker0"]}, ), False),
    (match(meta("iifname"), {"set": ["docker0", "eth0"]}, "!="), False), (match(meta("l4proto"), {"set": ["tcp", "udp"]}), True),
    (match(meta("l4proto"), 6), True), (match(meta("nfproto"), "ipv6"), False), (match(meta("pkttype"), "broadcast"), False),
    (match(meta("pkttype"), {"set": ["host", "other"]}), True), (match(meta("mark"), 0), True), (match({"&": [meta("mark"), 255]}, 0, "!="), False),
    (match(field("ip", "saddr"), {"prefix": {"addr": "203.0.113.0", "len": 24}}), True),
    (match(field("ip", "saddr"), {"range": ["203.0.113.10", "203.0.113.20"]}), False),
    (match(field("ip", "saddr"), {"set": ["10.0.0.1", {"range": ["203.0.113.3", "203.0.113.9"]}]}), True), (match(field("ip6", "saddr"), "::1", "!="), False),
    (match(field("ip", "protocol"), "tcp"), True), (match(field("tcp", "dport"), {"range": [20, 30]}, "!="), False),
    (match(field("udp", "dport"), 22), False),
    (match(field("th", "dport"), 22), True), (match(field("tcp", "dport"), 22, ">="), True), (match(field("tcp", "dport"), 22, "<"), False),
    (match(field("tcp", "flags"), "syn", "in"), True), (match(field("tcp", "flags"), ["syn", "ack"], "=="), False),
    (match(field("tcp", "flags"), "ack", "!"), True),
    (match({"&": [field("tcp", "flags"), ["fin", "syn", "rst", "ack"]]}, "syn"), True), (match(field("icmp", "type"), "echo-request"), False),
    (match({"ct": {"key": "state"}}, ["established", "new"], "in"), True), (match({"ct": {"key": "state"}}, {"set": ["established", "related"]}), False),
    (match({"ct": {"key": "state"}}, "new", "!="), False), (match({"ct": {"key": "direction"}}, "original"), True),
    (match({"ct": {"key": "status"}}, ["snat", "dnat"], "in"), False), (match({"ct": {"key": "label"}}, 123, "in"), False),
    (match({"ct": {"key": "ip daddr", "dir": "original"}}, "192.0.2.10"), True), (match({"ct": {"key": "ip6 daddr", "dir": "original"}}, "::1", "!="), False),
    (match({"ct": {"key": "proto-dst", "dir": "original"}}, {"set": ["0x16 [invalid type]", {"range": ["0x5a [invalid type]", "0x64 [invalid type]"]}]}),
     True),
    (match({"fib": {"result": "type", "flags": ["daddr"]}}, {"set": ["local", "broadcast"]}), True),
    (match({"fib": {"result": "type", "flags": "saddr"}}, "local"), False),
    (match({"fib": {"result": "oif", "flags": ["saddr", "iif"]}}, False), False), (match({"fib": {"result": "oif", "flags": ["saddr", "iif"]}}, True), True),
    (match({"fib": {"result": "oif", "flags": ["saddr"]}}, "eth0"), True), (match({"exthdr": {"name": "frag"}}, True), False),
    (match({"&": [field("ip", "frag-off"), 8191]}, 0, "!="), False), ({"limit": {"rate": 1, "per": "minute"}}, True),
    ({"limit": {"rate": 1, "per": "minute", "inv": True}}, False),
    (match({"concat": [meta("iifname"), field("ip", "saddr"), field("tcp", "dport")]},
           {"set": [{"concat": ["eth0", {"prefix": {"addr": "203.0.113.0", "len": 24}}, {"range": [1, 99]}]}]}), True),
])
def test_conditions(item, held):
    assert verdict_of(item) == ("dropped" if held else "accepted")


@pytest.mark.parametrize("item, words", [
    (match(field("tcp", "sport"), 53), "tcp sport 53"), (match(field("ip", "ttl"), 1), "ip ttl 1"), (match(meta("length"), 100), "meta length 100"),
    (match(meta("skuid"), 0), "meta skuid 0"), (match(meta("iifkind"), "bridge"), "iifkind bridge"), ({"ct count": {"val": 10}}, "ct count 10"),
    ({"quota": {"val": 10, "val_unit": "mbytes"}}, "quota 10 mbytes"), (match(field("ip", "saddr"), "@gone"), "ip saddr @gone"),
    (match(field("ip", "saddr"), "a.name"), "ip saddr a.name"), (match({"numgen": {"mode": "random", "mod": 2, "offset": 0}}, 0), "numgen random 2 0 0"),
    (match({"socket": {"key": "cgroupv2"}}, "user.slice"), "socket cgroupv2 user.slice"), ({"xt": {"type": "match", "name": "recent"}}, "xt match recent"),
    (match(meta("time"), "2020-01-01 00:00:00"), "meta time 2020-01-01 00:00:00"),
    (match(field("ether", "saddr"), "00:11:22:33:44:55"), "ether saddr 00:11:22:33:44:55"),
])
def test_what_is_not_known_is_named_and_matters_only_where_it_decides(item, words):
    answer = asked(("in", "filter input 0", [[item, DROP]]))
    assert (answer.verdict, [str(question) for question in answer.decided]) == ("unknown", ["rule 1 of chain in in table inet t: %s" % words])
    assert asked(("in", "filter input 0", [[item, DROP], [DROP]])).verdict == "dropped"
    assert verdict_of(match(meta("iifname"), "eth1"), item) == "accepted"


@pytest.mark.parametrize("statement", [
    {"queue": {"num": 1}}, {"tproxy": {"port": 90}}, {"synproxy": None}, {"mangle": {"key": field("tcp", "dport"), "value": 80}},
    {"xt": {"type": "target", "name": "DNAT"}},
    {"something": None},
])
def test_a_statement_that_is_not_modelled_gives_no_verdict(statement):
    answer = asked(("in", "filter input 0", [[statement], [DROP]]))
    assert answer.verdict == "unknown" and answer.reason.startswith("rule 1 of chain in in table inet t: ")


VERDICTS = [["lo", ACCEPT], ["eth0", to("inner")]]


@pytest.mark.parametrize("data", ["@ways", {"set": VERDICTS}])
def test_maps_of_verdicts(data):
    answer = asked(("in", "filter input 0", [[{"vmap": {"key": meta("iifname"), "data": data}}]]), ("inner", "", [[DROP]]), ways=VERDICTS)
    assert places(answer) == [("inet t", "in", 1), ("inet t", "inner", 1)]


def test_maps_of_verdicts_by_what_is_not_known():
    """Each verdict of the map is followed, and that it has none."""
    rule = {"vmap": {"key": field("tcp", "sport"), "data": {"set": [[53, DROP], [{"range": [80, 90]}, ACCEPT]]}}}
    assert asked(("in", "filter input 0", [[rule]])).verdict == "unknown"
    assert asked(("in", "filter input 0", [[rule]]), packet={"source_port": 85}).verdict == "accepted"
    assert asked(("in", "filter input 0", [[rule], [DROP]]), packet={"source_port": 99}).verdict == "dropped"
    unread = {"vmap": {"key": field("tcp", "dport"), "data": {"set": [["an odd name", DROP]]}}}
    assert asked(("in", "filter input 0", [[unread]])).verdict == "unknown"


@pytest.mark.parametrize("elements, held", [
    (["203.0.113.9"], True), ([{"elem": {"val": "203.0.113.9", "timeout": 60, "expires": 59}}], True), ([{"prefix": {"addr": "203.0.0.0", "len": 16}}], True),
    ([{"range": ["203.0.113.8", "203.0.113.10"]}], True), ([{"range": ["203.0.113.10", "203.0.113.20"]}], False), (["2001:db8::1"], None), (["*"], True),
])
def test_named_sets(elements, held):
    answers = [verdict_of(match(field("ip", "saddr"), "@s", operator), s=elements) for operator in ("==", "!=")]
    assert answers == {True: ["dropped", "accepted"], False: ["accepted", "dropped"], None: ["unknown", "unknown"]}[held]


def test_a_set_of_many_pairs_of_intervals():
    elements = [{"concat": [{"range": ["10.0.%d.1" % (number % 250), "10.0.%d.9" % (number % 250)]}, {"range": [number, number + 5]}]}
                for number in range(1000)]
    pair = {"concat": [field("ip", "saddr"), field("tcp", "dport")]}
    for port, verdict in ((7, "dropped"), (20, "accepted")):
        packet = {"source": "10.0.7.9", "to": "192.0.2.10:%d" % port}
        assert verdict_of(match(pair, "@s"), packet=packet, s=elements) == verdict


def test_what_a_packets_own_rules_put_into_a_set_is_there_for_it():
    put = {"set": {"op": "add", "elem": {"elem": {"val": field("ip", "saddr"), "timeout": 60}}, "set": "@s"}}
    held = match(field("ip", "saddr"), "@s")
    assert asked(("in", "filter input 0", [[put], [held, DROP]]), s=["10.0.0.1"]).verdict == "dropped"
    limited = {"set": {**put["set"], "stmt": [{"limit": {"rate": 1, "per": "minute", "inv": True}}]}}
    assert asked(("in", "filter input 0", [[limited, DROP]]), s=["10.0.0.1"]).verdict == "accepted"
    # Earlier packets of the flow may have been put there.
    later = asked(("in", "filter input 0", [[match({"ct": {"key": "state"}}, "established", "in"), held, DROP], [put]]), s=["10.0.0.1"],
                  packet={"state": "established"})
    assert later.verdict == "unknown"


@pytest.mark.parametrize("statement, end", [
    ({"dnat": {"family": "ip", "addr": "172.17.0.2", "port": 80}}, "172.17.0.2:80, by docker0"),
    ({"dnat": {"addr": "172.17.0.2"}}, "172.17.0.2:22, by docker0"),
    ({"dnat": {"family": "ip6", "addr": "fd00:17::2"}}, "nobody listens at 192.0.2.10:22/tcp"),
    ({"redirect": {"port": 2222}}, "nobody listens at 192.0.2.10:2222/tcp"),
    ({"dnat": {"addr": {"map": {"key": field("tcp", "dport"), "data": {"set": [[22, "172.17.0.2"]]}}}}}, "172.17.0.2:22, by docker0"),
    ({"dnat": {"addr": {"map": {"key": field("tcp", "dport"), "data": {"set": [[22, {"concat": ["172.17.0.2", 80]}]]}}}}}, "172.17.0.2:80, by docker0"),
    ({"dnat": {"addr": {"map": {"key": field("tcp", "dport"), "data": {"set": [[80, "172.17.0.2"]]}}}}}, "nobody listens at 192.0.2.10:22/tcp"),
    ({"dnat": {"addr": {"prefix": {"addr": "172.17.0.0", "len": 24}}, "flags": "netmap"}}, "172.17.0.10:22, by docker0"),
    ({"dnat": {"addr": "172.17.0.2", "port": {"range": [8000, 8009]}}}, "172.17.0.2:8000, by docker0"),
])
def test_translations_of_destinations(statement, end):
    answer = asked(("pre", "nat prerouting -100", [[match(meta("l4proto"), "tcp"), statement]]), texts={"sockets": ""})
    assert answer.end.words == end


def test_chains_of_the_type_nat_have_one_place_and_see_the_first_packet_alone():
    """A chain of nat at the priority of mangle is asked where translation has its place."""
    chains = [("pre", "nat prerouting -160", [[{"dnat": {"addr": "172.17.0.2", "port": 80}}]]),
              ("after", "filter prerouting -110", [[match(field("tcp", "dport"), 80), DROP]])]
    answer = asked(*chains)
    assert (answer.verdict, answer.end.words) == ("accepted", "172.17.0.2:80, by docker0")
    assert [place for place in places(asked(*chains, packet={"state": "established"})) if place[1] == "pre"] == []
    twice = asked(*chains, ("second", "nat prerouting -90", [[{"redirect": {"port": 1}}]]))
    assert twice.end.words == "172.17.0.2:80, by docker0"


def test_masquerading_changes_the_source():
    rules = [[match(meta("oifname"), "eth0"), {"masquerade": None}]]
    answer = asked(("post", "nat postrouting 100", rules), packet={"source": "172.17.0.2", "to": "203.0.113.9:443", "source_port": 4000})
    assert [step.change for step in answer.path if step.change] == ["source is 192.0.2.10:4000"]


def test_a_source_that_is_kept_is_not_translated_by_those_behind():
    """policy/chains/masquerade.py: ``snat to ip saddr``."""
    chains = [("post", "nat postrouting 98", [[{"snat": {"family": "ip", "addr": field("ip", "saddr")}}]]),
              ("last", "nat postrouting 100", [[{"masquerade": None}]])]
    answer = asked(*chains, packet={"source": "172.17.0.2", "to": "203.0.113.9:443", "source_port": 4000})
    assert (places(answer), [step.change for step in answer.path if step.change]) == ([("inet t", "post", 1)], ["source is 172.17.0.2:4000"])
    unread = asked(("pre", "nat prerouting -100", [[{"dnat": {"addr": "a.name"}}]]))
    assert (unread.verdict, unread.reason) == ("unknown", "rule 1 of chain pre in table inet t: where it leads to is not known")


@pytest.mark.parametrize("sets, listeners, verdict", [
    (["system.slice/docker.service"], PROXY, "dropped"), (["system.slice/docker.service"], PROXY.replace("docker-proxy", "nginx"), "accepted"),
    (["system.slice/docker.service"], PROXY.split(" users", maxsplit=1)[0], "unknown"), (["system.slice/docker.service"], "", "accepted"),
    (["system.slice/docker.service"], None, "unknown"), ([], PROXY, "accepted"),
])
def test_our_table_of_the_engines_sockets(sets, listeners, verdict):
    """policy/blocks/engine_table.py: a mark ahead of mangle, and what still has it is dropped behind."""
    owner = match({"socket": {"key": "cgroupv2"}}, "@engine")
    bit = {"&": [meta("mark"), 0x20000000]}
    opens = match({"&": [field("tcp", "flags"), ["fin", "syn", "rst", "ack"]]}, "syn")
    marks = {"mangle": {"key": meta("mark"), "value": {"|": [meta("mark"), 0x20000000]}}}
    tables = nft(("ask", "filter input -151", [[match(meta("iifname"), "lo"), ACCEPT], [opens, owner, marks]]),
                 ("close", "filter input -149", [[match(bit, 0x20000000), owner, DROP]]), table="inet drawbridge-engine")
    found = json.loads(tables)
    found["nftables"].insert(1, {"set": {"family": "inet", "table": "drawbridge-engine", "name": "engine", "elem": sets}})
    texts = {} if listeners is None else {"sockets": listeners}
    assert judged(host(nftables=json.dumps(found), **texts), to="192.0.2.10:8080").verdict == verdict
    clears = saved(mangle__INPUT=["-p tcp -m tcp --dport 8080 -j MARK --set-xmark 0x0/0x20000000"])
    assert judged(host(nftables=json.dumps(found), iptables=clears, **texts), to="192.0.2.10:8080").verdict == "accepted"


def test_a_flow_in_a_flowtable_passes_no_rule():
    chains = [("fwd", "filter forward 0", [[match(meta("l4proto"), "tcp"), {"flow": {"op": "add", "flowtable": "@f"}}]]),
              ("last", "filter forward 10", [[match({"ct": {"key": "state"}}, "established", "in"), DROP]])]
    assert asked(*chains, packet={"to": "172.17.0.2:80"}).verdict == "accepted"
    assert asked(*chains, packet={"to": "172.17.0.2:80", "state": "established"}).verdict == "unknown"


def test_a_dormant_table_is_not_asked():
    """nft 1.0.6 prints another word for any flag of a table."""
    found = json.loads(nft(("in", "filter input 0", [[DROP]])))
    for flags, verdict in (("dormant", "accepted"), (["owner", "persist"], "dropped"), ("ip", "unknown")):
        found["nftables"][0]["table"]["flags"] = flags
        assert judged(host(nftables=json.dumps(found)), to="192.0.2.10:22").verdict == verdict


def test_tables_of_bridges_and_devices_are_named():
    answer = judged(host(nftables=nft(("in", "filter ingress 0", [[DROP]]), table="netdev t")), to="192.0.2.10:22")
    assert (answer.verdict, [str(item) for item in answer.decided]) == ("unknown", ["nftables' table netdev t, chain in: it may drop the packet"])


def test_names_are_not_rendered_and_stay_on_one_line():
    """Whoever may write rules may write anything into names."""
    answer = asked(("{{ 1 }}", "filter input 0", [[match(meta("iifname"), "eth0"), {"log": {"prefix": "{{ x }}"}}, DROP]]))
    assert answer.reason == 'rule 1 of chain {{ 1 }} in table inet t: iifname eth0 log prefix "{{ x }}" drop'


FIREWALLD = (CAPTURES / "firewalld-1.3.3.nft.json").read_text(encoding="utf-8")


@pytest.mark.parametrize("packet, verdict", [
    ({"to": "192.0.2.10:22"}, "accepted"), ({"to": "192.0.2.10:80"}, "accepted"), ({"to": "192.0.2.10:8080"}, "accepted"),
    ({"to": "192.0.2.10:5432"}, "rejected"),
    ({"to": "192.0.2.10"}, "accepted"), ({"source": "203.0.113.66", "to": "192.0.2.10:22"}, "dropped"),
    ({"source": "198.51.100.7", "to": "192.0.2.10:5432", "interface": "eth0"}, "accepted"),
    ({"source": "2001:db8:9::9", "to": "[2001:db8::10]:5432"}, "rejected"),
    ({"source": "2001:db8:9::9", "to": "[2001:db8::10]:546/udp"}, "rejected"),
    ({"source": "fd00:17::9", "to": "[2001:db8::10]:22", "interface": "eth0"}, "dropped"),
    ({"source": "host", "to": "203.0.113.9:443"}, "accepted"), ({"to": "192.0.2.10:5432", "state": "established"}, "accepted"),
    ({"to": "192.0.2.10:22", "state": "invalid"}, "dropped"),
    ({"to": "172.17.0.2:80"}, "rejected"), ({"source": "host", "to": "127.0.0.1:5432"}, "accepted"),
])
def test_the_tables_that_a_firewalld_made(packet, verdict):
    """Zone public on eth0 with ssh, http and 8080/tcp, 203.0.113.66 dropped, 198.51.100.0/24 in the zone trusted, 2222/tcp led to 172.17.0.9:22."""
    answer = judged(host(nftables=FIREWALLD), **packet)
    assert (answer.verdict, [str(item) for item in answer.decided]) == (verdict, []), answer.path


def test_what_firewalld_leads_on():
    assert judged(host(nftables=FIREWALLD), to="192.0.2.10:2222").end.words == "172.17.0.9:22, by docker0"
