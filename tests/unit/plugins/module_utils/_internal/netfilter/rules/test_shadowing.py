# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Rules that can never match: found where it is certain, and nowhere else."""
import itertools
import time
from typing import NamedTuple

import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.address import IPV4
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.reconcile.user_chain import Section, section_wanted
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.rules.desired import Chain, Line
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.rules.shadowing import shadow_warnings, shadowed
from hypothesis import given, settings
from hypothesis import strategies as st


def dead(*texts):
    lines = [Line(text, path=str(index)) for index, text in enumerate(texts)]
    return {int(line.path): tuple(int(by.path) for by in taken) for line, taken in shadowed(lines)}


@pytest.mark.parametrize("first, second", [
    ("-j DROP", "-p tcp -j ACCEPT"),
    ("-j DROP", "-p tcp -m connlimit --connlimit-above 5 -j ACCEPT"),
    ("-j RETURN", "-j DROP"),
    ("-g DB-OTHER", "-s 10.0.0.1/32 -j DROP"),
    ("-s 10.0.0.0/8 -j DROP", "-s 10.1.0.0/16 -p tcp -j ACCEPT"),
    ("! -s 10.1.0.0/16 -j DROP", "! -s 10.0.0.0/8 -j ACCEPT"),
    ("-i eth+ -j DROP", "-i eth0 -j ACCEPT"),
    ("-p tcp -m tcp --dport 1:1024 -j DROP", "-p tcp -m tcp --dport 22 -j ACCEPT"),
    ("-p tcp -j DROP", "-p tcp -m tcp --dport 22 -j ACCEPT"),
    ("-m conntrack --ctstate RELATED,ESTABLISHED -j RETURN", "-m conntrack --ctstate ESTABLISHED -j DROP"),
    ("-m conntrack --ctstate RELATED,ESTABLISHED -j RETURN", "-i eth0 -m state --state ESTABLISHED -j ACCEPT"),
    ("-m set ! --match-set allow src -j DROP", "-p tcp -m set ! --match-set allow src -j ACCEPT"),
    ("-s 10.0.0.0/8 -m comment --comment \"-j ACCEPT\" -j DROP", "-s 10.0.0.0/8 -j ACCEPT"),
    ("-p tcp -j REJECT --reject-with tcp-reset", "-p tcp -j ACCEPT"),
    ("-s 2001:db8::/32 -j DROP", "-s 2001:db8:1::/48 -j ACCEPT"),
])
def test_found(first, second):
    assert dead(first, second) == {1: (0,)}


@pytest.mark.parametrize("first, second", [
    ("-p tcp -j DROP", "-j ACCEPT"),
    ("-s 10.1.0.0/16 -j DROP", "-s 10.0.0.0/8 -j ACCEPT"),
    ("! -s 10.0.0.0/8 -j DROP", "! -s 10.1.0.0/16 -j ACCEPT"),
    ("! -s 10.0.0.0/8 -j DROP", "-s 10.1.0.0/16 -j ACCEPT"),
    ("-j LOG --log-prefix x", "-j DROP"),
    ("-j OTHER", "-j DROP"),
    ("", "-j DROP"),
    ("-m limit --limit 5/min -j ACCEPT", "-j DROP"),
    ("-p tcp -m connlimit --connlimit-above 5 -j DROP", "-p tcp -j ACCEPT"),
    ("-m string --string \"-j DROP\" --algo bm -j DROP", "-j ACCEPT"),
    ("-m set ! --match-set allow src -j DROP", "-m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"),
    ("-m set --match-set allow src -j DROP", "-m set --match-set allow dst -j ACCEPT"),
    ("-m set --match-set allow src -j DROP", "-m set --match-set other src -j ACCEPT"),
    ("-m conntrack --ctstate ESTABLISHED -j RETURN", "-m conntrack --ctstate RELATED,ESTABLISHED -j DROP"),
    ("-i eth0 -j DROP", "-i eth+ -j ACCEPT"),
    ("-p tcp -m tcp --dport 22 -j DROP", "-p udp -m udp --dport 22 -j ACCEPT"),
    ("-p tcp -m tcp --dport http -j DROP", "-p tcp -m tcp --dport 80 -j ACCEPT"),
    ("-s 0.0.0.0/0 -d 10.0.0.1/32 -j DROP", "-d 10.0.0.1/32 -j ACCEPT"),
    # Matches behind the target, and modules that ask without an option.
    ("-j DROP -s 10.0.0.0/8", "-j ACCEPT"),
    ("-m rpfilter -j DROP", "-j ACCEPT"),
    ("-m limit -j ACCEPT", "-j DROP"),
    ("-m set --match-set allow src --return-nomatch -j DROP", "-m set --match-set allow src -j DROP"),
    ("-m addrtype --dst-type LOCAL --limit-iface-in -j DROP", "-m addrtype --dst-type LOCAL -j DROP"),
    ("-p tcp -m set --match-set a src -m set --match-set b src -j DROP", "-p tcp -m set --match-set a src -j ACCEPT"),
])
def test_not_found(first, second):
    assert dead(first, second) == {}


