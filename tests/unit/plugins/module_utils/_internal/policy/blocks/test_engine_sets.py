# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Which set a published port is in; entries that stand for an interface, of which no prefix may hold more than the kernel takes."""
from collections import Counter
from ipaddress import ip_network

import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.facts.facts import Published, unknown_host
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.errors import DrawbridgeError
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.blocks.engine_sets import (
    INTERFACES_PER_PREFIX,
    MAX_BRIDGES,
    bridge_entries,
    host_sets,
)


@pytest.mark.parametrize("family, whole", [(4, "0.0.0.0/0"), (6, "::/0")])
@pytest.mark.parametrize("count", [0, 1, 32, 33, 64, 65, 200, MAX_BRIDGES])
def test_each_bridge_has_every_address_and_no_prefix_more_than_32(family, whole, count):
    entries = [entry.split(",") for entry in bridge_entries(family, ["br-%d" % number for number in range(count)])]
    assert max(Counter(prefix for prefix, _bridge in entries).values(), default=0) <= INTERFACES_PER_PREFIX
    covered = Counter()
    for prefix, bridge in entries:
        covered[bridge] += ip_network(prefix).num_addresses
    assert len(covered) == count
    assert set(covered.values()) <= {ip_network(whole).num_addresses}
    assert len(entries) <= 65536


def test_the_first_ones_are_the_whole_address_space_in_one_entry():
    assert bridge_entries(4, ["docker0"]) == {"0.0.0.0/0,docker0"}
    assert bridge_entries(6, ["docker0"]) == {"::/0,docker0"}


def test_more_bridges_than_a_set_can_hold_are_an_error():
    with pytest.raises(DrawbridgeError):
        bridge_entries(4, ["br-%d" % number for number in range(MAX_BRIDGES + 1)])


@pytest.mark.parametrize("protocol, address, known", [
    ("tcp", None, {"pub-tcp"}), ("udp", "192.0.2.7", {"pub-addr"}), ("icmp", None, set()), ("gre", "192.0.2.7", set()),
])
def test_a_port_is_in_the_set_of_its_kind(protocol, address, known):
    facts = unknown_host(False)._replace(known=True, published=[Published(4, address, 80, protocol)])
    assert {name for name, item in host_sets(facts).items() if any(item.entries.values())} == known
