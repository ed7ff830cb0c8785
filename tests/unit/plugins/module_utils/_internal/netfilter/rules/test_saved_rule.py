# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Rules become values, and the values give back the rules, word for word."""
import random
from pathlib import Path

import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.rules.matches import (
    AddressMatch,
    Comment,
    Effect,
    FlagMatch,
    InterfaceMatch,
    Jump,
    MarkMatch,
    Module,
    OneOfMatch,
    PortMatch,
    ProtocolMatch,
    RangeMatch,
    SetMatch,
    TcpFlagsMatch,
    Translation,
    Unknown,
    ValueMatch,
    Verdict,
)
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.rules.saved_rule import parse, set_names, with_set_names
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.rules.saved_ruleset import parse as parse_ruleset
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.rules.saved_ruleset import target_of

CAPTURES = sorted((Path(__file__).resolve().parents[5] / "fixtures" / "captures").glob("*.iptables-save"))

# As iptables-nft 1.8.9 and 1.8.11, iptables-legacy and ip6tables print them.
PRINTED = {
    "": ((), None),
    "-j DROP": ((), Verdict("DROP")),
    "-g DB-X": ((), Jump("DB-X", True)),
    "-j DOCKER-USER": ((), Jump("DOCKER-USER")),
    "! -s 10.0.0.0/8 -d 2001:db8::/32 ! -i br-+ -o eth0 -p tcp -j ACCEPT": (
        (
            AddressMatch("-s", "10.0.0.0/8", True), AddressMatch("-d", "2001:db8::/32"), InterfaceMatch("-i", "br-+", True), InterfaceMatch("-o", "eth0"),
            ProtocolMatch("-p", "tcp"),
        ), Verdict("ACCEPT"),
    ),
    "-f -j DROP": ((FlagMatch("-f"),), Verdict("DROP")),
    "! -f -j DROP": ((FlagMatch("-f", True),), Verdict("DROP")),
    "-p tcp -m tcp --sport 1024:65535 ! --dport 80 --tcp-flags FIN,SYN,RST,ACK SYN -j RETURN": (
        (
            ProtocolMatch("-p", "tcp"), Module("tcp"), PortMatch("--sport", "1024:65535"), PortMatch("--dport", "80", True),
            TcpFlagsMatch("--tcp-flags", "FIN,SYN,RST,ACK", "SYN"),
        ), Verdict("RETURN"),
    ),
    "-p sctp -m multiport ! --dports 80,8000:8100 -j DROP": (
        (ProtocolMatch("-p", "sctp"), Module("multiport"), PortMatch("--dports", "80,8000:8100", True)), Verdict("DROP"),
    ),
    "-p dccp -m dccp --dport 5 -j DROP": ((ProtocolMatch("-p", "dccp"), Module("dccp"), PortMatch("--dport", "5")), Verdict("DROP")),
    "-m iprange ! --src-range 10.0.0.1-10.0.0.9 --dst-range 10.1.0.1-10.1.0.9 -j DROP": (
        (Module("iprange"), RangeMatch("--src-range", "10.0.0.1-10.0.0.9", True), RangeMatch("--dst-range", "10.1.0.1-10.1.0.9")), Verdict("DROP"),
    ),
    "-m set ! --match-set DBP-x-4a src,dst -m set --match-set y dst --return-nomatch -j DROP": (
        (
            Module("set"), SetMatch("--match-set", "DBP-x-4a", "src,dst", True),
            Module("set"), SetMatch("--match-set", "y", "dst"), FlagMatch("--return-nomatch"),
        ), Verdict("DROP"),
    ),
    "-m set --match-set x src ! --update-counters --packets-gt 5 -j DROP": (
        (Module("set"), SetMatch("--match-set", "x", "src"), Unknown(("!", "--update-counters")), Unknown(("--packets-gt", "5"))), Verdict("DROP"),
    ),
    "-m conntrack ! --ctstate NEW --ctproto 6 --ctorigsrc 10.0.0.0/8 --ctorigdst 192.0.2.7 --ctorigdstport 80:90 --ctstatus DNAT --ctdir ORIGINAL -j DROP": (
        (
            Module("conntrack"), OneOfMatch("--ctstate", "NEW", True), ProtocolMatch("--ctproto", "6"), AddressMatch("--ctorigsrc", "10.0.0.0/8"),
            AddressMatch("--ctorigdst", "192.0.2.7"), PortMatch("--ctorigdstport", "80:90"), OneOfMatch("--ctstatus", "DNAT"),
            OneOfMatch("--ctdir", "ORIGINAL"),
        ), Verdict("DROP"),
    ),
    "-m conntrack --ctreplsrc 172.17.0.2 -j DROP": ((Module("conntrack"), AddressMatch("--ctreplsrc", "172.17.0.2")), Verdict("DROP")),
    "-m state --state RELATED,ESTABLISHED -j ACCEPT": ((Module("state"), OneOfMatch("--state", "RELATED,ESTABLISHED")), Verdict("ACCEPT")),
    "-m addrtype --dst-type LOCAL --limit-iface-in -j RETURN": (
        (Module("addrtype"), OneOfMatch("--dst-type", "LOCAL"), FlagMatch("--limit-iface-in")), Verdict("RETURN"),
    ),
    "-m mark ! --mark 0x1/0xff -m connmark --mark 0x2 -j DROP": (
        (Module("mark"), MarkMatch("mark", "--mark", "0x1/0xff", True), Module("connmark"), MarkMatch("connmark", "--mark", "0x2")), Verdict("DROP"),
    ),
    "-m limit --limit 3/min --limit-burst 5 -j LOG --log-prefix \"a -j \" --log-level 7": (
        (Module("limit"), ValueMatch("--limit", "3/min"), ValueMatch("--limit-burst", "5")), Effect("LOG", ("--log-prefix", '"a -j "', "--log-level", "7")),
    ),
    "-p icmp -m icmp --icmp-type 3/4 -j ACCEPT": ((ProtocolMatch("-p", "icmp"), Module("icmp"), ValueMatch("--icmp-type", "3/4")), Verdict("ACCEPT")),
    "-p ipv6-icmp -m icmp6 ! --icmpv6-type 128 -j ACCEPT": (
        (ProtocolMatch("-p", "ipv6-icmp"), Module("icmp6"), ValueMatch("--icmpv6-type", "128", True)), Verdict("ACCEPT"),
    ),
    "-m rpfilter --loose --invert -j DROP": ((Module("rpfilter"), FlagMatch("--loose"), FlagMatch("--invert")), Verdict("DROP")),
    "-m socket --transparent -j MARK --set-xmark 0x1/0xffffffff": (
        (Module("socket"), FlagMatch("--transparent")), Effect("MARK", ("--set-xmark", "0x1/0xffffffff")),
    ),
    '-m connlabel ! --label "127" --set': ((Module("connlabel"), ValueMatch("--label", '"127"', True), FlagMatch("--set")), None),
    "-m physdev ! --physdev-in veth+ --physdev-is-bridged -j DROP": (
        (Module("physdev"), InterfaceMatch("--physdev-in", "veth+", True), FlagMatch("--physdev-is-bridged")), Verdict("DROP"),
    ),
    "-m owner ! --uid-owner 0-99 --socket-exists -j DROP": (
        (Module("owner"), ValueMatch("--uid-owner", "0-99", True), FlagMatch("--socket-exists")), Verdict("DROP"),
    ),
    '-m comment --comment "a \\"b\\" -j ACCEPT" -j DROP': ((Module("comment"), Comment("--comment", '"a \\"b\\" -j ACCEPT"')), Verdict("DROP")),
    "-m comment --comment -j -j DROP": ((Module("comment"), Comment("--comment", "-j")), Verdict("DROP")),
    '-m comment --comment "two\nlines" -j DROP': ((Module("comment"), Comment("--comment", '"two\nlines"')), Verdict("DROP")),
    "-m recent --update --seconds 60 --name DEFAULT --mask 255.255.255.255 --rsource -m tcp -j DROP": (
        (Unknown(("-m", "recent", "--update", "--seconds", "60", "--name", "DEFAULT", "--mask", "255.255.255.255", "--rsource")), Module("tcp")),
        Verdict("DROP"),
    ),
    '-m string --string "x -j y" --algo bm -j DROP': ((Unknown(("-m", "string", "--string", '"x -j y"', "--algo", "bm")),), Verdict("DROP")),
    "-m conntrack ! --newer a b -j DROP": ((Module("conntrack"), Unknown(("!", "--newer", "a", "b"))), Verdict("DROP")),
    "-j REJECT --reject-with icmp-port-unreachable": ((), Verdict("REJECT", ("--reject-with", "icmp-port-unreachable"))),
    "-j DNAT --to-destination [2001:db8::2]:80": ((), Translation("DNAT", ("--to-destination", "[2001:db8::2]:80"))),
    "-j SNAT --to-source 192.0.2.1 --random": ((), Translation("SNAT", ("--to-source", "192.0.2.1", "--random"))),
    "-j MASQUERADE": ((), Translation("MASQUERADE")),
    "-j REDIRECT --to-ports 8080": ((), Translation("REDIRECT", ("--to-ports", "8080"))),
    "-j NFLOG --nflog-prefix x --nflog-group 2": ((), Effect("NFLOG", ("--nflog-prefix", "x", "--nflog-group", "2"))),
    "-j CT --notrack": ((), Effect("CT", ("--notrack",))),
    "-j CONNMARK --save-mark --nfmask 0xff --ctmask 0xff": ((), Effect("CONNMARK", ("--save-mark", "--nfmask", "0xff", "--ctmask", "0xff"))),
    "-p tcp -j TCPMSS --clamp-mss-to-pmtu": ((ProtocolMatch("-p", "tcp"),), Effect("TCPMSS", ("--clamp-mss-to-pmtu",))),
    "-j SET --add-set x src --exist": ((), Effect("SET", ("--add-set", "x", "src", "--exist"))),
    "-j NFQUEUE --queue-num 0 --queue-bypass": ((), Unknown(("-j", "NFQUEUE", "--queue-num", "0", "--queue-bypass"))),
}  # fmt: skip


