# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""A policy by the clock: what is over is left out, and what is too far ahead is refused."""
import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.errors import DrawbridgeError
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.rules.timed_entries import MOST_SECONDS, seconds_of
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.compile.compile import own_sets
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.language.over import without_over
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.language.schema import parse_policy

END = "2026-12-01T18:00:00Z"
NOW = seconds_of(END) - 60


def policy(*members):
    return parse_policy({"address_sets": {"a": [*members, "192.0.2.1"], "b": ["192.0.2.2"]}})


def member(address, until=END):
    return {"address": address, "until": until}


def test_what_is_not_over_stays():
    wanted = policy(member("192.0.2.7"))
    assert without_over(wanted, NOW) == (wanted, [])
    assert without_over(policy(), NOW) == (policy(), [])
    (made, plain) = own_sets(wanted).values()
    assert made.type.options == "timeout 0 comment" and made.entries == {4: {"192.0.2.1", "192.0.2.7 until " + END}, 6: frozenset()}
    assert plain.type.options == ""


def test_what_is_over_is_told_and_left_out():
    wanted = policy(member("192.0.2.7"), member("::7", "2020-01-01T00:00Z"), *(member("10.0.0.%d" % last, "2020-01-01T00:00Z") for last in range(7)))
    found, (warning,) = without_over(wanted, NOW)
    assert found == policy(member("192.0.2.7"))
    assert warning.startswith("policy.address_sets.a: over, and left out: 10.0.0.0 (until 2020-01-01T00:00:00Z), 10.0.0.1") and " and 3 more" in warning
    found, (warning,) = without_over(wanted, NOW + 60)
    assert found == policy() and "192.0.2.7" not in warning and " and 4 more" in warning


def ports(*entries, **more):
    return parse_policy({"published_ports": {"default": "allow", "allow": [{"port": 80, **entry} for entry in entries], **more}})


def test_an_entry_that_is_over_lets_nobody_in():
    """Its port does not open to all."""
    wanted = ports({"sources": ["any"], "until": END, "mode": "observe", "comment": "x", "limit": {"rate": "1/hour"}})
    assert without_over(wanted, NOW) == (wanted, [])
    found, (warning,) = without_over(wanted, NOW + 60)
    assert found.published_ports.allow == ports({"sources": [], "mode": "observe"}).published_ports.allow
    assert warning == "policy.published_ports.allow[0]: it was over at %s, and lets nobody in; take it out of the policy, or give it a later time" % END


def test_entries_beside_one_that_is_over_stay():
    wanted = ports({"sources": ["192.0.2.1"]}, {"sources": ["any"], "until": END}, {"sources": ["192.0.2.2"], "interfaces": ["wg0"]})
    assert len(wanted.published_ports.allow) == 3
    found, _warnings = without_over(wanted, NOW + 60)
    assert {(entry.sources.everybody, *entry.sources.addresses[4]) for entry in found.published_ports.allow} == {(False, "192.0.2.1"), (False, "192.0.2.2")}


def test_entries_with_the_same_end_add_up():
    same = ports({"sources": ["192.0.2.1"], "until": END}, {"sources": ["192.0.2.2"], "until": "2026-12-01T19:00+01:00"})
    (entry,) = same.published_ports.allow
    assert entry.sources.addresses[4] == {"192.0.2.1", "192.0.2.2"} and not entry.lets_everybody_in
    (made,) = own_sets(same).values()
    assert made.name == "until-20261201T180000Z" and made.entries == {4: {"0.0.0.0/0 until " + END}, 6: {"::/0 until " + END}}
    assert not ports({"sources": ["any"], "until": END}).published_ports.allow[0].lets_everybody_in


def test_entries_too_far_ahead_are_refused():
    with pytest.raises(DrawbridgeError, match="too far ahead") as refused:
        without_over(ports({"sources": [], "until": END}), NOW + 59 - MOST_SECONDS)
    assert refused.value.path == "policy.published_ports.allow[0].until"


def test_what_the_kernel_cannot_count_to_is_refused():
    assert without_over(policy(member("192.0.2.7")), NOW + 60 - MOST_SECONDS)[1] == []
    with pytest.raises(DrawbridgeError, match="too far ahead: the kernel counts 24 days at most") as refused:
        without_over(policy(member("192.0.2.7")), NOW + 59 - MOST_SECONDS)
    assert refused.value.path == "policy.address_sets.a" and "an earlier time than 2026-12-01T17:59:59Z" in refused.value.hint
