# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Hosts on which something is not there: said in a sentence, and nothing changed."""
import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.errors import DrawbridgeError
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.system import netns
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.system.system import System
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.kernel import judge
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.kernel.iptables import detect

from tests.integration.kernel.support.host import Host
from tests.integration.kernel.support.policies import policy


class Without(System):
    """This host, without some programs and files."""

    def __init__(self, *absent):
        super().__init__()
        self.absent = absent

    def which(self, name):
        return None if name.startswith(self.absent) else super().which(name)

    def read(self, path):
        return None if path in self.absent else super().read(path)


def test_without_iptables(namespace):
    with pytest.raises(DrawbridgeError, match="iptables is not installed.*install the package iptables"):
        detect(Without("iptables", "ip6tables"), "auto")


def test_without_the_variant_that_was_asked_for(host):
    with pytest.raises(DrawbridgeError, match="iptables-%s-save is not installed.*install the package iptables" % host.variant):
        Host(host.variant, Without("iptables")).section(["-j DROP"])


def test_without_ip6tables(host):
    before = host.everything()
    with pytest.raises(DrawbridgeError, match="ip6tables-%s-save is not installed" % host.variant):
        Host(host.variant, Without("ip6tables")).section(["-j DROP"])
    assert host.everything() == before


def test_without_ipset_rules_without_sets_work(host):
    bare = Host(host.variant, Without("ipset"))
    assert bare.section(["-s 10.1.1.1/8 -j DROP"]).plan.is_change
    assert not bare.section(["-s 10.0.0.0/8 -j DROP"]).plan.is_change


def test_without_ipset_sets_are_an_error(host):
    bare = Host(host.variant, Without("ipset"))
    before = host.everything()
    for act in (lambda: bare.address_set("x", ["192.0.2.1"]), lambda: bare.converge(policy("deny"))):
        with pytest.raises(DrawbridgeError, match="ipset is not installed.*install the package ipset"):
            act()
    with pytest.raises(DrawbridgeError, match=r"rules\[0\].*@office"):
        bare.section([{"source": "@office", "jump": "DROP"}])
    assert host.everything() == before


def test_without_ipv6_in_the_kernel_only_ipv4_is_managed(host):
    v4 = Host(host.variant, Without("/proc/net/if_inet6"))
    outcome = v4.section(["-j DROP"])
    assert outcome.warnings == ["the kernel has no IPv6: only IPv4 is managed"]
    assert host.rules("DB-USER-web") == ["-j DROP"] and host.rules("DB-USER-web", family=6) is None
    assert not v4.section(["-j DROP"]).plan.is_change
    assert v4.converge(policy("deny")).plan.is_change
    assert not v4.converge(policy("deny")).plan.is_change
    assert "DB-GUARD" not in host.save(6)


def test_where_no_namespace_can_be_made_rules_are_compared_as_written(host, monkeypatch):
    def refused(_work):
        raise netns.NamespaceUnavailable("cannot make a network namespace: Operation not permitted")

    monkeypatch.setattr(judge, "in_new_netns", refused)
    rule = "-p tcp -m tcp --dport 80 -m limit --limit 5/sec -j DROP"
    outcome = host.section([rule])
    assert any("cannot make a network namespace" in warning for warning in outcome.warnings)
    assert host.rules("DB-USER-web") == [rule]
    assert not host.section([rule]).plan.is_change
    with pytest.raises(DrawbridgeError, match="nosuchmatch"):
        host.section(["-m nosuchmatch -j DROP"])