@pytest.mark.parametrize("rule", PRINTED)
def test_a_rule_as_a_value_and_back(rule):
    read = parse(rule)
    assert (read.matches, read.target) == PRINTED[rule]
    assert [type(part) for part in (*read.matches, read.target)] == [type(part) for part in (*PRINTED[rule][0], PRINTED[rule][1])]
    assert str(read) == rule


@pytest.mark.parametrize("path", CAPTURES, ids=lambda path: path.name)
def test_every_rule_of_an_engine_is_known_and_comes_back(path):
    rulesets = [parse_ruleset("*" + text) for text in path.read_text(encoding="utf-8").split("\n*")[1:]]
    rules = [rule for ruleset in rulesets for table in ruleset.tables.values() for chain in table.values() for rule in chain.rules]
    # An engine with the nftables backend has none.
    assert bool(rules) == ("\n-A " in path.read_text(encoding="utf-8"))
    for rule in rules:
        read = parse(rule)
        assert str(read) == rule
        assert read.goes_to == (target_of(rule) or "")
        assert not [part for part in (*read.matches, read.target) if isinstance(part, Unknown)], rule


def test_whatever_words_there_are_none_is_lost():
    words = [
        "!", "-s", "-p", "-m", "-j", "-g", "-i", "tcp", "set", "10.0.0.0/8", "--match-set", "--dport", "80", "--tcp-flags", "DROP", "x", "--foo",
        "comment", "--comment", '"a b"', '""', "REJECT", "DNAT", "--to-destination",
    ]  # fmt: skip
    chance = random.Random(11)
    for _turn in range(5000):
        rule = " ".join(chance.choice(words) for _word in range(chance.randint(1, 12)))
        assert str(parse(rule)) == rule


