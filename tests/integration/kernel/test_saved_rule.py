# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Rules as each variant of iptables-save prints them: the parser knows every match and target, and gives every word back."""
import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.rules.matches import Unknown
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.rules.saved_rule import parse
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.rules.saved_ruleset import parse as parse_ruleset

TABLES = {
    "mangle": [
        "! -f -p tcp --sport 1024: ! --dport 80 --syn -j DROP", "-p tcp --tcp-flags ALL SYN,ACK -j ACCEPT", "-p udp --dport 53 -j RETURN",
        "-p sctp --dport 9 -j DROP", "-p dccp --dport 5 -j DROP", "-p tcp -m multiport ! --dports 80,443,8000:8100 -j DROP",
        "-m iprange --src-range 10.0.0.1-10.0.0.9 -j DROP", "-s 10.0.0.0/255.0.0.255 ! -d 192.0.2.0/24 -i br-+ -j DROP",
        "-m set ! --match-set known src,dst -j DROP", "-m set --match-set known src --return-nomatch -j DROP",
        "-m conntrack ! --ctstate NEW,RELATED --ctproto tcp --ctorigsrc 10.0.0.0/8 --ctorigdst 192.0.2.7 --ctorigdstport 80:90 --ctdir ORIGINAL -j DROP",
        "-m conntrack --ctstatus CONFIRMED --ctreplsrc 172.17.0.2 -j DROP", "-m state --state ESTABLISHED -j DROP",
        "-m addrtype ! --dst-type LOCAL --limit-iface-in -j RETURN", "-m mark ! --mark 1/0xff -j DROP", "-m connmark --mark 2 -j DROP",
        "-m limit --limit 3/min --limit-burst 7 -j LOG --log-prefix \"-j DROP \"", "-p icmp --icmp-type echo-request -j ACCEPT",
        "-m rpfilter --loose --validmark --invert -j DROP", "-m socket --transparent -j MARK --set-mark 1", "-m connlabel --label 7 --set",
        "-m physdev --physdev-in veth+ -j DROP", "-m comment --comment \"it's \\\"a\\\" -g X\" -j DROP", "-m comment --comment -j -j DROP",
        "-j CONNMARK --save-mark", "-p tcp --syn -j TCPMSS --set-mss 1400", "-j SET --add-set known src --exist", "-j NFLOG --nflog-group 2", "",
        "-j DB-X", "-g DB-X",
    ],
    "filter": ["-j REJECT", "-p tcp -j REJECT --reject-with tcp-reset"],
    "nat": [
        "-p tcp -j DNAT --to-destination 172.17.0.2:80", "-p tcp -j REDIRECT --to-ports 8080",
    ],
    "raw": ["-j CT --notrack", "-j TRACE"],
}  # fmt: skip


@pytest.mark.parametrize("table", TABLES)
def test_every_rule_is_known_and_comes_back(host, table):
    host.sh("ipset", "create", "known", "hash:net,iface")
    parent = "INPUT" if table == "filter" else "PREROUTING"
    host.restore("*%s\n:DB-X - [0:0]\n%sCOMMIT\n" % (table, "".join("-A %s %s\n" % (parent, rule) for rule in TABLES[table])), 4)
    loaded = parse_ruleset(host.save(4)).rules(table, parent)
    assert len(loaded) == len(TABLES[table])
    for text in loaded:
        read = parse(text)
        assert str(read) == text
        assert not [part for part in (*read.matches, read.target) if isinstance(part, Unknown)], text
