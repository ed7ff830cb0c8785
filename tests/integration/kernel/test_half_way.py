# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""What fails half-way is taken back whole; what was killed half-way is completed, or undone, by the next run."""
import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.errors import DrawbridgeError
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.kernel.iptables import RestoreFailed, Transport
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.reconcile.user_chain import Section, section_wanted

from tests.integration.kernel.support.policies import policy
from tests.integration.kernel.support.steps import commits, steps

pytestmark = pytest.mark.attack
PAIRS = [(None, "deny"), ("deny", "services"), ("services", "other set"), ("other set", "allow"), ("allow", None), ("deny", "allow")]


class Failing(Transport):
    """Refuses to restore one family, once."""

    def __init__(self, real, family):
        super().__init__(real.system, real.variant)
        self.family = family

    def restore(self, family, text):
        if family == self.family:
            self.family = None
            raise RestoreFailed("the kernel said no", None, "a hint")
        super().restore(family, text)


def _fails(host, wanted, family=6):
    planner, plan = host.planned(wanted)
    planner.netfilter.transport = Failing(planner.netfilter.transport, family)
    before = host.everything()
    with pytest.raises(DrawbridgeError, match="the kernel said no; nothing was changed .a hint") as error:
        host.apply(planner, plan)
    assert error.value.hint == "a hint"
    assert host.everything() == before


@pytest.mark.parametrize("old, new", PAIRS)
@pytest.mark.parametrize("family", [4, 6])
def test_a_family_that_fails_takes_the_other_and_the_sets_back(host, old, new, family):
    # DOCKER-USER and the jump to it are Docker's once they are made, and stay.
    host.converge(policy("services"))
    host.converge(policy(old))
    _fails(host, policy(new), family)
    assert host.converge(policy(new)).plan.is_change


def _section(rules, **changes):
    return section_wanted(Section("web", 500, False, (4, 6), False, True)._replace(**changes), rules, "rules")


def test_on_a_docker_host(host):
    host.docker()
    host.converge(_section(["-j DROP"]))
    _fails(host, _section(["-s 10.0.0.1 -j DROP"], priority=7))
    _fails(host, _section([], present=False))


def test_lines_that_were_purged_come_back_to_their_places(host):
    host.docker()
    for place, line in enumerate(["-s 192.0.2.1 -j DROP", "-s 192.0.2.2 -j DROP", "-s 192.0.2.3 -j ACCEPT"], 1):
        host.iptables("-I DOCKER-USER %d %s" % (place, line))
    host.iptables("-A DOCKER-USER -s 192.0.2.4 -j DROP")
    host.converge(_section(["-j DROP"]))
    _fails(host, _section(["-s 10.0.0.1 -j DROP"], purge=True))


@pytest.mark.parametrize("old, new", PAIRS[:4])
def test_a_run_that_was_killed_is_completed_by_the_next(host, old, new):
    host.converge(policy(old))
    count = len(list(steps(*host.planned(policy(new)))))
    done = host.save(4), host.save(6)
    assert count >= 2
    for killed_after in sorted({0, 1, 2, count // 2, count - 1}):
        host.converge(policy(None))
        host.converge(policy(old))
        planner, plan = host.planned(policy(new))
        walk = steps(planner, plan)
        for _number in range(killed_after):
            next(walk)
        walk.close()
        host.converge(policy(new))
        # Which generation's names its sets have is all that may differ.
        for saved, wanted in zip((host.save(4), host.save(6)), done):
            assert _same_names(saved) == _same_names(wanted)
        assert not host.converge(policy(new)).plan.is_change
        _nothing_is_left(host)


@pytest.mark.parametrize("old, new", PAIRS)
def test_or_taken_back_by_the_next(host, old, new):
    host.converge(policy(old))
    planner, plan = host.planned(policy(new))
    planner.netfilter.ipset.restore(plan.before)
    family, text = commits(plan)[0]
    planner.netfilter.transport.restore(family, text)
    host.converge(policy(old))
    assert not host.converge(policy(old)).plan.is_change
    _nothing_is_left(host)


def _same_names(saved):
    return saved.replace("-4b ", "-4a ").replace("-6b ", "-6a ")


def _nothing_is_left(host):
    assert "DBX-" not in host.save(4) + host.save(6)
    names = host.sh("ipset", "list", "-n").split()
    assert not [name for name in names if name.startswith("DBT-")]
    assert len({name[:-1] for name in names}) == len(names), "two generations of a set"