def test_what_users_write_is_read_as_what_iptables_prints():
    read = parse("--protocol tcp --dport http ! --source 10.0.0.0/8 --jump ACCEPT")
    assert str(read) == "-p tcp --dport http ! -s 10.0.0.0/8 -j ACCEPT"
    assert read.matches[1] == PortMatch("--dport", "http")


def test_matches_behind_a_target_make_it_unknown():
    for rule in ("-j DROP -s 10.0.0.0/8", "-j REJECT -s 10.0.0.0/8", "-j DB-X -s 10.0.0.0/8"):
        assert isinstance(parse(rule).target, Unknown)
        assert str(parse(rule)) == rule


def test_a_quote_that_is_not_closed_is_unknown():
    assert parse('-m comment --comment "x -j DROP') == ((Unknown(('-m comment --comment "x -j DROP',)),), None)


def test_what_a_packet_may_fail_to_meet():
    read = parse("-i lo -m comment --comment x -m conntrack --ctdir REPLY -m rpfilter -m eui64 -j DROP")
    assert [match.option for match in read.asks] == ["-i", "--ctdir", "-m", "-m"]
    assert read.asks[2:] == (Module("rpfilter"), Unknown(("-m", "eui64")))


def test_sets_by_name():
    rule = '-m comment --comment "a --match-set b src" -m set --match-set @c src -m set ! --match-set d dst -j DROP'
    assert set_names(rule) == ("@c", "d")
    assert with_set_names(rule, lambda name: name + "2") == rule.replace("@c", "@c2").replace(" d ", " d2 ")
    assert set_names("-m comment --comment --match-set -j DROP") == ()


