# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Sets whose feeds cannot be used: whoever names one gets what the host holds, or an error; nobody gets an empty one."""
import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.errors import DrawbridgeError
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.kernel import ipset
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.kernel.ipset import LiveSet
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.rules.desired import SetType
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.language.schema import parse_policy
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy_pipeline.desired import with_last_good, without_failed

ENTRY = {"port": 80, "sources": ["@x"]}
DEAD = {"fetched": {"least": 1, "most": 9, "inside": [], "entries": [], "failure": "dead"}}
# Every place where a policy names a set.
NAMING = [
    {"published_ports": {"allow": [ENTRY]}}, {"published_ports": {"deny": ["@x"]}}, {"published_ports": {"routed": [ENTRY]}},
    {"host_services": {"allow": [ENTRY]}}, {"host_services": {"deny": ["@x"]}}, {"host_services": {"swarm": ["@x"]}},
    {"egress": {"allow": [{"destination": "@x"}]}}, {"egress": {"deny": [{"destination": ["@x"]}]}}, {"egress": {"dns": ["@x"]}},
    {"egress": {"networks": {"a": {"allow": [{"destination": "@x"}]}}}}, {"egress": {"containers": [{"name": "a", "deny": [{"destination": "@x"}]}]}},
    {"open_ports": [{"name": "a", "port": 80, "container_port": 80, "sources": ["@x"]}]},
    {"tests": [{"from": "@x", "to": 80, "expect": "deny"}]}, {"tests": [{"from": "any", "except": ["@x"], "to": 80, "expect": "deny"}]},
]


@pytest.fixture(name="kernel")
def what_the_kernel_holds(monkeypatch):
    held = {}
    live = {}
    monkeypatch.setattr(ipset.Ipset, "headers", lambda _ipset: live)
    monkeypatch.setattr(ipset.Ipset, "entries", lambda _ipset, names: {name: held[name] for name in names})

    def hold(name, *entries, references=0, kind="hash:net"):
        live[name] = LiveSet(name, SetType(kind), 4, references=references)
        held[name] = frozenset(entries)

    return hold


def policy(raw, feed=None):
    return parse_policy({"address_sets": {"x": feed or DEAD, "y": ["192.0.2.1"]}, **raw})


@pytest.mark.parametrize("raw", NAMING, ids=str)
def test_whoever_names_it_gets_what_the_host_holds_or_an_error(raw, kernel):
    with pytest.raises(DrawbridgeError, match="no content from before: dead") as error:
        with_last_good(None, policy(raw))
    assert error.value.path == "policy.address_sets.x"
    kernel("DBP-x-4a", "1.1.1.1")
    found, (warning,) = with_last_good(None, policy(raw))
    assert found.address_sets["x"].addresses == {4: {"1.1.1.1"}, 6: set()} and found.address_sets["y"] == policy(raw).address_sets["y"]
    assert warning == "policy.address_sets.x: the feed cannot be used, so the 1 entries from before are kept: dead"


@pytest.mark.parametrize("raw", [{}, {"published_ports": {"allow": [{"port": 80, "sources": ["@y", "any"]}]}}])
def test_a_set_that_nobody_names(raw):
    found, (warning,) = with_last_good(None, policy(raw))
    assert set(found.address_sets) == {"y"} and "nothing names this set: dead" in warning


def test_what_was_fetched_or_not_fed_is_left_alone(monkeypatch):
    monkeypatch.setattr(ipset.Ipset, "headers", None)
    good = policy(NAMING[0], {"fetched": {**DEAD["fetched"], "entries": ["1.1.1.1"], "failure": None}})
    assert with_last_good(None, good) == (good, ()) and without_failed(good) == (good, [])


def test_sets_of_others_are_no_content(kernel):
    for name in ("DB-x-4", "DBE-x-4a", "DBP-xx-4a", "DBT-x"):
        kernel(name, "1.1.1.1")
    kernel("DBP-x-4a", "1.1.1.1,80", kind="hash:ip,port")
    with pytest.raises(DrawbridgeError, match="no content from before"):
        with_last_good(None, policy(NAMING[0]))


def test_a_feed_that_nobody_fetched_is_a_dead_one(kernel):
    kernel("DBP-x-4a", "1.1.1.1")
    kernel("DBP-x-4b", "1.0.0.1", "1.0.0.2", references=1)
    found, (warning,) = with_last_good(None, policy(NAMING[0], {"url": "https://127.0.0.1/"}))
    assert found.address_sets["x"].addresses[4] == {"1.0.0.1", "1.0.0.2"} and "it was not fetched" in warning


def test_where_the_set_is_not_held_it_is_unknown():
    found, (warning,) = without_failed(policy(NAMING[0]))
    assert set(found.address_sets) == {"y"} and warning == "policy.address_sets.x: the feed cannot be used: dead"
