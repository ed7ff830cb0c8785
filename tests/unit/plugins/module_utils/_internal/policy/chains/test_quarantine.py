# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""A container cut off: what stands in its namespace, and in the host's table."""
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.rules.ownership import is_ours
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.chains.quarantine import cut_off, is_port, not_cut_off, ports_text


def texts(name, family):
    (chain,) = [chain for chain in cut_off().chains if chain.name == name]
    return [line.text for line in chain.lines if family in line.families]


def test_only_the_loopback_passes_and_there_not_the_resolver():
    assert texts("DB-QUARANTINE", 4) == texts("DB-QUARANTINE", 6) == ["-i lo -j RETURN", "-j DROP"]
    assert texts("DB-QUARANTINE-OUT", 4) == ["-d 127.0.0.11/32 -j DROP", "-o lo -j RETURN", "-j DROP"]
    assert texts("DB-QUARANTINE-OUT", 6) == ["-o lo -j RETURN", "-j DROP"]


def test_taken_back_whole():
    assert not_cut_off().chains == [] == not_cut_off().hooks
    assert {(chain.table, chain.name) for chain in cut_off().chains} == set(not_cut_off().owned)
    assert all(is_ours(chain.name) for chain in cut_off().chains)


def test_the_table_goes_with_its_last_port():
    removed = "add table bridge drawbridge-quarantine\ndelete table bridge drawbridge-quarantine\n"
    assert ports_text([]) == removed
    text = ports_text(["veth2", "veth1"])
    assert text.startswith(removed) and 'elements = { "veth1", "veth2" }' in text and text.count("drop") == 2


def test_a_port_whose_name_says_more_is_not_written():
    assert is_port("vethd4f0a91") and is_port("br0.1-x_y")
    assert not any(is_port(name) for name in ("", "x" * 16, 'a"', "a b", "a;b", "a\n", "{{ x }}", "é", "a}"))
