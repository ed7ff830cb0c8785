# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Egress, masquerading without nft, and a lockdown on the real kernel, both variants: once, and never again."""
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.address import parse_network
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.facts.facts import ContainerFacts, HostFacts, NetworkFacts
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.rules.desired import DesiredState
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.blocks.owners import TASK_MASQUERADE
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.chains.egress import compile_egress, no_egress
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.chains.lockdown import cut_off, not_cut_off
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.chains.masquerade import with_masquerade
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.compile.compile import compile_policy
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.language.egress import parse_egress
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.language.masquerade import parse_masquerade
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.language.schema import parse_policy

from tests.integration.kernel.support.policies import no_policy

HOST = HostFacts(
    [], ["docker0", "br-1"], {4: ["docker0"], 6: []}, ["172.17.0.0/16"], False,
    networks=[NetworkFacts("bridge", "docker0", ["172.17.0.0/16"]), NetworkFacts("backend", "br-1", ["172.18.0.0/16", "fd00:1::/64"])],
    containers=[ContainerFacts("web", {}, [("docker0", "172.17.0.2"), ("br-1", "fd00:1::2")])],
    foreign_bridges=["br-lan"],
)
SAID = {
    "default": "deny", "deny": [{"destination": "169.254.169.254"}], "dns": True, "host": [{"port": 1}, {"protocol": "icmp"}],
    "allow": [{"destination": ["10.0.0.0/8", "2001:db8::/32"], "port": "1-5", "protocol": "udp"}, {"protocol": "sctp"}, {"protocol": "icmp"},
              {"destination": ["10.0.%d.1" % number for number in range(9)]}],
    "networks": {"backend": {"peers": [{"port": 80}]}, "a network by a name that is long": {"default": "allow"}},
    "containers": [{"name": "web", "default": "allow"}, {"address": "172.18.0.0/24"}],
}


def test_egress_goes_in_once_and_out_whole(host):
    host.docker()
    # An empty table that iptables made for us stays.
    host.iptables("-t mangle -P PREROUTING ACCEPT")
    before = host.everything()
    wanted = compile_egress(parse_egress(SAID, "egress"), HOST)
    assert host.converge(wanted, check=True).plan.is_change
    assert host.everything() == before
    assert host.converge(wanted).plan.is_change
    assert not host.converge(wanted).plan.is_change
    assert host.rules("DB-USER-egress")[-1].startswith("-i br-+ -m set ! --match-set DBE-other-bridges-4")
    host.iptables("-A DB-EGT-all -j RETURN")
    assert host.converge(wanted).plan.is_change
    assert host.converge(no_egress()).plan.is_change
    assert host.everything()[0] == before[0] and host.everything()[2] == before[2]


def test_a_container_that_moved_is_an_entry_and_no_rule(host):
    host.docker()
    host.converge(compile_egress(parse_egress(SAID, "egress"), HOST))
    before = host.save(4)
    moved = HOST._replace(containers=[ContainerFacts("web", {}, [("docker0", "172.17.0.9")])])
    assert host.converge(compile_egress(parse_egress(SAID, "egress"), moved)).plan.is_change
    assert host.save(4) == before


def test_a_policy_and_a_task_of_its_own_keep_apart(host):
    host.docker()
    policy = compile_policy(parse_policy({"egress": SAID, "published_ports": {}}), HOST)
    host.converge(policy)
    alone = host.everything()
    host.converge(compile_egress(parse_egress(SAID, "egress"), HOST))
    assert not host.converge(policy).plan.is_change
    host.converge(no_egress())
    assert host.everything() == alone
    host.converge(no_policy())
    assert "DB-" not in host.save(4)


def test_masquerading_without_nft(host):
    host.docker()
    said = parse_masquerade({"networks": {"backend": False}, "subnets": {"172.17.1.0/24": "192.0.2.7", "172.17.1.1": True}}, "m")
    wanted = with_masquerade(DesiredState([], [], []), said, HOST, False, TASK_MASQUERADE)
    host.converge(wanted)
    assert not host.converge(wanted).plan.is_change
    assert host.targets("POSTROUTING", "nat")[0] == "DB-POST"
    host.iptables("-t nat -I POSTROUTING -s 172.30.0.0/16 ! -o br-2 -j MASQUERADE")
    assert host.converge(wanted).plan.is_change
    assert host.targets("POSTROUTING", "nat")[:2] == ["DB-POST", "MASQUERADE"]
    assert host.rules("DB-POST", "nat") == [
        "-s 172.17.1.1/32 ! -o docker0 -j RETURN", "-s 172.17.1.0/24 ! -o docker0 -j SNAT --to-source 192.0.2.7",
        "-s 172.18.0.0/16 ! -o br-1 -j ACCEPT"]


def test_a_lockdown_beside_a_policy(host):
    host.docker()
    host.converge(compile_policy(parse_policy({"published_ports": {}}), HOST))
    before = host.everything()
    wanted = cut_off([parse_network("192.0.2.1"), parse_network("2001:db8::1")], 22)
    host.converge(wanted)
    assert not host.converge(wanted).plan.is_change
    assert host.targets("PREROUTING", "mangle") == ["DB-GUARD", "DB-SOURCE", "DB-LOCK"] and host.rules("DB-LOCK", "mangle")[-1] == "-j DROP"
    assert host.rules("DB-LOCK-OUT", "mangle", 6)[-1] == "-j DROP"
    host.converge(not_cut_off())
    assert host.everything() == before
