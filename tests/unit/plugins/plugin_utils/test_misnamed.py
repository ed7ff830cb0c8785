# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Variables that nothing reads because of one letter."""
import pytest
from ansible_collections.drawbridge.docker.plugins.plugin_utils.variables import misnamed

OPTIONS = ("profile", "state", "confirm_timeout", "restart_engine", "outcome")
WEB = {"published_ports": {"default": "deny"}}


def told(**variables):
    return misnamed("host_policy_", "host_policy__", OPTIONS, variables)


@pytest.mark.parametrize("name, value, words", [
    ("host_policy_web", WEB, "host_policy_web is read by nothing: names of fragments begin with host_policy__"),
    ("host_policy_web", dict(WEB, weight=60), "host_policy_web is read by nothing: names"),
    ("host_policy_profiel", "lockdown", "host_policy_profiel is read by nothing: did you mean host_policy_profile?"),
    ("host_policy_confirmation_timeout", 5, "host_policy_confirmation_timeout is read by nothing: did you mean host_policy_confirm_timeout?"),
])
def test_what_nothing_reads_is_told(name, value, words):
    (warning,) = told(**{name: value, "host_policy__base": WEB})
    assert warning.startswith(words)


def test_what_is_somebody_s_own_is_left_alone():
    assert told(host_policy__web=WEB, host_policy_profile="edge", host_policy_outcome=WEB, other=WEB, host_policy_office=["10.0.0.1"],
                host_policy_ports={"web": 80}, host_policy_empty=None) == []
