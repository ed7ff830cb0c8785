# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Verdicts on small rulesets: paths, translations, states, and what is left open."""
import json

import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.errors import DrawbridgeError

from tests.unit.support.verdict_hosts import host, judged, places, saved

LISTENING = "tcp LISTEN 0 128 192.0.2.10:22 0.0.0.0:*\nudp UNCONN 0 0 0.0.0.0:53 0.0.0.0:*\n"


def asked(packet=None, **chains):
    return judged(host(iptables=saved(**chains)), **{"to": "192.0.2.10:22", **(packet or {})})


def test_jumps_gotos_and_returns():
    answer = asked(filter__INPUT=["-j A", "-j DROP"], filter__A=["-p udp -j ACCEPT", "-g B", "-j ACCEPT"], filter__B=["-j C", "-p tcp -j RETURN"],
                   filter__C=["-s 203.0.113.0/24 -j RETURN", "-j ACCEPT"])
    assert answer.verdict == "dropped"
    assert places(answer) == [("filter", "INPUT", 1), ("filter", "A", 2), ("filter", "B", 1), ("filter", "C", 1), ("filter", "B", 2), ("filter", "INPUT", 2)]
    assert answer.reason == "rule 2 of chain INPUT in table filter: -j DROP"


def test_a_policy_is_named():
    text = saved(filter__INPUT=["-p udp -j ACCEPT"]).replace(":INPUT ACCEPT", ":INPUT DROP")
    answer = judged(host(iptables=text), to="192.0.2.10:22")
    assert (answer.verdict, answer.reason) == ("dropped", "the policy of chain INPUT in table filter: policy DROP")


def test_reject_is_told_from_drop():
    assert asked(filter__INPUT=["-p tcp -j REJECT --reject-with tcp-reset"]).verdict == "rejected"


@pytest.mark.parametrize("packet, end", [
    ({"to": "192.0.2.10:22"}, ("listener", "a socket, which listens at 192.0.2.10:22/tcp")),
    ({"to": "192.0.2.10:23"}, ("nobody", "nobody listens at 192.0.2.10:23/tcp")),
    ({"to": "172.17.0.1:22"}, ("nobody", "nobody listens at 172.17.0.1:22/tcp")),
    ({"to": "172.17.0.1:53/udp"}, ("listener", "a socket, which listens at 0.0.0.0:53/udp")),
    ({"to": "192.0.2.10"}, ("host", "the host, 192.0.2.10/icmp")),
])
def test_who_answers(packet, end):
    assert judged(host(sockets=LISTENING), **packet).end == end


# Rules of INPUT in filter, whether one asks for what is not known, and the verdict.
@pytest.mark.parametrize("rules, verdict, decides", [
    (["-m recent --rcheck --name ssh -j DROP"], "unknown", ["rule 1 of chain INPUT in table filter: -m recent --rcheck --name ssh"]),
    (["-m recent --rcheck --name ssh -j DROP", "-j DROP"], "dropped", []),
    (["-p udp -m recent --rcheck --name ssh -j DROP"], "accepted", []),
    (["-m recent --rcheck --name ssh -j ACCEPT"], "accepted", []),
    (["-m recent --rcheck --name ssh -j LOG"], "accepted", []),
    (["-p tcp -m tcp --sport 1:1023 -j DROP"], "unknown", ["rule 1 of chain INPUT in table filter: --sport 1:1023"]),
    # The same question has one answer.
    (["-p tcp -m tcp --sport 53 -j ACCEPT", "-p tcp -m tcp ! --sport 53 -j ACCEPT", "-j DROP"], "accepted", []),
    (["-m set --match-set gone src -j DROP"], "unknown", ["rule 1 of chain INPUT in table filter: --match-set gone src"]),
    (["-j NFQUEUE --queue-num 1"], "unknown", ["rule 1 of chain INPUT in table filter: the target NFQUEUE is not modelled"]),
    (["-m limit --limit 1/sec -j DROP"], "dropped", []),
    (["-m hashlimit --hashlimit-above 1/sec --hashlimit-name x -j DROP"], "accepted", []),
    (["-m connlimit --connlimit-above 5 --connlimit-mask 32 --connlimit-saddr -j DROP"], "accepted", []),
    (["-m connlimit --connlimit-upto 5 --connlimit-mask 32 --connlimit-saddr -j DROP"], "dropped", []),
    (["-m rt --rt-type 0 -j DROP"], "accepted", []),
    (["-m rt ! --rt-type 0 -j DROP"], "accepted", []),
])
def test_unknown_only_where_it_matters(rules, verdict, decides):
    answer = asked(filter__INPUT=rules)
    assert (answer.verdict, [str(item) for item in answer.decided]) == (verdict, decides)


