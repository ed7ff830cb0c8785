# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Where the lines about denied sources stand: ahead of every entry, and of those that let open connections pass."""
import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.facts.facts import HostFacts, Published
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.compile.compile import OWNED, compile_policy
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.language.schema import parse_policy

HOST = HostFacts(
    [Published(4, None, 80, "tcp")], ["docker0"], {4: ["docker0"], 6: []}, ["172.17.0.0/16"], False, engine_cgroup="system.slice/docker.service",
)
REPLIES = "-m conntrack --ctdir REPLY -j RETURN"
OPEN = "-m conntrack --ctstate RELATED,ESTABLISHED -j RETURN"
FROM_BRIDGES = "-m set --match-set @bridges src,src -j RETURN"
DENY = ["198.51.100.0/24", "@abusers"]
INTERFACES = ["eth0", "wan+"]


def chains(family=4, **policy):
    wanted = compile_policy(parse_policy(policy), HOST)
    assert {(chain.table, chain.name) for chain in wanted.chains} <= set(OWNED) and all(len(chain.name) <= 27 for chain in wanted.chains)
    return {chain.name: [line.text for line in chain.lines if family in line.families] for chain in wanted.chains}


def leading(chain, interfaces=("",), among=""):
    """The lines that lead both sources there."""
    ways = ["-i %s " % name if name else "" for name in interfaces]
    return ["-s 198.51.100.0/24 %s%s-j %s" % (way, among, chain) for way in ways] + [
        "%s%s-m set --match-set @abusers src -j %s" % (way, among, chain) for way in ways]


@pytest.mark.parametrize("policy", [{"published_ports": {"deny": []}, "host_services": {"deny": []}}, {"published_ports": {}, "host_services": {}}])
def test_an_empty_list_makes_no_line(policy):
    assert chains(**policy) == chains(published_ports={}) and not any("DENIED" in text for lines in chains(**policy).values() for text in lines)


def test_at_published_ports():
    found = chains(published_ports={"allow": [{"port": 80, "sources": ["any"]}], "routed": [{"port": 80, "sources": ["any"]}], "deny": DENY})
    assert found["DB-GUARD-PORTS"] == [*leading("DB-GUARD-DENIED"), "-p tcp -m tcp --dport 80 -j RETURN", FROM_BRIDGES, "-j DROP"]
    assert found["DB-GUARD-ROUTED"][1:3] == leading("DB-GUARD-DENIED")
    assert found["DB-GUARD-DENIED"] == [FROM_BRIDGES, "-m conntrack --ctstate RELATED -j RETURN", "-j DROP"]
    assert found["DB-USER-policy"][:3] == [*leading("DB-USER-policy-DENIED"), OPEN]
    assert found["DB-USER-policy-DENIED"] == [
        FROM_BRIDGES, REPLIES, "-m conntrack --ctstate RELATED -j RETURN", "-m conntrack --ctstate DNAT -j DROP"]
    late = found["DB-LATE"]
    assert late.index(leading("DB-LATE-DENIED")[0]) < late.index("-p tcp -m tcp --dport 80 -j MARK --set-xmark 0x0/0x20000000")
    assert found["DB-LATE-DENIED"] == ["-m mark ! --mark 0x20000000/0x20000000 -j RETURN", "-j DROP"]


def test_where_containers_own_addresses_are_open():
    found = chains(published_ports={"default": "allow", "direct": "allow", "deny": DENY}, unmanaged_interfaces=["virbr0"])
    assert found["DB-GUARD"][-2:] == leading("DB-GUARD-DENIED", among="-m set --match-set @container-nets dst ")
    assert found["DB-GUARD-PORTS"] == [*leading("DB-GUARD-DENIED"), FROM_BRIDGES, "-j RETURN"]
    assert found["DB-USER-policy-DENIED"][3:6] == [
        "-o virbr0 -j RETURN", "-m conntrack --ctstate DNAT -j DROP", "-m set --match-set @bridges dst,dst -j DROP"]
    assert all(text.startswith(("-o br-+ ", "-o docker_gwbridge ")) for text in found["DB-USER-policy-DENIED"][6:])


def test_at_services_of_the_host():
    found = chains(host_services={"deny": DENY})
    assert found["DB-INPUT"][:5] == ["-i lo -j RETURN", REPLIES, *leading("DB-INPUT-DENIED"), OPEN] and found["DB-INPUT"][-1] != "-j DROP"
    denied = found["DB-INPUT-DENIED"]
    assert denied[0] == FROM_BRIDGES and denied[-1] == "-j DROP" and "-p tcp -m set --match-set @pub-tcp dst -j RETURN" in denied
    assert "-p icmp -m icmp --icmp-type 3 -j RETURN" in denied and "-p icmp -m icmp --icmp-type 8 -j RETURN" not in denied
    assert "-p ipv6-icmp -m icmp6 --icmpv6-type 135 -j RETURN" in chains(6, host_services={"deny": DENY})["DB-INPUT-DENIED"]


def test_named_interfaces():
    found = chains(external_interfaces=INTERFACES, published_ports={"deny": DENY}, host_services={"deny": DENY})
    assert found["DB-INPUT"][1:5] == leading("DB-INPUT-DENIED", INTERFACES) and FROM_BRIDGES not in found["DB-INPUT-DENIED"]
    assert found["DB-USER-policy"][:4] == leading("DB-USER-policy-DENIED", INTERFACES)
    assert found["DB-GUARD-PORTS"] == [*leading("DB-GUARD-DENIED"), "-j DROP"]


def test_ports_that_the_policy_opens():
    ports = [{"name": "web", "port": 8990, "container_port": 80, "sources": ["any"]},
             {"name": "web", "port": 8991, "container_port": 80, "sources": ["any"], "ip_version": "ipv6", "protocol": "udp"}]
    assert chains(published_ports={"deny": DENY}, open_ports=ports)["DB-GUARD-LOCAL"][-2:] == leading("DB-GUARD-DENIED", among="-p tcp -m tcp --dport 8990 ")
    assert chains(6, published_ports={"deny": DENY}, open_ports=ports)["DB-GUARD-LOCAL"][-2:] == [
        "-p %s --dport %d -m set --match-set @abusers src -j DB-GUARD-DENIED" % way for way in (("tcp -m tcp", 8990), ("udp -m udp", 8991))]


def test_many_addresses_become_a_set_and_each_family_has_its_own():
    many = ["10.0.0.%d" % number for number in range(9)]
    found = chains(published_ports={"deny": [*many, "2001:db8::7"]})
    assert found["DB-GUARD-PORTS"][0].startswith("-m set --match-set @src-") and len(found["DB-GUARD-PORTS"]) == 3
    only4 = chains(6, published_ports={"deny": ["10.0.0.1"]})
    assert only4["DB-GUARD-PORTS"] == [FROM_BRIDGES, "-j DROP"]
