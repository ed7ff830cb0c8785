# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Input that no kernel may come to see, and input that only the kernel can refuse: an error with its place, nothing changed."""
import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.errors import DrawbridgeError
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.rules.structured import compile_rules
from hypothesis import HealthCheck, given, settings

from tests.unit.support.malformed_rules import RULES

REFUSED_BY_THE_KERNEL = [
    "-m nosuchmatch -j DROP", "-j NOSUCHTARGET", "-j DB-USER-web", "-j DB-NOSUCH", "-g DB-NOSUCH", "-p tcp --dport nosuchservice -j DROP",
    "-p tcp --dport 70000 -j DROP", "-p tcp -m tcp --dport 70000 -j DROP", "-p tcp -m tcp --dport 90:80 -j DROP", "--dport 80 -j DROP",
    "-j MASQUERADE", "-j DNAT --to-destination 192.0.2.1", "-i sixteen-letters- -j DROP",
    "-m set --match-set nosuchset src -j DROP", "-m set --match-set %s src -j DROP" % ("x" * 32), "-p 300 -j DROP", "-j DROP DROP",
    "-m conntrack --ctstate SLEEPING -j DROP", "-j REJECT --reject-with nothing",
    {"jump": "DROP", "protocol": "nosuchprotocol"}, {"jump": "NOSUCH"}, {"jump": "DROP", "source": "@nosuch"}, {"jump": "DROP", "match": "nosuch"},
    {"jump": "DROP", "limit": "often"}, {"jump": "LOG", "log_prefix": "é" * 29}, {"jump": "DROP", "uid_owner": "nosuchuser"},
    {"jump": "DROP", "protocol": "icmp", "icmp_type": "nosuch"}, {"jump": "REJECT", "reject_with": "icmp-nosuch"},
]


def is_compiled(rule):
    try:
        compile_rules([rule], "rules")
    except DrawbridgeError:
        return False
    return True


@pytest.mark.parametrize("check", [False, True])
def test_the_rule_that_the_kernel_refuses_is_named(host, check):
    host.section(["-s 192.0.2.1 -j DROP"])
    before = host.everything()
    good = "-p udp --dport domain -j RETURN"
    for rule in REFUSED_BY_THE_KERNEL:
        if check and rule == {"jump": "DROP", "source": "@nosuch"}:
            continue
        with pytest.raises(DrawbridgeError) as error:
            host.section([good] * 5 + [rule] + [good] * 5, check=check)
        assert error.value.path.startswith("rules[5]"), (rule, str(error.value))
        assert "\n" not in str(error.value)
    assert host.everything() == before


def test_sections_that_go_round_in_circles_are_refused(host):
    host.section([], "inner")
    host.section(["-j DB-USER-inner"], "outer")
    before = host.everything()
    for check in (True, False):
        with pytest.raises(DrawbridgeError, match="DB-USER-inner -> DB-USER-outer -> DB-USER-inner") as error:
            host.section(["-j DROP", "-j DB-USER-outer"], "inner", check=check)
        assert error.value.path == "rules[1]"
    assert host.everything() == before


@pytest.mark.parametrize("section, place", [
    ({"name": "x" * 21}, "section"), ({"name": ""}, "section"), ({"name": "a b"}, "section"), ({"name": "a\n-A X"}, "section"),
    ({"name": "-x"}, "section"), ({"name": "policy"}, "section"), ({"name": "policy-DNAT"}, "section"), ({"name": "é"}, "section"),
    ({"priority": -1}, "priority"), ({"priority": 10000}, "priority"),
])
def test_sections_that_cannot_be(nft_host, section, place):
    with pytest.raises(DrawbridgeError) as error:
        nft_host.section(["-j DROP"], **section)
    assert error.value.path == place
    assert nft_host.everything() == ("", "", "")


@pytest.mark.parametrize("family, rule", [(4, "-s 2001:db8::1 -j DROP"), (6, {"source": "192.0.2.1", "jump": "DROP"}), (4, "-p ipv6-icmp -j DROP")])
def test_a_rule_for_the_family_that_the_section_is_not_for(nft_host, family, rule):
    with pytest.raises(DrawbridgeError) as error:
        nft_host.section(["-j DROP", rule], families=(family,))
    assert error.value.path == "rules[1]"
    assert nft_host.everything() == ("", "", "")


@settings(max_examples=60, suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(RULES.filter(is_compiled))
def test_malformed_rules_that_look_like_rules(host, rule):
    """Those of the unit test that only iptables can judge: refused by it with their place, or loaded as one rule."""
    host.section(["-s 192.0.2.1 -j DROP"])
    before = host.everything()
    lines = compile_rules([rule], "rules")
    try:
        plan = host.section([rule], check=True).plan
    except DrawbridgeError as error:
        assert error.path == "rules[0]"
    else:
        for family, part in plan.families.items():
            assert set(part.new) == {"filter"}
            assert set(part.new["filter"].chains) == {"DB-USER-web"}
            written = [line for line in lines if family in line.families]
            assert len(part.new["filter"].chains["DB-USER-web"]) >= len(written)
    assert host.everything() == before
