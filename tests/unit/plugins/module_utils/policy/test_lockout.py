# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Which policies would shut out the SSH connection that brought them, and where they say so."""
import pytest

from ansible_collections.drawbridge.docker.plugins.module_utils.policy.host import unknown_host
from ansible_collections.drawbridge.docker.plugins.module_utils.policy.lockout import shut_out
from ansible_collections.drawbridge.docker.plugins.module_utils.policy.schema import parse_policy

HOST = unknown_host(swarm=False)._replace(subnets=["172.17.0.0/16"])
SSH = [{"port": 22, "sources": ["192.0.2.0/24"]}]


def place(host_services, remote="192.0.2.100", address="192.0.2.11", host_set=(), **policy):
    raw = dict(policy) if host_services is None else dict(policy, host_services=host_services)
    return shut_out(parse_policy(raw), HOST, address, 22, remote, lambda *asked: asked in host_set)


@pytest.mark.parametrize(
    "services",
    [
        None,
        {},
        {"default": "allow", "allow": [{"port": 9000, "sources": []}]},
        {"default": "deny", "allow": [{"port": 22, "sources": ["any"]}]},
        {"default": "deny", "allow": [{"port": "20-30", "sources": ["192.0.2.100"]}]},
        {"default": "deny", "allow": SSH},
        {"default": "deny", "allow": [{"port": 22, "address": "192.0.2.11", "sources": ["0.0.0.0/0"]}]},
        {"default": "deny", "allow": [{"port": 22, "sources": ["198.51.100.1"]}, {"port": "1-65535", "sources": ["any"]}]},
    ],
)
def test_lets_the_controller_in(services):
    assert place(services) is None


@pytest.mark.parametrize(
    "services, where",
    [
        ({"default": "deny"}, "policy.host_services.default"),
        ({"default": "deny", "allow": [{"port": 2222, "sources": ["any"]}]}, "policy.host_services.default"),
        ({"default": "deny", "allow": [{"port": 22, "protocol": "udp", "sources": ["any"]}]}, "policy.host_services.default"),
        ({"default": "deny", "allow": [{"port": 22, "sources": ["198.51.100.0/24"]}]}, "policy.host_services.allow[0]"),
        ({"default": "allow", "allow": [{"port": 22, "sources": ["2001:db8::/32"]}]}, "policy.host_services.allow[0]"),
        (
            {"default": "deny", "allow": [{"port": 22, "address": "192.0.2.12", "sources": ["any"]}]},
            "policy.host_services.default",
        ),
    ],
)
def test_names_the_place_that_shuts_the_controller_out(services, where):
    assert place(services) == where


def test_named_sets_count_the_policys_own_and_the_hosts():
    services = {"default": "deny", "allow": [{"port": 22, "sources": ["@office"]}]}
    assert place(services, address_sets={"office": ["192.0.2.96/28"]}) is None
    assert place(services, address_sets={"office": ["192.0.2.0/28"]}) == "policy.host_services.allow[0]"
    assert place(services, host_set=[("office", 4, "192.0.2.100")]) is None
    assert place(services) == "policy.host_services.allow[0]"


def test_ipv6_and_a_controller_in_a_container():
    services = {"default": "deny", "allow": [{"port": 22, "sources": ["2001:db8:1::/64"]}]}
    assert place(services, remote="2001:db8:1::100", address="2001:db8:1::11") is None
    assert place(services, remote="2001:db8:2::100", address="2001:db8:1::11") == "policy.host_services.allow[0]"
    assert place({"default": "deny"}, remote="172.17.0.5", address="172.17.0.1") is None
