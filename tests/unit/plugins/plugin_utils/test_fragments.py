# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""A host's fragments and profiles, as the controller finds them."""
import os

import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.errors import DrawbridgeError
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.merge.merge import parse_profile
from ansible_collections.drawbridge.docker.plugins.plugin_utils.fragments import PROFILES, fragments, profile
from ansible_collections.drawbridge.docker.plugins.plugin_utils.variables import plain

WEB = {"published_ports": {"allow": [{"port": 80, "sources": ["any"]}]}}
PROFILE_NAMES = ["edge", "internal", "isolated", "lockdown"]


class Templar:
    """Says what it was asked to template."""

    def __init__(self, **answers):
        self.answers = answers
        self.asked = []

    def template(self, value):
        self.asked.append(value)
        return self.answers[value]


def policy_of(name):
    return parse_profile(name, profile(name)).policy


def test_only_variables_with_the_prefix_are_fragments():
    variables = {"host_policy__web": WEB, "host_policy_profile": "edge", "other": 1, "inventory_hostname": "web1"}
    assert fragments("host_policy__", variables, Templar()) == {"host_policy__web": WEB}


def test_a_host_without_a_fragment_is_an_error_that_names_the_host():
    with pytest.raises(DrawbridgeError) as error:
        fragments("host_policy__", {"inventory_hostname": "web1"}, Templar())
    assert "no variable host_policy__* is defined for 'web1'" in str(error.value)


def test_what_is_no_variables_name_is_no_prefix():
    with pytest.raises(DrawbridgeError) as error:
        fragments("a b", {}, Templar())
    assert str(error.value).startswith("fragments: 'a b' is not the beginning")


def test_only_what_has_a_template_in_it_is_templated():
    templar = Templar(**{"{{ web }}": WEB})
    assert fragments("host_policy__", {"host_policy__a": WEB, "host_policy__b": "{{ web }}"}, templar) == {
        "host_policy__a": WEB, "host_policy__b": WEB}
    assert templar.asked == ["{{ web }}"]


def test_what_is_omitted_is_not_there():
    """Up to ansible-core 2.18 omit is a text of its own, which only a task's own arguments are freed of."""
    omit = "__omit_place_holder__1"
    entry = {"port": 80, "address": omit, "sources": ["any", omit]}
    templar = Templar(**{"{{ web }}": {"published_ports": {"allow": [entry, omit], "default": omit}}, "{{ nothing }}": omit})
    assert fragments("host_policy__", {"host_policy__a": "{{ web }}", "omit": omit}, templar) == {"host_policy__a": WEB}
    assert fragments("host_policy__", {"host_policy__a": "{{ nothing }}", "omit": omit}, templar) == {"host_policy__a": None}


def test_values_lose_what_ansible_hangs_on_them():
    class Vaulted:
        def __str__(self):
            return "10.0.0.1"

    assert plain({"a": (1, None, True, [Vaulted(), "x"])}) == {"a": [1, None, True, ["10.0.0.1", "x"]]}


@pytest.mark.parametrize("name", PROFILE_NAMES)
def test_profiles_are_policies_that_deny_what_is_published(name):
    policy = policy_of(name)
    assert policy.published_ports.default == policy.published_ports.direct == "deny"


def test_the_profiles_are_those_that_are_documented():
    assert sorted(file[:-4] for file in os.listdir(PROFILES)) == PROFILE_NAMES


def test_profiles_that_deny_services_of_the_host():
    assert [name for name in PROFILE_NAMES if policy_of(name).host_services] == ["isolated", "lockdown"]


def test_no_profile_says_nothing():
    assert profile(None) is None


def test_an_unknown_profile_is_an_error_that_lists_them():
    with pytest.raises(DrawbridgeError) as error:
        profile("../edge")
    assert "edge, internal, isolated, lockdown" in str(error.value)
