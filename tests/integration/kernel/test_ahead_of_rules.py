# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""What a run does ahead of its rules: once they are known to be right and a way back is armed, or not at all."""
import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.errors import DrawbridgeError
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.reconcile.user_chain import Section, section_wanted
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.transaction import change
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.transaction.converge import Settings, begin, commit, planned
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.transaction.host_change import HostChange

SECTION = Section("web", 500, False, (4,), False, True)


class Seen(HostChange):
    """Something to do, which only looks at what rules there are."""

    def __init__(self, host, does):
        self.host, self.does, self.asked, self.found = host, does, [], []

    def changes(self, _netfilter):
        self.asked.append(self.host.rules("DB-USER-web"))
        return self.does

    def narrow(self):
        self.found.append(self.host.rules("DB-USER-web"))


@pytest.fixture(name="run")
def a_run(nft_host):
    """Bring the host to rules, and give what the run found when it came to what goes ahead of them."""
    def go(*rules, check=False, confirm=0, does=True):
        seen = Seen(nft_host, does)
        settings = Settings("nft", 5, check, confirm)
        wanted = section_wanted(SECTION, list(rules), "rules")
        error = None
        try:
            commit(planned(begin(nft_host.system, settings), wanted, settings), settings, seen)
        except DrawbridgeError as refused:
            error = refused
        return seen.asked, seen.found, error

    return go


def test_rules_go_in_after_it(run, nft_host):
    assert run("-s 192.0.2.1 -j DROP") == ([None], [None], None)
    there = [["-s 192.0.2.1/32 -j DROP"]]
    assert run("-s 192.0.2.2 -j DROP", check=True) == (there, [], None)
    assert run("-s 192.0.2.1 -j DROP") == (there, there, None), "where no rule changes"
    assert run("-s 192.0.2.1 -j DROP", does=False) == (there, [], None)
    assert nft_host.rules("DB-USER-web") == ["-s 192.0.2.1/32 -j DROP"]


@pytest.mark.parametrize("check", [True, False])
def test_rules_that_are_refused_leave_it_undone(run, nft_host, check):
    asked, found, error = run("-m set --match-set nowhere src -j DROP", check=check)
    assert asked == found == [] and "nowhere" in str(error)
    assert nft_host.rules("DB-USER-web") is None


def test_no_way_back_leaves_it_undone(run, nft_host, monkeypatch):
    def refuse(*_arguments):
        raise DrawbridgeError("no rollback can be armed")

    monkeypatch.setattr(change, "arm_before_change", refuse)
    _asked, found, error = run("-j DROP", confirm=5)
    assert found == [] and "armed" in str(error) and nft_host.rules("DB-USER-web") is None
