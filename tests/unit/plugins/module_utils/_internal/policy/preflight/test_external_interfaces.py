# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Interfaces that are called outside and are not the whole of it."""
import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.system.system import System
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.preflight import external_interfaces


class Host(System):
    def interfaces(self):
        return ["lo", "eth0", "eth1", "eth2", "blue", "bond0"]


@pytest.mark.parametrize("named, about", [
    (["eth0"], []), (["bond0"], []), (["eth1", "eth2", "blue"], []), (["+"], []),
    (["eth9"], ["there is no eth9"]),
    (["eth0", "eth1"], ["what eth1 receives comes in by the VRF blue too"]),
    (["eth+"], ["what eth1 receives comes in by the VRF blue too", "what eth2 receives comes in by the VRF blue too"]),
    (["blue", "eth2"], ["what comes in by the VRF blue comes in by its member eth1 first"]),
    ([], []),
])
def test_what_is_warned_of(monkeypatch, named, about):
    monkeypatch.setattr(external_interfaces, "seen_as", lambda: {"slave": "bond0"})
    monkeypatch.setattr(external_interfaces, "vrf_members", lambda: {"eth1": "blue", "eth2": "blue"})
    warnings = external_interfaces.unseen(Host(), named)
    assert len(warnings) == len(about)
    assert all(warning.startswith("external_interfaces: " + words) for warning, words in zip(warnings, about))
