# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Which ways out shut out a controller that runs in a container of the host, and where that is said."""
import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.facts.facts import ContainerFacts, HostFacts, NetworkFacts
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.errors import DrawbridgeError
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.network.ssh import Connection
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.system.system import System
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.compile.compile import compile_policy
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.language.egress import parse_egress
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.language.schema import parse_policy
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.preflight import egress_lockout, lockout

HOST = HostFacts(
    [], ["docker0", "br-1"], {4: [], 6: []}, [], False,
    networks=[NetworkFacts("bridge", "docker0", ["172.17.0.0/16"]), NetworkFacts("tools", "br-1", ["172.18.0.0/16", "fd00:1::/64"])],
    containers=[ContainerFacts("awx", {"role": "controller"}, [("br-1", "172.18.0.2"), ("br-1", "fd00:1::2")])],
)


def place(remote="172.18.0.2", **said):
    return egress_lockout.shut_in(parse_egress(said, "egress"), HOST, remote, 22)


@pytest.mark.parametrize("said", [
    {}, {"deny": [{"port": 22}]}, {"default": "deny", "host": "allow"}, {"default": "deny", "host": [{"port": "20-30"}]},
    {"host": [{"protocol": "tcp"}]}, {"host": [{"protocol": "any"}]}, {"networks": {"bridge": {"default": "deny"}}},
    {"default": "deny", "networks": {"tools": {"host": "allow"}}}, {"default": "deny", "containers": [{"name": "awx", "default": "allow"}]},
    {"networks": {"tools": {"default": "deny"}}, "containers": [{"label": "role=controller", "host": [{"port": 22}]}]},
    {"default": "deny", "containers": [{"address": "172.18.0.0/24", "host": "allow"}]},
])
def test_lets_the_controller_in(said):
    assert place(**said) is None


@pytest.mark.parametrize("said, where", [
    ({"default": "deny"}, "egress.default"),
    ({"default": "deny", "allow": [{"port": 22}]}, "egress.default"),
    ({"host": "deny"}, "egress.host"),
    ({"host": [{"port": 22, "protocol": "udp"}, {"port": 2222}]}, "egress.host"),
    ({"networks": {"tools": {"default": "deny"}}}, "egress.networks.tools.default"),
    ({"host": "deny", "networks": {"tools": {"default": "allow"}}}, "egress.host"),
    ({"containers": [{"name": "awx", "host": []}]}, "egress.containers[0].host"),
    ({"containers": [{"address": "fd00:1::/64", "default": "deny"}, {"name": "awx", "default": "deny"}]}, "egress.containers[1].default"),
])
def test_names_the_place_that_shuts_it_out(said, where):
    assert place(**said) == where


@pytest.mark.parametrize("remote", ["192.0.2.100", "2001:db8::1"])
def test_who_comes_from_outside_is_no_container(remote):
    assert place(remote, default="deny") is None


def test_the_policy_is_refused_before_anything_is_written(monkeypatch):
    monkeypatch.setattr(lockout, "controlling_connection", lambda _system: Connection("172.18.0.1", 22, "172.18.0.2"))
    policy = parse_policy({"egress": {"default": "deny"}})
    with pytest.raises(DrawbridgeError, match="shuts 172.18.0.2 out from port 22") as caught:
        lockout.refuse_lockout(System(), None, compile_policy(parse_policy({}), HOST), policy, HOST)
    assert caught.value.path == "policy.egress.default" and "allow_lockout" in caught.value.hint
