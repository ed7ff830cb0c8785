# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""The lines of entries that name interfaces: in every chain that lets packets in."""
import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.facts.facts import HostFacts, Published
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.compile.compile import compile_policy
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.language.schema import parse_policy

HOST = HostFacts(
    [Published(4, None, 80, "tcp")], ["docker0"], {4: ["docker0"], 6: []}, ["172.17.0.0/16"], False, engine_cgroup="system.slice/docker.service",
)
FROM_BRIDGES = "-m set --match-set @bridges src,src -j RETURN"
ENTRIES = [{"port": 80, "interfaces": ["wg+"]}, {"port": 80, "interfaces": ["eth2", "eth1"], "sources": ["10.0.0.0/8"]}]


def chains(family=4, **policy):
    wanted = compile_policy(parse_policy(policy), HOST)
    return {chain.name: [line.text for line in chain.lines if family in line.families] for chain in wanted.chains}


def lines(about, verdict="RETURN"):
    return ["-i wg+ %s -j %s" % (about, verdict), "-s 10.0.0.0/8 -i eth1 %s -j %s" % (about, verdict), "-s 10.0.0.0/8 -i eth2 %s -j %s" % (about, verdict)]


DIALLED = "-p tcp -m tcp --dport 80"


def test_every_way_to_a_published_port():
    found = chains(published_ports={"allow": ENTRIES, "routed": ENTRIES}, host_services={"default": "deny"})
    assert found["DB-GUARD-PORTS"] == [*lines(DIALLED), FROM_BRIDGES, "-j DROP"]
    assert found["DB-GUARD-ROUTED"][1:] == [*lines(DIALLED), "-j DROP"]
    assert found["DB-USER-policy-DNAT"] == [*lines("-p tcp -m conntrack --ctorigdstport 80"), "-j DROP"]
    assert found["DB-LATE"][-3:] == lines(DIALLED, "MARK --set-xmark 0x0/0x20000000")
    assert found["DB-INPUT"][-4:] == [*lines(DIALLED), "-j DROP"]


def test_services_of_the_host_and_ping():
    entries = [{"port": 22, "interfaces": ["wg0"], "sources": ["@office"], "comment": "Ask Jane"}, {"protocol": "icmp", "interfaces": ["wg0"]}]
    for family, echo in ((4, "-p icmp -m icmp --icmp-type 8"), (6, "-p ipv6-icmp -m icmp6 --icmpv6-type 128")):
        found = chains(family, address_sets={"office": ["10.0.0.1"]}, host_services={"default": "deny", "allow": entries})
        assert found["DB-INPUT"][-3:] == [
            '-i wg0 -p tcp -m tcp --dport 22 -m comment --comment "Ask Jane" -m set --match-set @office src -j RETURN', "-i wg0 %s -j RETURN" % echo, "-j DROP"]


def test_an_address_of_the_host():
    found = chains(published_ports={"allow": [{"port": 80, "address": "192.0.2.1", "interfaces": ["wg0"], "sources": ["10.0.0.1"]}]})
    assert found["DB-GUARD-PORTS"][0] == "-s 10.0.0.1/32 -d 192.0.2.1/32 -i wg0 %s -j RETURN" % DIALLED


@pytest.mark.parametrize("default, mode, wanted", [
    ("allow", None, ["-p tcp -m tcp --dport 80 -j DROP", "-j RETURN"]), ("deny", None, ["-j DROP"]), ("allow", "observe", None), ("deny", "observe", None),
])
def test_one_line_denies_others_however_many_ways_in_there_are(default, mode, wanted):
    modes = {} if mode is None else {"mode": mode}
    found = chains(published_ports={"default": default, "deny": ["198.51.100.1"], "allow": [dict(ENTRIES[0], **modes), ENTRIES[1]]})["DB-GUARD-PORTS"]
    behind = found[found.index(FROM_BRIDGES) + 1:]
    if wanted is not None:
        assert behind == wanted
    else:
        assert sum("--dport 80 -j RETURN" in text for text in behind) == 1 == sum('"DB-GUARD-PORTS:O "' in text for text in behind)


def test_a_line_of_its_own_unless_everybody_gets_in():
    logged = {"log_denied": {"per_port": True}}
    own = "-p tcp -m tcp --dport 80 -j DROP"
    assert own in chains(published_ports={"allow": ENTRIES}, **logged)["DB-GUARD-PORTS"]
    assert own in chains(published_ports={"allow": [{"port": 80, "interfaces": ["wg0"]}]}, **logged)["DB-GUARD-PORTS"]
    assert own not in chains(published_ports={"allow": [*ENTRIES, {"port": 80, "sources": ["any"]}]}, **logged)["DB-GUARD-PORTS"]


def test_zones_are_interfaces_and_sources():
    zones = {"vpn": {"interfaces": ["wg+"]}, "inside": {"interfaces": ["eth1", "eth2"], "sources": ["10.0.0.0/8"]}}
    assert chains(zones=zones, published_ports={"allow": [{"port": 80, "zones": ["vpn", "inside"]}]}) == chains(published_ports={"allow": ENTRIES})
    # A zone that nobody names makes no difference.
    assert chains(zones=zones, published_ports={}) == chains(published_ports={})
