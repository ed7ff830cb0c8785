# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""What a chain that nothing leads to says of the record in force and of the policy's sets."""
from ansible_collections.drawbridge.docker.plugins.module_utils.netfilter.model import Chain, Line, Wanted
from ansible_collections.drawbridge.docker.plugins.module_utils.netfilter.save import Ruleset, SavedChain
from ansible_collections.drawbridge.docker.plugins.module_utils.policy.in_force import marked, record_in_force, with_own_sets
from ansible_collections.drawbridge.docker.plugins.module_utils.policy.owners import POLICY_LASTING

NAME = "0123456789abcdef" * 2
MARK = '-m comment --comment "drawbridge:record:%s" -j RETURN'


def rulesets(*rules):
    table, chain = POLICY_LASTING
    return {4: Ruleset({table: {chain: SavedChain("-", list(rules), [])}})}


def test_the_record_that_is_in_force():
    assert record_in_force(rulesets("-j RETURN", MARK % NAME)) == NAME
    assert marked("*filter\n-A DB-X %s\nCOMMIT\n" % (MARK % NAME)) == NAME


def test_words_about_a_record_are_no_mark():
    for comment in ("see drawbridge:record:" + NAME, "drawbridge:record:" + NAME + " and more", "drawbridge:record:x"):
        assert marked('-A DB-X -m comment --comment "%s" -j RETURN' % comment) is None


def test_own_sets_are_called_as_the_kernel_has_them():
    held = rulesets("-m set --match-set DBP-office-4b src -j RETURN", '-m comment --comment "--match-set DBP-site-4a src " -j RETURN')
    wanted = Wanted([Chain("nat", "X", [Line("-m set --match-set @%s src -j DROP" % name) for name in ("office", "office2", "site")])], [], [])
    lines = with_own_sets(wanted, held).chains[0].lines
    assert [line.text.split()[3] for line in lines] == ["DBP-office-4b", "@office2", "@site"]