def test_too_many_open_questions_are_no_verdict():
    answer = asked(filter__INPUT=["-m recent --rcheck --name n%d -j MARK --set-xmark 0x1/0xffffffff" % number for number in range(10)])
    assert answer.verdict == "unknown" and "too many open questions" in answer.reason


def test_a_loop_of_chains_ends():
    assert asked(filter__INPUT=["-j A"], filter__A=["-j B"], filter__B=["-j A"]).verdict == "unknown"


@pytest.mark.parametrize("destination, verdict", [("224.0.0.1", "accepted"), ("255.255.255.255", "accepted"), ("224.0.0.251", "unknown")])
def test_groups_and_everybody_on_the_link_need_no_route(destination, verdict):
    answer = asked({"to": destination + ":5300/udp"}, filter__FORWARD=["-j DROP"])
    assert answer.verdict == verdict
    assert [item.words for item in answer.decided] == (["whether eth0 is in the group " + destination] if verdict == "unknown" else [])


@pytest.mark.parametrize("target, end, change", [
    ("DNAT --to-destination 172.17.0.2:80", "172.17.0.2:80, by docker0", "destination is 172.17.0.2:80"),
    ("DNAT --to-destination 172.17.0.2", "172.17.0.2:22, by docker0", "destination is 172.17.0.2:22"),
    ("DNAT --to-destination 172.17.0.2:8000-8009", "172.17.0.2:8000, by docker0", "destination is 172.17.0.2:8000"),
    ("DNAT --to-destination 172.17.0.2:20-30", "172.17.0.2:22, by docker0", "destination is 172.17.0.2:22"),
    ("DNAT --to-destination 172.17.0.2:1020-1030/20", "172.17.0.2:1022, by docker0", "destination is 172.17.0.2:1022"),
    ("NETMAP --to 172.17.0.0/24", "172.17.0.10:22, by docker0", "destination is 172.17.0.10:22"),
    ("REDIRECT --to-ports 2222", "nobody listens at 192.0.2.10:2222/tcp", "destination is 192.0.2.10:2222"),
])
def test_translations_of_destinations(target, end, change):
    answer = judged(host(iptables=saved(nat__PREROUTING=["-p tcp -j " + target]), sockets=""), to="192.0.2.10:22")
    assert (answer.end.words, [step.change for step in answer.path if step.change]) == (end, [change])


def test_one_of_several_addresses_is_a_known_verdict_with_an_open_end():
    answer = judged(host(iptables=saved(nat__PREROUTING=["-p tcp -j DNAT --to-destination 172.17.0.2-172.17.0.3"])), to="192.0.2.10:22")
    assert (answer.verdict, answer.end.kind) == ("accepted", "unknown") and "172.17.0.3:22" in answer.end.words


def test_later_packets_of_a_flow_see_no_rule_of_nat_and_are_translated():
    chains = {"nat__PREROUTING": ["-p tcp -j DNAT --to-destination 172.17.0.2:80"],
              "mangle__PREROUTING": ["-m conntrack --ctdir ORIGINAL --ctstate ESTABLISHED -m conntrack --ctorigdstport 22 -j MARK --set-xmark 0x5/0xff"],
              "filter__FORWARD": ["-m conntrack --ctstate NEW -j DROP", "-m mark --mark 0x5/0xff -j ACCEPT", "-j DROP"]}
    assert asked(**chains).verdict == "dropped"
    answer = asked({"state": "established"}, **chains)
    assert answer.verdict == "accepted" and [place for place in places(answer) if place[0] == "nat"] == []
    reply = asked({"state": "reply", "source_port": 40000}, **chains, mangle__FORWARD=["-m conntrack --ctdir REPLY -s 172.17.0.2 -j MARK --set-xmark 0x5/0xff"])
    assert (reply.verdict, reply.end.words) == ("accepted", "203.0.113.9:40000, by eth0")
    assert "source is 192.0.2.10:22" in [step.change for step in reply.path]


