# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Sections inside containers: which chain, entered from where, with which lines first."""
import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.errors import DrawbridgeError
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.reconcile.ns_chain import PARENTS, NsSection, ns_wanted

SECTION = NsSection("web", 500, "filter", "INPUT", True, True, (4, 6), False, True)
ESTABLISHED = "-m conntrack --ctstate RELATED,ESTABLISHED -j RETURN"
FORGED = "! -i lo -m addrtype --src-type LOCAL -m conntrack ! --ctstatus CONFIRMED -j DROP"


def lines(rules=(), **changes):
    (chain,) = ns_wanted(SECTION._replace(**changes), list(rules), "rules").chains
    assert chain.name == "DB-NS-web"
    return [line.text for line in chain.lines]


@pytest.mark.parametrize("changes, first", [
    ({}, ["-i lo -j RETURN", FORGED, ESTABLISHED]),
    ({"parent": "OUTPUT"}, ["-o lo -j RETURN", ESTABLISHED]),
    ({"parent": "FORWARD"}, [FORGED, ESTABLISHED]),
    ({"loopback": False}, [FORGED, ESTABLISHED]),
    ({"established": False}, ["-i lo -j RETURN"]),
    ({"table": "mangle", "parent": "POSTROUTING"}, ["-o lo -j RETURN"]),
    ({"table": "raw", "parent": "PREROUTING"}, ["-i lo -j RETURN"]),
    ({"table": "nat", "parent": "OUTPUT", "loopback": False}, ["-d 127.0.0.11/32 -j RETURN"]),
    ({"table": "nat", "parent": "POSTROUTING"}, ["-s 127.0.0.11/32 -j RETURN", "-d 127.0.0.11/32 -j RETURN"]),
    ({"table": "nat", "parent": "PREROUTING"}, []),
])
def test_what_passes_first(changes, first):
    assert lines(["-j DROP"], **changes) == first + ["-j DROP"]


def test_the_hook_and_the_chains_that_are_ours():
    wanted = ns_wanted(SECTION._replace(purge=True), [], "rules")
    (hook,) = wanted.hooks
    assert (hook.table, hook.parent, hook.target, hook.priority) == ("filter", "INPUT", "DB-NS-web", 500)
    assert wanted.owned == [(table, "DB-NS-web") for table in PARENTS]
    assert wanted.purge == [("filter", "INPUT")] and wanted.shared == []
    gone = ns_wanted(SECTION._replace(present=False), [], "rules")
    assert (gone.chains, gone.hooks, gone.owned) == ([], [], wanted.owned)


@pytest.mark.parametrize("changes, path", [
    ({"parent": "PREROUTING"}, "chain"),
    ({"table": "raw", "parent": "FORWARD"}, "chain"),
    ({"name": "a" * 23}, "section"),
    ({"name": "a b"}, "section"),
    ({"name": "policy-1"}, "section"),
    ({"name": ""}, "section"),
    ({"priority": -1}, "priority"),
    ({"priority": 10000}, "priority"),
])
def test_what_cannot_be(changes, path):
    with pytest.raises(DrawbridgeError) as caught:
        ns_wanted(SECTION._replace(**changes), [], "rules")
    assert caught.value.path == path