def test_two_that_take_everything_between_them():
    allow = "-i eth0 -m set --match-set allow src -j RETURN"
    others = "-i eth0 -m set ! --match-set allow src -j DROP"
    public = "-i eth0 -p tcp -m tcp --dport 443 -j ACCEPT"
    assert dead(others, allow, public, "-i eth1 -j DROP", "-j RETURN") == {2: (0, 1)}
    assert dead(allow, public, others) == {}
    assert dead("-p tcp -j DROP", "! -p tcp -j DROP", "-j ACCEPT") == {2: (0, 1)}


def test_families_are_apart():
    first, second = Line("-j DROP", (IPV4,), "a"), Line("-p tcp -j ACCEPT", path="b")
    assert shadowed([first, second]) == []
    assert shadowed([first, second._replace(families=(IPV4,))])


def test_the_sections_own_first_line_is_named_too():
    section = Section("web", 500, True, (4, 6), False, True)
    wanted = section_wanted(section, ["-m state --state ESTABLISHED -j ACCEPT", {"jump": "DROP"}, {"protocol": "tcp", "jump": "RETURN"}], "rules")
    assert shadow_warnings(wanted.chains) == [
        "rules[0] can never match: the line '-m conntrack --ctstate RELATED,ESTABLISHED -j RETURN' before all others takes all that it would",
        "rules[2] can never match: rules[1] takes all that it would",
    ]


# A small world: whole packets are a source, a protocol, a port, and whether the source is in the set.
PACKETS = list(itertools.product(range(5), ("tcp", "udp"), (1, 2, 3, 4), (True, False)))
SOURCES = {"10.0.0.0/8": range(4), "10.1.0.0/16": range(1, 2), "10.2.0.0/16": range(2, 3)}
SERVED = {"1:3": (1, 2, 3), "2": (2,), "3": (3,)}
NEGATED = (("", False), ("! ", True))


class Match(NamedTuple):
    """The words of a rule's match, and the packets that it is about."""

    words: str
    packets: frozenset


def about(words, test):
    return Match(words, frozenset(packet for packet in PACKETS if test(*packet)))


ANY = about("", lambda *_packet: True)
FROM = [ANY] + [about("%s-s %s " % (no, name), lambda source, *_rest, held=held, negated=negated: (source in held) != negated)
                for name, held in SOURCES.items() for no, negated in NEGATED]
TO = [ANY]
for _protocol in ("tcp", "udp"):
    TO.append(about("-p %s " % _protocol, lambda _source, protocol, *_rest, own=_protocol: protocol == own))
    TO += [about("-p %s -m %s %s--dport %s " % (_protocol, _protocol, no, name), lambda _source, protocol, port, _member, own=_protocol, held=held,
                 negated=negated: protocol == own and (port in held) != negated) for name, held in SERVED.items() for no, negated in NEGATED]
OF = [ANY] + [about("-m set %s--match-set a src " % no, lambda _source, _protocol, _port, member, negated=negated: member != negated)
              for no, negated in NEGATED]
RULES = [Match("".join(match.words for match in matches) + "-j " + target, frozenset.intersection(*(match.packets for match in matches)))
         for target in ("DROP", "RETURN", "LOG") for matches in itertools.product(FROM, TO, OF)]


@settings(max_examples=2000)
@given(st.lists(st.sampled_from(RULES), min_size=2, max_size=8))
def test_never_wrong_on_any_chain(rules):
    """Every packet of the small world through a chain: what is said to be dead is never reached."""
    for index in dead(*(rule.words for rule in rules)):
        taken = frozenset().union(*(rule.packets for rule in rules[:index] if not rule.words.endswith("LOG")))
        assert rules[index].packets <= taken


@pytest.mark.parametrize("target", ["DROP", "RETURN"])
def test_what_no_packet_can_reach_is_told(target):
    """So that the test above is one of something."""
    assert all(1 in dead("-j " + target, rule.words) for rule in RULES)


def test_a_long_chain_is_quick():
    lines = [Line("-s 10.%d.%d.0/24 -p tcp -m tcp --dport %d -j DROP" % (n // 250, n % 250, n + 1), path=str(n)) for n in range(2000)]
    started = time.perf_counter()
    assert shadow_warnings([Chain("filter", "X", lines)]) == []
    assert time.perf_counter() - started < 5