def test_packets_that_are_not_tracked():
    chains = {"raw__PREROUTING": ["-p tcp -j CT --notrack"], "filter__INPUT": ["-m conntrack --ctstate UNTRACKED -j DROP"]}
    assert asked(**chains).verdict == "dropped"
    assert asked(raw__PREROUTING=["-j CT --notrack"], filter__INPUT=["-m conntrack --ctdir ORIGINAL -j DROP"]).verdict == "accepted"


# The state that the kernel gives a packet of ICMP, by its type; the flow of a ping is there.
@pytest.mark.parametrize("to, kind, state, rule", [
    ("192.0.2.10", "8", "new", 1), ("192.0.2.10", "3/4", "new", 2), ("192.0.2.10", "0", "new", 2), ("192.0.2.10", "8", "invalid", 2),
    ("2001:db8::10", "128", "new", 1), ("2001:db8::10", "2", "new", 2), ("2001:db8::10", "129", "new", 2), ("2001:db8::10", "135", "new", 3),
    ("2001:db8::10", "143", "new", 3), ("2001:db8::10", "135", "established", 3), ("192.0.2.10", "8", "established", 4), ("192.0.2.10", "0", "established", 4),
])
def test_what_opens_a_flow(to, kind, state, rule):
    rules = saved(filter__INPUT=["-m conntrack --ctstate %s -j DROP" % name for name in ("NEW", "INVALID", "UNTRACKED", "ESTABLISHED")])
    source = "2001:db8:5::9" if ":" in to else "203.0.113.9"
    answer = judged(host(iptables=rules, ip6tables=rules), source=source, to=to, icmp_type=kind, state=state)
    assert places(answer) == [("filter", "INPUT", rule)]


def test_the_way_back_of_who_has_no_address_or_one_of_a_link():
    rules = saved(mangle__PREROUTING=["-m rpfilter --invert -j DROP"])
    texts = {"iptables": rules, "ip6tables": rules}
    at_link = json.dumps([{"dst": "fe80::/64", "dev": name, "flags": []} for name in ("eth0", "docker0")])
    linked, bare = host(**texts, routes6=at_link), host(**texts)
    assert [places(judged(snapshot, source="fe80::9", to="fd00:17::1", interface="docker0")) for snapshot in (linked, bare)] == [
        [], [("mangle", "PREROUTING", 1)]]
    assert places(judged(bare, source="::", to="fd00:17::1", interface="docker0")) == []
    for to, found in (("255.255.255.255:67/udp", []), ("224.0.0.251:5353/udp", []), ("172.17.0.1:67/udp", [("mangle", "PREROUTING", 1)])):
        assert places(judged(bare, source="0.0.0.0", to=to, interface="docker0")) == found


def test_later_packets_and_replies_of_what_is_not_tracked():
    chains = {"raw__PREROUTING": ["-i eth0 -p tcp -j CT --notrack"], "filter__FORWARD": ["-m conntrack --ctstate UNTRACKED -j ACCEPT", "-j DROP"]}
    answers = [asked({"to": "172.17.0.2:80", "state": state}, **chains) for state in ("established", "reply")]
    assert [answer.verdict for answer in answers] == ["accepted", "dropped"]


def test_an_invalid_packet():
    assert asked({"state": "invalid"}, filter__INPUT=["-m conntrack --ctstate INVALID -j DROP"]).verdict == "dropped"


@pytest.mark.parametrize("settings, packet, words", [
    ({"net.ipv4.conf.eth0.rp_filter": 1}, {"source": "172.18.0.5", "interface": "eth0"}, "rp_filter: the host does not answer 172.18.0.5 by eth0"),
    ({}, {"source": "192.0.2.10", "interface": "eth0"}, "192.0.2.10 is an address of the host itself, and cannot come by eth0"),
    ({}, {"source": "127.0.0.1", "interface": "eth0"}, "packets of 127.0.0.0/8 do not come by eth0 while route_localnet is off"),
    ({"net.ipv4.ip_forward": 0}, {"to": "172.17.0.2:80"}, "the host does not forward packets that come by eth0"),
])
def test_what_the_kernel_refuses_by_itself(settings, packet, words):
    answer = judged(host(settings=settings), **{"to": "192.0.2.10:22", **packet})
    assert (answer.verdict, answer.reason) == ("dropped", words)


