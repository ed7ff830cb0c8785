# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Names tell what is ours."""
import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.rules.ownership import (
    is_ours,
    owned_set,
    owned_set_prefix,
    owns,
    staged,
    user_set,
)


@pytest.mark.parametrize("chain, ours", [
    ("DB-GUARD", True), ("DB-USER-web", True), ("DBX-DB-GUARD", True), ("DOCKER-FILTER", True), ("DOCKER", False), ("DOCKER-USER", False),
    ("DOCKER-FILTERS", False), ("DB", False), ("DBASE", False), ("", False), ("f2b-DB-x", False),
])
def test_chains(chain, ours):
    assert is_ours(chain) is ours


OWNED = [("filter", "DB-INPUT"), ("mangle", "DB-GUARD*")]


@pytest.mark.parametrize("table, chain, owned", [
    ("filter", "DB-INPUT", True), ("filter", "DB-INPUT-OUT", False), ("mangle", "DB-INPUT", False), ("mangle", "DB-GUARD-LOCAL", True),
    ("mangle", "DB-GUARD", True), ("filter", "DBX-DB-INPUT", True), ("filter", "DBX-DB-OTHER", False), ("nat", "DB-GUARD", False),
])
def test_what_an_owner_may_write(table, chain, owned):
    assert owns(OWNED, table, chain) is owned


def test_no_owner_has_anothers_sets():
    names = [user_set("x", 4), owned_set("P", "x", 4, "a"), owned_set("F", "x", 4, "a"), owned_set("P", "x", 6, "a"), owned_set("P", "x", 4, "b")]
    assert len(set(names)) == len(names)
    assert [name.startswith(owned_set_prefix("P")) for name in names] == [False, True, False, True, True]


def test_a_staged_chain_is_ours_and_fits():
    assert is_ours(staged("DB-USER-policy-DNAT")) and len(staged("DB-INPUT-PROXY-PORTS")) <= 28
