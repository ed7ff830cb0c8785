# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""A host cut off: what is let through, and that nothing else is."""
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.address import parse_network
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.chains.lockdown import cut_off, not_cut_off


def texts(wanted, name, family):
    (chain,) = [chain for chain in wanted.chains if chain.name == name]
    return [line.text for line in chain.lines if family in line.families]


def test_ssh_from_the_addresses_and_what_a_host_cannot_do_without():
    wanted = cut_off([parse_network("192.0.2.100"), parse_network("2001:db8::/32")], 2222)
    assert texts(wanted, "DB-LOCK", 4) == [
        "-i lo -j RETURN", "-s 192.0.2.100/32 -p tcp -m tcp --dport 2222 -j RETURN", "-p udp -m udp --sport 67 --dport 68 -j RETURN",
        *("-p icmp -m icmp --icmp-type %d -j RETURN" % number for number in (3, 11, 12)), "-j DROP"]
    assert texts(wanted, "DB-LOCK-OUT", 4)[:3] == [
        "-o lo -j RETURN", "-d 192.0.2.100/32 -p tcp -m tcp --sport 2222 -j RETURN", "-p udp -m udp --sport 68 --dport 67 -j RETURN"]
    for name in ("DB-LOCK", "DB-LOCK-OUT"):
        assert "-p ipv6-icmp -m icmp6 --icmpv6-type 135 -j RETURN" in texts(wanted, name, 6)
        assert texts(wanted, name, 6)[-1] == "-j DROP" and "2001:db8::/32" in texts(wanted, name, 6)[1]


def test_taken_back_whole():
    assert not_cut_off().chains == [] and set(not_cut_off().owned) == {("mangle", name) for name in ("DB-LOCK", "DB-LOCK-OUT", "DB-LOCK-FWD")}
