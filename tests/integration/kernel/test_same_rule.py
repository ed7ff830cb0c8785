# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""The same rule in any spelling is no change; another rule is one."""
import pytest

TCP80 = "-p tcp -m tcp --dport 80 -j DROP"

# Each line: spellings of one and the same rule, dicts and strings.
SAME = {
    "service name": [TCP80, "-p tcp --dport http -j DROP", {"protocol": "tcp", "destination_port": "http", "jump": "DROP"},
                     {"protocol": "tcp", "destination_port": 80, "jump": "DROP"}],
    "option order": [TCP80, "-j DROP -p tcp --dport 80", "--jump DROP --protocol tcp --destination-port 80"],
    "abbreviated options": [TCP80, "--proto tcp --dpor 80 --jum DROP", "-ptcp --dport=80 -jDROP"],
    "upper-case protocol": [TCP80, "-p TCP --dport 80 -j DROP", {"protocol": "TCP", "destination_port": "80", "jump": "DROP"}],
    "protocol number": ["-p tcp -j DROP", "-p 6 -j DROP", {"protocol": 6, "jump": "DROP"}],
    "all protocols": ["-j DROP", "-p all -j DROP", {"protocol": "all", "jump": "DROP"}, "-p 0 -j DROP"],
    "host bits": ["-s 10.0.0.0/8 -j DROP", "-s 10.1.2.3/8 -j DROP", "--source 10.9.9.9/255.0.0.0 -j DROP", "-s10.0.0.0/8 -j DROP",
                  "--source=10.0.0.0/8 -j DROP", {"source": "10.1.2.3/8", "jump": "DROP"}, {"source": "10.0.0.0/255.0.0.0", "jump": "DROP"}],
    "/32": ["-s 192.0.2.1/32 -j DROP", "-s 192.0.2.1 -j DROP", {"source": "192.0.2.1", "jump": "DROP"}],
    "/128": ["-s 2001:db8::1/128 -j DROP", "-s 2001:db8::1 -j DROP", "-s 2001:DB8:0:0::1 -j DROP",
             {"source": "2001:0db8:0000::0001", "jump": "DROP"}, "-s2001:db8::1 -j DROP"],
    "IPv6 host bits": ["-d 2001:db8::/32 -j DROP", "-d 2001:db8:ffff::1/32 -j DROP", {"destination": "2001:DB8::/32", "jump": "DROP"}],
    "any IPv4": [{"source": "0.0.0.0/0", "jump": "DROP"}, "-s 0.0.0.0/0 -j DROP", "-4 -j DROP", {"ip_version": "ipv4", "jump": "DROP"}],
    "any IPv6": [{"source": "::/0", "jump": "DROP"}, "-s ::/0 -j DROP", "-s 0::0/0 -j DROP", {"ip_version": "ipv6", "jump": "DROP"}],
    "negation": ["! -s 10.0.0.0/8 -j DROP", {"source": "!10.0.0.0/8", "jump": "DROP"},
                 {"source": "! 10.0.0.1/8", "jump": "DROP"}],
    "negated interface": ["! -i eth0 -j DROP", {"in_interface": "! eth0", "jump": "DROP"}, "! --in-interface eth0 -j DROP"],
    "multiport": ["-p tcp -m multiport --dports 80,443,8000:8010 -j DROP", "-p tcp -m multiport --destination-ports http,https,8000:8010 -j DROP",
                  {"protocol": "tcp", "destination_ports": [80, "https", "8000-8010"], "jump": "DROP"}],
    "one port in a range": [TCP80, {"protocol": "tcp", "destination_port": "80-80", "jump": "DROP"}, "-p tcp --dport 80:80 -j DROP"],
    "syn": ["-p tcp --syn -j DROP", "-p tcp --tcp-flags SYN,RST,ACK,FIN SYN -j DROP", {"protocol": "tcp", "syn": "match", "jump": "DROP"},
            {"protocol": "tcp", "tcp_flags": {"flags": ["syn", "RST", "ACK", "FIN"], "flags_set": "SYN"}, "jump": "DROP"}],
    "comment": ['-m comment --comment "two words" -j DROP', '-j DROP -m comment --comment "two words"',
                {"comment": "two words", "jump": "DROP"}],
    "comment of one word": ["-m comment --comment word -j DROP", '-m comment --comment "word" -j DROP', {"comment": "word", "jump": "DROP"}],
    "comment in umlauts": ['-m comment --comment "Zürich – 東京" -j DROP', {"comment": "Zürich – 東京", "jump": "DROP"}],
    "order of states": ["-m conntrack --ctstate RELATED,ESTABLISHED -j DROP", "-m conntrack --ctstate ESTABLISHED,RELATED -j DROP",
                        {"ctstate": ["established", "RELATED"], "jump": "DROP"}, {"ctstate": "ESTABLISHED,RELATED", "jump": "DROP"}],
    "ICMP by name": ["-p icmp --icmp-type echo-request -j DROP", "-p icmp -m icmp --icmp-type 8 -j DROP",
                     {"protocol": "icmp", "icmp_type": "echo-request", "jump": "DROP"}, {"protocol": "icmp", "icmp_type": 8, "jump": "DROP"}],
    "ICMPv6": ["-p ipv6-icmp -m icmp6 --icmpv6-type 128 -j DROP", "-p icmpv6 --icmpv6-type echo-request -j DROP",
               {"protocol": "icmpv6", "icmp_type": "echo-request", "jump": "DROP"}],
    "limit": ["-m limit --limit 10/min --limit-burst 5 -j DROP", "-m limit --limit 10/minute -j DROP", {"limit": "10/m", "jump": "DROP"}],
    "reject": ["-j REJECT", {"jump": "REJECT"}],
    "log": ['-j LOG --log-prefix "in: " --log-level 4', '-j LOG --log-prefix "in: " --log-level warning',
            {"jump": "LOG", "log_prefix": "in: ", "log_level": "warning"}],
    "dialled port": ["-p tcp -m conntrack --ctorigdstport 8080 --ctdir ORIGINAL -j DROP",
                     "-p tcp -m conntrack --ctdir ORIGINAL --ctorigdstport 8080 -j DROP",
                     {"protocol": "tcp", "published_port": 8080, "jump": "DROP"}],
    "dialled address": ["-p tcp -m conntrack --ctorigdst 192.0.2.7 --ctorigdstport 8000:8010 --ctdir ORIGINAL -j DROP",
                        {"protocol": "tcp", "published_address": "192.0.2.7/32", "published_port": "8000-8010", "jump": "DROP"}],
    "addresses by range": ["-m iprange --src-range 10.0.0.1-10.0.0.9 -j DROP", {"src_range": "10.0.0.1-10.0.0.9", "jump": "DROP"}],
    "white space": [TCP80, "  -p   tcp\t".replace("\t", " ") + " --dport   80 -j DROP "],
}


