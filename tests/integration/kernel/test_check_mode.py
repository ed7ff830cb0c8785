# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Check mode says exactly what the run then does, and touches nothing at all."""
import re

import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.reconcile.diff import before_and_after
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.compile.compile import compile_policy
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.language.schema import parse_policy

from tests.integration.kernel.support.policies import HOST, POLICIES, policy

FOREIGN = "*filter\n:DOCKER-USER - [0:0]\n-A FORWARD -j DOCKER-USER\n-A DOCKER-USER -s 203.0.113.9/32 -j ACCEPT\n-A DOCKER-USER -j RETURN\nCOMMIT\n"


def _is_predicted(host, act, **arguments):
    """Run in check mode, then in earnest, then again."""
    before = host.everything()
    predicted = act(check=True, **arguments).result()
    assert host.everything() == before, "check mode changed something"
    done = act(**arguments).result()
    assert done == predicted
    assert done["changed"] == (host.everything() != before)
    again = act(**arguments).result()
    assert not again["changed"] and not again["diff"]["before"] and not again["diff"]["after"]
    return done


def _holds(host, after):
    """Every line of the predicted text is what the kernel holds, whatever generation its sets are."""
    family = 4
    for line in after.splitlines():
        if line.startswith("# ip"):
            family = 6 if line.startswith("# ip6") else 4
        elif line.startswith("-A "):
            assert line + "\n" in re.sub(r"\b(DBP-\S+-[46])[ab]\b", r"\1", host.save(family))


SECTIONS = [
    {"rules": ["-s 10.1.2.3/8 -p tcp --dport http -j DROP", {"source": ["192.0.2.1", "2001:db8::/32"], "jump": "RETURN"}]},
    {"rules": ["-p tcp --dport http -s 10.1.2.3/8 -j DROP", "-j DROP"]},
    {"rules": ["-j DROP"], "priority": 20},
    {"rules": ["-j DROP"], "priority": 20, "established": True},
    {"rules": ["-j DROP"], "name": "second"},
    {"rules": ["-j DROP"], "name": "second", "families": (6,)},
    {"rules": ["-j DROP"], "purge": True},
    {"rules": [], "present": False},
]


@pytest.mark.parametrize("foreign", ["", FOREIGN], ids=["empty", "docker"])
def test_sections(host, foreign):
    if foreign:
        host.restore(foreign)
    for arguments in SECTIONS:
        done = _is_predicted(host, host.section, **arguments)
        assert done["changed"], arguments
        _holds(host, done["diff"]["after"])


def test_a_set_that_is_not_there_is_told_with_its_place(host):
    """The run refuses it, unless a task before this one makes it, which in check mode none does."""
    wanted = compile_policy(parse_policy({"published_ports": {"allow": [{"port": 80, "sources": ["@ofice"]}]}}), HOST)
    assert host.converge(wanted, check=True).warnings == [
        "policy.published_ports.allow[0].sources[0]: there is no address set '@ofice' yet, which is an error in the run unless a task makes it before"
        " this one; check mode takes it for an empty one"]


def test_a_hook_that_has_to_move(host):
    host.restore(FOREIGN)
    host.section(["-j DROP"])
    host.iptables("-I DOCKER-USER -j ACCEPT")
    assert _is_predicted(host, host.section, rules=["-j DROP"])["changed"]


def test_whole_policies_one_after_the_other(host):
    for name in list(POLICIES) + sorted(POLICIES):
        wanted = policy(name)
        done = _is_predicted(host, host.converge, wanted=wanted)
        _holds(host, done["diff"]["after"])
    assert _is_predicted(host, host.converge, wanted=policy(None))["changed"]
    assert host.entries("DBP-office-4a") is None and "DB-" not in host.save(4) + host.save(6)


SETS = [
    {"entries": ["192.0.2.0/24", "2001:db8::/32"]},
    {"entries": ["192.0.2.1/24", "10.0.0.1-10.0.0.7", "0.0.0.0/0"]},
    {"entries": ["198.51.100.7"], "mode": "add"},
    {"entries": ["198.51.100.7/32", "203.0.113.1"], "mode": "remove"},
    {"entries": ["192.0.2.1,tcp:http"], "kind": "hash:ip,port"},
    {"entries": [], "present": False},
]


def test_address_sets(nft_host):
    for arguments in SETS:
        before = nft_host.everything()
        predicted = before_and_after(nft_host.address_set("office", check=True, **arguments))
        assert nft_host.everything() == before
        plan = nft_host.address_set("office", **arguments)
        assert plan.is_change and before_and_after(plan) == predicted, arguments
        for line in predicted["after"].splitlines():
            assert line.startswith(("#", "create")) or line + "\n" in nft_host.sh("ipset", "save")
        assert not nft_host.address_set("office", **arguments).is_change, arguments


def test_a_section_whose_set_an_earlier_task_would_have_made(host):
    outcome = host.section([{"source": "@office", "jump": "DROP"}], check=True)
    assert outcome.plan.is_change and any("@office" in warning for warning in outcome.warnings)
    predicted = outcome.result()
    host.address_set("office", [])
    assert host.section([{"source": "@office", "jump": "DROP"}]).result() == predicted