def test_a_setting_that_was_not_read_is_asked_for():
    snapshot = host()
    answer = judged(snapshot._replace(texts=dict(snapshot.texts, settings="")), to="172.17.0.2:80")
    assert answer.verdict == "unknown" and "net.ipv4.ip_forward" in answer.reason


def test_tables_of_nftables_that_were_not_read_leave_it_open():
    texts = {name: text for name, text in host(iptables=saved(filter__INPUT=["-p udp -j DROP"])).texts.items() if name != "nftables"}
    answers = [judged(host()._replace(texts=texts), to="192.0.2.10:" + port) for port in ("22", "53/udp")]
    assert [answer.verdict for answer in answers] == ["unknown", "dropped"]


def test_rules_that_were_not_read_are_an_error():
    texts = {name: text for name, text in host().texts.items() if name != "ip6tables"}
    with pytest.raises(DrawbridgeError, match="packet: the rules of IPv6 are not known"):
        judged(host()._replace(texts=texts), source="2001:db8::9", to="[2001:db8::10]:22")


@pytest.mark.parametrize("calls, verdict", [(1, "dropped"), (0, "accepted")])
def test_frames_between_containers_are_seen_by_br_netfilter_alone(calls, verdict):
    snapshot = host(settings={"net.bridge.bridge-nf-call-iptables": calls}, iptables=saved(filter__FORWARD=["-i docker0 -o docker0 -j DROP"]))
    assert judged(snapshot, source="172.17.0.2", to="172.17.0.3:80").verdict == verdict


def test_a_container_does_not_reach_itself_by_its_own_port():
    snapshot = host(iptables=saved(nat__PREROUTING=["-p tcp -j DNAT --to-destination 172.17.0.2:80"]))
    assert judged(snapshot, source="172.17.0.2", to="192.0.2.10:8080").reason == "the bridge docker0 does not send a frame back to where it came from"


def test_both_variants_are_asked():
    snapshot = host(iptables=saved(filter__INPUT=["-p tcp -j ACCEPT"]), iptables_legacy=saved(filter__INPUT=["-p tcp -j DROP"]))
    answer = judged(snapshot, to="192.0.2.10:22")
    assert answer.reason == "rule 1 of chain INPUT in table filter of iptables-legacy: -p tcp -j DROP"
    assert [step.variant for step in answer.path if step.table] == ["nft", "legacy"]


def test_a_vrf_is_not_modelled():
    snapshot = host()
    links = json.loads(snapshot.texts["addresses"]) + [{"ifname": "blue", "linkinfo": {"info_kind": "vrf"}}, {"ifname": "eth1", "master": "blue"}]
    answer = judged(snapshot._replace(texts=dict(snapshot.texts, addresses=json.dumps(links))), to="192.0.2.10:22", interface="eth1")
    assert (answer.verdict, answer.reason) == ("unknown", "eth1 is in the VRF blue, and VRFs are not modelled")


@pytest.mark.parametrize("packet, words", [
    ({"interface": "eth9"}, "packet.interface: the host has no interface 'eth9' (interfaces are lo, eth0,"),
    ({"source": "host", "interface": "eth0"}, "packet.interface: a packet of the host itself comes by no interface"),
])
def test_a_packet_that_cannot_be_on_this_host(packet, words):
    with pytest.raises(DrawbridgeError) as caught:
        judged(host(), **{"to": "192.0.2.10:22", **packet})
    assert str(caught.value).startswith(words)


def test_what_is_returned_is_plain_data():
    shown = asked(filter__INPUT=["-j DROP"]).shown
    assert json.loads(json.dumps(shown)) == shown
    assert shown["path"][-1] == {"table": "filter", "chain": "INPUT", "rule": 1, "text": "-j DROP", "change": None, "variant": None}
