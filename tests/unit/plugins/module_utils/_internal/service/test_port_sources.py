# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Which address belongs to which port of a bridge, as a table's text."""
import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.facts.endpoints import addresses_of, mac_addresses_of
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.chains.egress import tells_containers_apart
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.service.port_sources import Ports, link_local, table_text

CONTAINER = {"Id": "1", "NetworkSettings": {"Networks": {
    "backend": {"NetworkID": "n1", "IPAddress": "172.18.0.2", "GlobalIPv6Address": "fd00::2", "MacAddress": "02:42:ac:12:00:02"},
    "other": {"NetworkID": "n2", "IPAddress": "10.0.0.2", "MacAddress": "not one"},
}}}


def test_a_containers_addresses_are_those_on_networks_with_a_bridge():
    assert addresses_of(CONTAINER, {"n1": "br-1"}) == ["172.18.0.2", "fd00::2"]
    assert mac_addresses_of(CONTAINER) == ["02:42:ac:12:00:02"]


@pytest.mark.parametrize("mac, address", [
    ("02:42:ac:12:00:02", "fe80::42:acff:fe12:2"), ("00:00:00:00:00:01", "fe80::200:ff:fe00:1"), ("FE:DC:BA:98:76:54", "fe80::fcdc:baff:fe98:7654"),
])
def test_a_link_local_address_is_made_of_the_hardware_address(mac, address):
    assert link_local(mac) == address


def test_the_table_names_ports_addresses_and_networks():
    text = table_text(Ports([("veth1", "172.18.0.2"), ("veth1", "fe80::42:acff:fe12:2"), ("veth2", "fd00::3")], ["172.18.0.0/16", "fd00::/64"]))
    assert 'set known { type ifname;  elements = { "veth1", "veth2" }; }' in text
    assert 'set own4 { type ifname . ipv4_addr;  elements = { "veth1" . 172.18.0.2 }; }' in text
    assert 'set own6 { type ifname . ipv6_addr;  elements = { "veth1" . fe80::42:acff:fe12:2, "veth2" . fd00::3 }; }' in text
    assert "set networks4 { type ipv4_addr; flags interval; auto-merge; elements = { 172.18.0.0/16 }; }" in text
    assert "set links6 { type ipv6_addr;  elements = { fe80::42:acff:fe12:2 }; }" in text


def test_what_is_routed_to_a_container_comes_from_its_port_only():
    text = table_text(Ports([("veth1", "172.18.0.2")], [], ["10.99.0.0/16", "fd99::/64"], [("veth1", "10.99.0.0/16")]))
    assert "set behind4 { type ipv4_addr; flags interval; auto-merge; elements = { 10.99.0.0/16 }; }" in text
    assert 'set gateway4 { type ifname . ipv4_addr; flags interval; elements = { "veth1" . 10.99.0.0/16 }; }' in text
    assert "set behind6 { type ipv6_addr; flags interval; auto-merge; elements = { fd99::/64 }; }" in text


@pytest.mark.parametrize("chain, apart", [
    ("DB-EGP-c-web", True), ("DB-EGT-c-web", True), ("DB-EGP-hc-web", True), ("DB-EGT-pn-backend", True), ("DB-EGP-pall", True),
    ("DB-EGP-all", False), ("DB-EGP-hall", False), ("DB-EGP-n-backend", False), ("DB-EGT-hn-backend", False), ("DB-USER-policy", False),
])
def test_which_chains_tell_containers_apart(chain, apart):
    assert tells_containers_apart([chain]) == apart
