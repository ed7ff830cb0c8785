# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""A policy whose toggles contradict each other."""
import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.errors import DrawbridgeError
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.system.system import System
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host_settings.policy import HostSettings
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.language.schema import parse_policy
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.transaction.converge import Settings

OFF = {"ipv4": False}


def toggles(**policy):
    return HostSettings(System(), Settings("auto", 1, True), parse_policy(policy))


@pytest.mark.parametrize("daemon", [{"ip_forward": True}, {"ip_forward": None}])
def test_the_engine_cannot_turn_on_what_is_to_be_off(daemon):
    with pytest.raises(DrawbridgeError) as caught:
        toggles(forwarding=OFF, daemon=daemon)
    assert caught.value.path == "policy.daemon.ip_forward"


@pytest.mark.parametrize("policy", [
    {"forwarding": OFF, "daemon": {"ip_forward": False}},
    {"forwarding": {"ipv4": True}, "daemon": {"ip_forward": True}},
    {"forwarding": {"interfaces": {"eth1": OFF}}, "daemon": {"ip_forward": True}},
    {"forwarding": dict(OFF, daemon_config="ignore"), "daemon": {"ip_forward": True}},
    {"daemon": {"ip_forward": None}},
])
def test_no_contradiction(policy):
    toggles(**policy)
