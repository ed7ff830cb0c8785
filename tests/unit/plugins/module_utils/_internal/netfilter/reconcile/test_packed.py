# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Rules on the way to a host: what arrives is what was written, and what was not written does not arrive."""
import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.address import BOTH, IPV4
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.errors import DrawbridgeError
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.reconcile.packed import pack, rule_lines, unpack
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.rules.canonical import is_plain, leads_to
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.rules.structured import compile_rules

RULES = [
    {"source": "192.0.2.1", "protocol": "tcp", "destination_port": 80, "jump": "ACCEPT"},
    {"source": "2001:db8::/64", "jump": "DROP", "comment": "a b"},
    {"source": "@office", "jump": "ACCEPT"},
    "-p udp -m udp --dport 53 -j RETURN",
    "-m  limit --limit 5/min --limit-burst 5 -j LOG --log-prefix 'x y'",
    "-j DROP",
]


def test_what_arrives_is_what_was_written():
    arrived = unpack(pack(RULES, "rules"), "rules")
    assert [line._replace(is_common=False) for line in arrived] == compile_rules(RULES, "rules")
    assert [line.path for line in arrived] == ["rules[%d]" % index for index in range(len(RULES))]


def test_common_is_what_needs_no_look_and_leads_nowhere():
    arrived = unpack(pack(RULES, "rules"), "rules")
    assert [line.is_common for line in arrived] == [True, False, False, True, False, True]
    assert all(is_plain(line.text) and leads_to(line.text) is None for line in arrived if line.is_common)


def test_no_rules():
    assert unpack("", "rules") == [] == unpack(pack([], "rules"), "rules")


@pytest.mark.parametrize("line", [
    "-j DROP", "4", "4 0", "5 0 -j DROP", "4  0", "46-j DROP", "4 0 -A INPUT -j ACCEPT", "4 0 -j DROP\r", "4 0 ", " 4 0 -j DROP",
    "4 0 -t nat -j DROP", "4 0 -s 192.0.2.256/32 -j DROP", '4 0 -m comment --comment "a -j DROP', "4 0 -j DROP --modprobe=/tmp/x", "",
])
def test_what_was_not_packed_is_refused_with_its_place(line):
    text = "46 0 -j RETURN\n%s\n46 2 -j RETURN" % line
    with pytest.raises(DrawbridgeError) as refused:
        unpack(text, "rules")
    assert refused.value.path.startswith("rules[")


def test_a_rule_that_fits_no_wanted_family_is_refused_by_either_way():
    rules = ["-s 192.0.2.1 -j DROP"]
    for given in (rules, pack(rules, "rules")):
        assert rule_lines(given, BOTH, "rules")[0].families == (IPV4,)
        with pytest.raises(DrawbridgeError, match="ip_version leaves out"):
            rule_lines(given, (6,), "rules")