@pytest.mark.parametrize("match, holds, fails", [
    (AddressMatch("-s", "10.0.0.0/8"), "10.9.9.9", "11.0.0.1"), (AddressMatch("-s", "10.0.0.0/8", True), "11.0.0.1", "10.0.0.1"),
    (AddressMatch("-s", "10.0.0.1/255.0.0.255"), "10.7.8.1", "10.0.0.2"), (AddressMatch("--ctorigdst", "192.0.2.7"), "192.0.2.7", "192.0.2.8"),
    (AddressMatch("-d", "2001:db8::/32"), "2001:db8::7", "32.1.13.184"), (AddressMatch("-d", "::/0"), "::1", "127.0.0.1"),
    (InterfaceMatch("-i", "br-+"), "br-1", "eth0"), (InterfaceMatch("-i", "br-1"), "br-1", "br-12"), (InterfaceMatch("-i", "lo", True), "eth0", "lo"),
    (ProtocolMatch("-p", "tcp"), "tcp", "udp"), (ProtocolMatch("--ctproto", "132"), "sctp", "tcp"), (ProtocolMatch("-p", "tcp", True), "udp", "tcp"),
    (PortMatch("--dport", "80"), 80, 81), (PortMatch("--dport", "80:90"), 90, 91), (PortMatch("--dports", "80,8000:8100", True), 81, 8050),
    (PortMatch("--sport", ":90"), 0, 91), (PortMatch("--sport", "90:"), 65535, 89),
])
def test_what_a_match_holds_for(match, holds, fails):
    assert match.holds(holds) is True
    assert match.holds(fails) is False


def test_services_by_name_cannot_be_told():
    assert PortMatch("--dport", "http").holds(80) is None


def test_any_of_several_words():
    assert OneOfMatch("--ctstate", "RELATED,ESTABLISHED").holds_any("ESTABLISHED", "DNAT")
    assert not OneOfMatch("--ctstate", "NEW").holds_any("ESTABLISHED")
    assert OneOfMatch("--ctstate", "NEW", True).holds_any("ESTABLISHED")


def test_where_a_translation_leads():
    assert parse("-j DNAT --to-destination 172.17.0.2:80").target.to == "172.17.0.2:80"
    assert parse("-j MASQUERADE").target.to is None


def test_the_text_of_a_comment():
    assert [parse("-m comment --comment %s" % word).matches[1].text for word in ("plain", '"a \\"b\\""', '""')] == ["plain", 'a "b"', ""]
