# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Interfaces that the host's packets may leave by only because of their names."""
import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.facts.facts import HostFacts, unknown_host
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.language.schema import parse_policy
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.preflight.output_bridges import spared_unasked

KNOWN = HostFacts([], [], {4: [], 6: []}, [], False)


class Host:
    """A host, and its ipset. held: the sets' entries."""

    def __init__(self, **held):
        self.held = {"DBP-%s" % name.replace("_", "-"): frozenset(entries) for name, entries in held.items()}

    def interfaces(self):
        return ["lo", "eth0", "docker0", "br-0123456789ab", "br-lan", "br-0123456789xy", "bridge0"]

    def headers(self):
        return self.held

    def entries(self, names):
        return {name: self.held[name] for name in names}


def told(host, facts=unknown_host(swarm=False), **egress):
    return spared_unasked(host, host, parse_policy({"host_egress": {"default": "deny", **egress}}).host_egress, facts)


@pytest.mark.parametrize("held, names", [
    ({}, "br-lan, br-0123456789xy counts"), ({"bridges_4b": ["0.0.0.0/0,br-lan"]}, "br-0123456789xy counts"),
    ({"other_bridges_4a": ["0.0.0.0/0,br-0123456789xy"], "other_bridges_6a": ["::/0,br-lan"]}, "br-lan counts"),
])
def test_those_that_nobody_told_of(held, names):
    warning, = told(Host(**held))
    assert warning.startswith("policy.host_egress: ") and "sends by %s as sent to containers" % names in warning


def test_where_nothing_is_uncertain():
    assert told(Host(other_bridges_4a=["0.0.0.0/0,br-lan", "0.0.0.0/0,br-0123456789xy"])) == []
    assert told(Host(), KNOWN) == told(Host(), mode="observe") == []
