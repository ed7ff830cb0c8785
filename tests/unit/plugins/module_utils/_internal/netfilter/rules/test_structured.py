# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Each key of a structured rule, and what it becomes. That iptables agrees is for the kernel tests to show."""
import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.reconcile.packed import pack, rule_lines
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.rules.structured import compile_rules

CASES = [
    ({"in_interface": "eth0"}, "-i eth0 -j DROP"),
    ({"in_interface": "! eth+", "out_interface": "br-1"}, "! -i eth+ -o br-1 -j DROP"),
    ({"protocol": "TCP"}, "-p tcp -j DROP"),
    ({"protocol": "!udp"}, "! -p udp -j DROP"),
    ({"protocol": "all"}, "-j DROP"),
    ({"protocol": "tcp", "source_port": "1024-65535", "destination_port": "!80"}, "-p tcp -m tcp --sport 1024:65535 ! --dport 80 -j DROP"),
    ({"protocol": "tcp", "destination_ports": ["!80", 443, "8000:8010"]}, "-p tcp -m multiport ! --dports 80,443,8000:8010 -j DROP"),
    ({"protocol": "tcp", "syn": "negate"}, "-p tcp -m tcp ! --tcp-flags FIN,SYN,RST,ACK SYN -j DROP"),
    ({"protocol": "tcp", "tcp_flags": {"flags": "ALL", "flags_set": "NONE"}}, "-p tcp -m tcp --tcp-flags FIN,SYN,RST,PSH,ACK,URG NONE -j DROP"),
    ({"ctstate": ["new", "INVALID"]}, "-m conntrack --ctstate INVALID,NEW -j DROP"),
    ({"protocol": "udp", "published_port": 53}, "-p udp -m conntrack --ctorigdstport 53 --ctdir ORIGINAL -j DROP"),
    ({"match_set": "! blocked", "match_set_flags": "SRC,dst"}, "-m set ! --match-set blocked src,dst -j DROP"),
    ({"source": "@office"}, "-m set --match-set @office src -j DROP"),
    ({"destination": "! @office"}, "-m set ! --match-set @office dst -j DROP"),
    ({"limit": "5/sec", "limit_burst": 7}, "-m limit --limit 5/sec --limit-burst 7 -j DROP"),
    ({"uid_owner": 0, "gid_owner": "! 5"}, "-m owner --uid-owner 0 ! --gid-owner 5 -j DROP"),
    ({"match": ["tcp", "udp"]}, "-m tcp -m udp -j DROP"),
    ({"comment": "two words"}, '-m comment --comment "two words" -j DROP'),
    ({"comment": 5}, "-m comment --comment 5 -j DROP"),
    ({"jump": None, "goto": "DB-X"}, "-g DB-X"),
    ({"jump": "LOG", "log_prefix": "in: ", "log_level": "info"}, '-j LOG --log-prefix "in: " --log-level info'),
    ({"jump": "REJECT", "reject_with": "tcp-reset"}, "-j REJECT --reject-with tcp-reset"),
    ({"jump": "MASQUERADE", "to_ports": "1024-2048"}, "-j MASQUERADE --to-ports 1024-2048"),
    ({"comment": None, "ip_version": None}, "-j DROP"),
]


@pytest.mark.parametrize("rule, text", CASES)
def test_for_both_families(rule, text):
    assert [line[:2] for line in compile_rules([dict({"jump": "DROP"}, **rule)], "rules")] == [(text, (4, 6))]


@pytest.mark.parametrize("rule, text, family", [
    ({"source": "192.0.2.1"}, "-s 192.0.2.1/32 -j DROP", 4),
    ({"source": "0.0.0.0/0"}, "-j DROP", 4),
    ({"destination": "! 2001:DB8::1/32"}, "! -d 2001:db8::/32 -j DROP", 6),
    ({"protocol": "icmp", "icmp_type": 8}, "-p icmp -m icmp --icmp-type 8 -j DROP", 4),
    ({"protocol": "icmpv6"}, "-p ipv6-icmp -j DROP", 6),
    ({"src_range": "10.0.0.1-10.0.0.9"}, "-m iprange --src-range 10.0.0.1-10.0.0.9 -j DROP", 4),
    ({"published_address": "2001:db8::7"}, "-m conntrack --ctorigdst 2001:db8::7 --ctdir ORIGINAL -j DROP", 6),
    ({"jump": "REJECT", "reject_with": "icmp6-port-unreachable"}, "-j REJECT --reject-with icmp6-port-unreachable", 6),
    ({"jump": "REJECT", "reject_with": "icmp-host-prohibited"}, "-j REJECT --reject-with icmp-host-prohibited", 4),
    ({"jump": "DNAT", "to_destination": "[2001:db8::1]:80"}, "-j DNAT --to-destination [2001:db8::1]:80", 6),
    ({"jump": "DNAT", "to_destination": "192.0.2.1:80"}, "-j DNAT --to-destination 192.0.2.1:80", 4),
    ({"fragment": True}, "-f -j DROP", 4),
    ({"ip_version": "ipv6"}, "-j DROP", 6),
])
def test_for_one_family(rule, text, family):
    assert [line[:2] for line in compile_rules([dict({"jump": "DROP"}, **rule)], "rules")] == [(text, (family,))]


def test_lists_become_a_line_for_each_pair_that_fits():
    lines = compile_rules([{"source": ["10.0.0.0/8", "192.0.2.1"], "destination": ["198.51.100.1", "198.51.100.2"], "jump": "DROP"}], "rules")
    assert [line.text for line in lines] == [
        "-s %s -d %s -j DROP" % (source, destination)
        for source in ("10.0.0.0/8", "192.0.2.1/32") for destination in ("198.51.100.1/32", "198.51.100.2/32")]


@pytest.mark.parametrize("text, spelt, families", [
    ("-j DROP", "-j DROP", (4, 6)),
    ("-s10.0.0.1   -jDROP", "-s 10.0.0.1 -j DROP", (4,)),
    ("--source=2001:db8::1 --jump=DROP", "--source 2001:db8::1 --jump DROP", (6,)),
    ('-m comment --comment "10.0.0.1 and ::1" -j DROP', '-m comment --comment "10.0.0.1 and ::1" -j DROP', (4, 6)),
    ("-m set --match-set icmp src -j icmp", "-m set --match-set icmp src -j icmp", (4, 6)),
    ("-p icmp -j DROP", "-p icmp -j DROP", (4,)),
    ("-m recent --set -j DROP", "-m recent --set -j DROP", (4, 6)),
    ("-m policy --pol ipsec --dir in -j DROP", "-m policy --pol ipsec --dir in -j DROP", (4, 6)),
    ("-6 -j DROP", "-6 -j DROP", (6,)),
])
def test_strings(text, spelt, families):
    assert [line[:2] for line in compile_rules([text], "rules")] == [(spelt, families)]


def test_errors_and_lines_know_where_they_come_from():
    lines = rule_lines(pack(["-j DROP", {"source": ["10.0.0.1", "::1"], "jump": "DROP"}], "mine"), (4, 6), "mine")
    assert [(line.path, line.families) for line in lines] == [("mine[0]", (4, 6)), ("mine[1]", (4,)), ("mine[1]", (6,))]


def test_no_rules_are_no_lines():
    assert rule_lines(pack([], "rules"), (4, 6), "rules") == [] == rule_lines([], (4,), "rules")
