# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Counters of denied packets as node_exporter reads them."""
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.rules.saved_ruleset import parse
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.readback.denied_counters import denied_text

SAVED = """*mangle
:DB-GUARD-PORTS - [0:0]
[9:9] -A DB-GUARD-PORTS -s 10.0.0.0/8 -p tcp -m tcp --dport 80 -j RETURN
[1:60] -A DB-GUARD-PORTS -p tcp -m tcp --dport 80 -m limit --limit 10/min --limit-burst 20 -j LOG --log-prefix "DB-GUARD-PORTS:D " --log-level 6
[5:300] -A DB-GUARD-PORTS -p tcp -m tcp --dport 80 -j DROP
[2:120] -A DB-GUARD-PORTS -d 192.0.2.7/32 -p tcp -m tcp --dport 80 -j DROP
[3:180] -A DB-GUARD-PORTS -p udp -m udp --dport 8000:8010 -m limit --limit 10/min -j LOG --log-prefix "DB-GUARD-PORTS:O " --log-level 6
[4:240] -A DB-GUARD-PORTS -p udp -m udp --dport 8000:8010 -j RETURN
[7:420] -A DB-GUARD-PORTS -j DROP
COMMIT
*filter
:DB-USER-other - [0:0]
:DB-USER-policy-DNAT - [0:0]
:OTHER - [0:0]
[1:1] -A DB-USER-other -j DROP
[6:360] -A DB-USER-policy-DNAT -p tcp -m conntrack --ctorigdstport 80 -j DROP
[1:1] -A OTHER -j DROP
COMMIT
"""
HEAD = """# HELP drawbridge_denied_packets_total Packets that the policy dropped, by the counters of its rules.
# TYPE drawbridge_denied_packets_total counter
%s# HELP drawbridge_observed_packets_total Packets that passed, but that the policy would drop if it enforced what it observes.
# TYPE drawbridge_observed_packets_total counter
%s"""


def line(kind, chain, protocol, port, number):
    return 'drawbridge_%s_packets_total{family="ipv6",reason="published_ports",chain="%s",protocol="%s",port="%s"} %d\n' % (kind, chain, protocol, port, number)


def test_rules_by_port_and_chain():
    denied = [
        line("denied", "DB-GUARD-PORTS", "", "", 7), line("denied", "DB-GUARD-PORTS", "tcp", "80", 7), line("denied", "DB-USER-policy-DNAT", "tcp", "80", 6),
    ]
    assert denied_text({6: parse(SAVED)}) == HEAD % ("".join(denied), line("observed", "DB-GUARD-PORTS", "udp", "8000-8010", 4))


def test_no_policy():
    assert denied_text({4: parse("*filter\nCOMMIT\n")}) == HEAD % ("", "")
