# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""The host's errors in the user's own places."""
import pytest
from ansible_collections.drawbridge.docker.plugins.action.host_policy import in_users_places

WRITTEN = {
    "policy.published_ports": "host_policy__web.published_ports",
    "policy.published_ports.allow[3]": "host_policy__web.published_ports.allow[1]",
    "policy.published_ports.allow[3].sources[1]": "host_policy__web.published_ports.allow[1].sources[0]",
}


@pytest.mark.parametrize("message, expected", [
    ("policy.published_ports.allow[3].sources[1]: unknown address set",
     "host_policy__web.published_ports.allow[1].sources[0]: unknown address set"),
    ("policy.published_ports.allow[3].sources: no", "host_policy__web.published_ports.allow[1].sources: no"),
    ("policy.published_ports.direct: no", "host_policy__web.published_ports.direct: no"),
    ("the policy. And policy.other[0]: x", "the policy. And policy.other[0]: x"),
])
def test_places_of_the_merged_policy_become_the_fragments(message, expected):
    assert in_users_places(message, WRITTEN) == expected
