# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""What counts as plain; that plain lines read back as they are is for the kernel tests to show."""
import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.rules.canonical import is_plain, leads_to
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.rules.matches import Unknown
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.rules.saved_rule import parse


@pytest.mark.parametrize("line", [
    "-j DROP", "-s 10.0.0.0/8 -j RETURN", "! -s 10.0.0.0/8 -d 192.0.2.1/32 -i eth0 ! -o br-+ -j ACCEPT", "-s 2001:db8::/32 -j DROP",
    "-p tcp -j DROP", "-p tcp -m tcp --dport 80 -j DROP", "-p udp -m udp --sport 67 --dport 68 -j RETURN", "-p sctp -m sctp --dport 80:90 -j DROP",
    "-p tcp -m tcp ! --tcp-flags FIN,SYN,RST,ACK SYN -m conntrack --ctstate NEW -j DROP", "-p icmp -m icmp --icmp-type 8 -j RETURN",
    "-m addrtype --dst-type LOCAL -j RETURN", "-m conntrack --ctdir REPLY -j RETURN", "-m set --match-set DBP-x-4a dst,dst -j DROP",
    "-p tcp -m conntrack --ctorigdst 192.0.2.7 --ctorigdstport 80 --ctdir ORIGINAL -j DROP", "-m comment --comment word -j DROP",
    '-m comment --comment "two words" -j DROP', "-g DB-X", "-j DB-X",
])
def test_plain(line):
    assert is_plain(line)
    # What a pattern takes for plain, the parser knows.
    rule = parse(line)
    assert str(rule) == line and not [part for part in (*rule.matches, rule.target) if isinstance(part, Unknown)]


@pytest.mark.parametrize("line", [
    "", "-j", "-j LOG", "-j OTHER", "-g DROP", "-j DROP ", " -j DROP", "-j DROP\n", "-A X -j DROP", "-t nat -j DROP", "-j DROP -s 10.0.0.0/8",
    "-s 10.0.0.1 -j DROP", "-s 10.1.0.0/8 -j DROP", "-s 010.0.0.0/8 -j DROP", "-s 0.0.0.0/0 -j DROP", "-s ::/0 -j DROP", "-s 10.0.0.0/33 -j DROP",
    "-s 2001:DB8::/32 -j DROP", "-s 2001:db8:0::/32 -j DROP", "-s 10.0.0.0/8,192.0.2.0/24 -j DROP", "-s host/8 -j DROP",
    "-i + -j DROP", "-i -t -j DROP", "-i sixteen-letters- -j DROP", "-i fifteen-letters+ -j DROP",
    "-p TCP -j DROP", "-p 6 -j DROP", "-p tcp -m udp --dport 80 -j DROP", "-p tcp -m tcp -j DROP", "-p tcp --dport 80 -j DROP",
    "-p tcp -m tcp --dport http -j DROP", "-p tcp -m tcp --dport 080 -j DROP", "-p tcp -m tcp --dport 65536 -j DROP",
    "-p tcp -m tcp --dport 90:80 -j DROP",
    "-p tcp -m tcp --dport 80:80 -j DROP", "-p tcp -m tcp --dport 0:65535 -j DROP", "-p tcp -m tcp --dport 1:65535 -j DROP",
    "-p tcp -m tcp --dport 0:9 -j DROP",
    "-m conntrack -j DROP", "-m conntrack --ctstate ESTABLISHED,RELATED -j DROP", "-m conntrack --ctorigdst 10.0.0.0/8 -j DROP",
    "-m conntrack --ctorigdst 1.2.3 -j DROP", "-m state --state NEW -j DROP", "-m set --match-set %s src -j DROP" % ("x" * 32),
    '-m comment --comment "word" -j DROP', "-m comment --comment two words -j DROP", '-m comment --comment "a\\"b c" -j DROP',
    "-m comment --comment -x -j DROP", "-m comment --comment %s -j DROP" % ("x" * 256), "-j DB-%s" % ("X" * 26),
])
def test_not_plain(line):
    assert not is_plain(line)


@pytest.mark.parametrize("line, chain", [("-j DROP", None), ("-p tcp -j RETURN", None), ("-j DB-X", "DB-X"), ("-p tcp -g DB-Y", "DB-Y")])
def test_where_a_plain_line_leads(line, chain):
    assert leads_to(line) == chain
