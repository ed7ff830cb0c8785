# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""What was seen beside the verdict: the first difference."""
import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.rules.saved_ruleset import parse
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.trace.compare import difference
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.trace.headers import Header
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.trace.hits import SeenPacket
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.verdict.walk.path import NOWHERE, EndPoint, Step

from tests.unit.support.verdict_hosts import host, judged, saved

TEXT = saved(nat__PREROUTING=["-p tcp -j DNAT --to-destination 172.17.0.2:80"], filter__FORWARD=["-j DOCKER-USER"],
             filter__DOCKER_USER=["-s 203.0.113.9/32 -j DROP"])


def said(source):
    return judged(host(iptables=TEXT), source=source, to="192.0.2.10:8080")


def as_seen(judgement, detail="rules", chains=(), **changes):
    """The packet as the verdict has it."""
    header = Header(4, judgement.arrived, None, frozenset(), b"")
    end = judgement.end if judgement.end.kind == "interface" else NOWHERE
    seen = SeenPacket(header, header, "eth0", judgement.verdict, "seen", end, judgement.path, detail, [list(place) for place in chains])
    return seen._replace(**changes)


@pytest.mark.parametrize("source", ["203.0.113.9", "203.0.113.10"])
def test_the_same_is_no_difference(source):
    judgement = said(source)
    assert difference(judgement, as_seen(judgement), []) is None
    # Tables of others are not walked.
    foreign = [Step("inet firewalld", "filter_INPUT", 3, "ct state established"), *judgement.path]
    assert difference(judgement, as_seen(judgement, path=foreign), []) is None


def test_differences():
    dropped, passed = said("203.0.113.9"), said("203.0.113.10")
    assert (dropped.verdict, passed.verdict) == ("dropped", "accepted")
    for judgement, seen, words in (
        (dropped, as_seen(dropped, path=passed.path, verdict="accepted"), "the packet met no further rule"),
        (passed, as_seen(passed, path=dropped.path, verdict="dropped"), "the verdict has no further rule"),
        (dropped, as_seen(dropped, verdict="rejected"), "it was seen to be rejected"),
        (passed, as_seen(passed, verdict="unknown"), "the verdict says that it is accepted"),
        (passed, as_seen(passed, end=EndPoint("interface", "172.17.0.2:80, by eth9")), "by eth9"),
        (passed, as_seen(passed, end=EndPoint("host", "the host")), "it was seen to come to the host"),
        (passed, as_seen(passed, path=[passed.path[0]._replace(change="destination is 172.17.0.9:80"), *passed.path[1:]]), "172.17.0.9:80"),
    ):
        assert words in (difference(judgement, seen, []) or ""), words


def test_chains():
    judgement, rulesets = said("203.0.113.9"), [parse(TEXT)]
    there, nowhere = [("nft", "filter", "DOCKER-USER")], []
    assert difference(judgement, as_seen(judgement, "chains", there, verdict="dropped"), rulesets) is None
    assert "DOCKER-USER" in difference(judgement, as_seen(judgement, "chains", nowhere), rulesets)
    # What the last chain did is not seen: neither agrees nor differs.
    assert difference(judgement, as_seen(judgement, "chains", there, verdict="unknown"), rulesets) is None
