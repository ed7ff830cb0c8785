# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""A host's fragments and profiles, as the controller finds them."""
import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils.errors import DrawbridgeError
from ansible_collections.drawbridge.docker.plugins.module_utils.policy.data import policy_data
from ansible_collections.drawbridge.docker.plugins.plugin_utils.fragments import PROFILES, host_policy, load_profile, plain

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


def test_only_variables_with_the_prefix_are_fragments():
    variables = {"host_policy__web": WEB, "host_policy_profile": "edge", "other": 1, "inventory_hostname": "web1"}
    policy = host_policy("host_policy__", None, variables, Templar())
    assert list(policy_data(policy)) == ["published_ports"]
    assert policy.published_ports.allow[0].path == "host_policy__web.published_ports.allow[0]"


def test_a_host_without_a_fragment_is_an_error_that_names_the_host():
    with pytest.raises(DrawbridgeError) as error:
        host_policy("host_policy__", "edge", {"inventory_hostname": "web1"}, Templar())
    assert "no variable host_policy__* is defined for 'web1'" in str(error.value)


def test_only_what_has_a_template_in_it_is_templated():
    templar = Templar(**{"{{ web }}": WEB})
    host_policy("host_policy__", None, {"host_policy__a": WEB, "host_policy__b": "{{ web }}"}, templar)
    assert templar.asked == ["{{ web }}"]


def test_values_lose_what_ansible_hangs_on_them():
    class Vaulted:
        def __str__(self):
            return "10.0.0.1"

    assert plain({"a": (1, None, True, [Vaulted(), "x"])}) == {"a": [1, None, True, ["10.0.0.1", "x"]]}


@pytest.mark.parametrize("name", PROFILE_NAMES)
def test_profiles_are_policies_that_deny_what_is_published(name):
    policy = load_profile(name).policy
    assert policy.published_ports.default == policy.published_ports.direct == "deny"


def test_the_profiles_are_those_that_are_documented():
    assert sorted(path.stem for path in PROFILES.iterdir()) == PROFILE_NAMES


def test_profiles_that_deny_services_of_the_host():
    assert [name for name in PROFILE_NAMES if load_profile(name).policy.host_services] == ["isolated", "lockdown"]


def test_an_unknown_profile_is_an_error_that_lists_them():
    with pytest.raises(DrawbridgeError) as error:
        load_profile("../edge")
    assert "edge, internal, isolated, lockdown" in str(error.value)