def everything(host):
    return [host.rules("DB-USER-web", family=family) for family in (4, 6)]


@pytest.mark.parametrize("name", sorted(SAME))
def test_any_spelling_of_a_rule_is_the_same_rule(host, name):
    first, *others = SAME[name]
    assert host.section([first]).plan.is_change
    held = everything(host)
    for spelling in [first] + others:
        assert host.section([spelling], check=True).result()["changed"] is False, spelling
    # The other way round: whatever is written first, the kernel holds the same.
    for spelling in others:
        host.section([], present=False)
        assert host.section([spelling]).plan.is_change
        assert everything(host) == held, spelling
        assert not host.section([spelling]).plan.is_change, spelling


def test_a_list_of_addresses_is_a_line_for_each(host):
    rule = {"source": ["10.1.1.1/8", "192.0.2.1", "2001:db8::/32"], "destination": ["198.51.100.0/24"], "jump": "DROP"}
    rule_text = "-s 10.0.0.0/8,192.0.2.1 -d 198.51.100.0/24 -j DROP"
    host.section([dict(rule, source=rule["source"][:2])])
    assert host.rules("DB-USER-web") == ["-s 10.0.0.0/8 -d 198.51.100.0/24 -j DROP", "-s 192.0.2.1/32 -d 198.51.100.0/24 -j DROP"]
    assert host.rules("DB-USER-web", family=6) == []
    assert not host.section([rule_text]).plan.is_change
    assert not host.section([{"source": "10.0.0.0/8", "destination": "198.51.100.0/24", "jump": "DROP"},
                             {"source": "192.0.2.1", "destination": "198.51.100.0/24", "jump": "DROP"}]).plan.is_change


DIFFERENT = [
    ("-m state --state NEW -j DROP", "-m conntrack --ctstate NEW -j DROP"),
    (TCP80, "-p udp --dport 80 -j DROP"),
    (TCP80, "-p tcp --dport 81 -j DROP"),
    (TCP80, "-p tcp --sport 80 -j DROP"),
    (TCP80, "-p tcp ! --dport 80 -j DROP"),
    (TCP80, "-p tcp --dport 80 -j RETURN"),
    (TCP80, TCP80 + ' -m comment --comment "a"'),
    ("-s 10.0.0.0/8 -j DROP", "-s 10.0.0.0/9 -j DROP"),
    ("-s 10.0.0.0/8 -j DROP", "! -s 10.0.0.0/8 -j DROP"),
    ("-s 10.0.0.0/8 -j DROP", "-d 10.0.0.0/8 -j DROP"),
    ("-i eth0 -j DROP", "-i eth1 -j DROP"),
    ("-i eth0 -j DROP", "-o eth0 -j DROP"),
    ("-i eth0 -j DROP", "-i eth+ -j DROP"),
    ("-p tcp -m multiport --dports 80,443 -j DROP", "-p tcp -m multiport --dports 443,80 -j DROP"),
    ("-m conntrack --ctstate NEW -j DROP", "-m conntrack ! --ctstate NEW -j DROP"),
    ("-p tcp --syn -j DROP", "-p tcp ! --syn -j DROP"),
    ("-j DROP", "-j REJECT"),
    ("-j LOG --log-prefix one", "-j LOG --log-prefix two"),
]


@pytest.mark.parametrize("one, other", DIFFERENT)
def test_another_rule_is_a_change(host, one, other):
    host.section([one])
    assert host.section([other], check=True).plan.is_change
    assert host.section([other]).plan.is_change
    assert not host.section([other]).plan.is_change


def test_order_and_repetition_of_rules_count(host):
    host.section(["-s 10.0.0.1 -j DROP", "-s 10.0.0.2 -j DROP"])
    assert host.section(["-s 10.0.0.2 -j DROP", "-s 10.0.0.1 -j DROP"]).plan.is_change
    assert host.section(["-s 10.0.0.2 -j DROP", "-s 10.0.0.1 -j DROP", "-s 10.0.0.1 -j DROP"]).plan.is_change
    assert len(host.rules("DB-USER-web")) == 3
    assert host.section(["-s 10.0.0.2 -j DROP"]).plan.is_change
    assert host.rules("DB-USER-web") == ["-s 10.0.0.2/32 -j DROP"]
