# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Sets that follow the engine without the policy: exactly what a new run of the policy would have them be."""
import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.address import FAMILIES
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.facts.facts import (
    ContainerFacts,
    NetworkFacts,
    Published,
    unknown_host,
)
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.chains.egress import compile_egress
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.chains.nat_filter import NatFilter, compile_nat_filter
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.compile.compile import compile_policy
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.compile.refresh_sets import FollowedSets
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.language.egress import parse_egress
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.language.schema import parse_policy
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.transaction.converge import Settings
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.transaction.converge_set import converge_sets

from .support.policies import HOST

BASE = HOST._replace(
    networks=[NetworkFacts("bridge", "docker0", ["172.17.0.0/16"]), NetworkFacts("backend", "br-1", ["172.18.0.0/16", "fd00:1::/64"])],
    containers=[ContainerFacts("web", {"tier": "front"}, [("docker0", "172.17.0.2")])],
    foreign_bridges=["br-lan"],
    swarm=True, swarm_nodes=["192.0.2.9", "2001:db8::9"],
)
LATER = BASE._replace(
    published=[Published(4, None, 8200, "tcp"), Published(6, None, 8200, "tcp"), Published(4, "192.0.2.7", 443, "tcp"),
               Published(6, "2001:db8::7", 53, "udp"), *BASE.published[2:]],
    bridges=[*BASE.bridges, "br-2"],
    closed_bridges={4: [*BASE.closed_bridges[4], "br-2"], 6: ["docker0", "br-2"]},
    subnets=[*BASE.subnets, "172.19.0.0/16"],
    swarm_nodes=["192.0.2.9", "192.0.2.10"],
    networks=[BASE.networks[0], NetworkFacts("late", "br-2", ["172.19.0.0/16"])],
    containers=[ContainerFacts("web", {"tier": "back"}, [("br-2", "172.19.0.2")]),
                ContainerFacts("new", {"tier": "front", "odd\nlabel": "=' \""}, [("docker0", "172.17.0.9")])],
)
EGRESS = {
    "default": "deny", "networks": {"backend": {"default": "allow"}, "late": {"default": "allow"}},
    "containers": [{"name": "web", "default": "allow"}, {"label": "tier=front", "default": "allow"}],
}
POLICY = {"published_ports": {"default": "deny", "direct": "deny"}, "host_services": {"default": "deny"}, "egress": EGRESS}


def wanted(facts):
    """What all three owners of such sets want."""
    return (
        compile_policy(parse_policy(POLICY), facts),
        compile_nat_filter(NatFilter(True, (), False, ()), facts),
        compile_egress(parse_egress(EGRESS, "egress"), facts),
    )


def follow(host, facts, check=False):
    return converge_sets(host.system, Settings("auto", 5, check), lambda: FollowedSets(host.system, lambda: facts)).plan


def apply(host, facts):
    """What the three modules do → whether any of it is a change."""
    return [host.converge(each).plan.is_change for each in wanted(facts)]


@pytest.fixture(name="applied")
def host_with_all_of_them(host):
    host.docker()
    assert apply(host, BASE) == [True] * 3
    return host


def test_a_new_run_finds_nothing_to_do(applied):
    rules = applied.save(4), applied.save(6)
    assert follow(applied, LATER).is_change
    assert (applied.save(4), applied.save(6)) == rules
    assert apply(applied, LATER) == [False] * 3
    assert not follow(applied, LATER).is_change
    assert follow(applied, BASE).is_change
    assert apply(applied, BASE) == [False] * 3


def test_an_engine_that_says_nothing_changes_nothing(applied):
    before = applied.everything()
    assert not follow(applied, unknown_host(swarm=False)).is_change
    assert applied.everything() == before


def test_a_swarm_s_nodes_are_followed_and_kept_while_nobody_tells(applied):
    found = {family: {"192.0.2.9"} if family == 4 else {"2001:db8::9"} for family in FAMILIES}
    assert {family: applied.entries("DBP-swarm-nodes-%da" % family) for family in FAMILIES} == found
    assert not follow(applied, BASE._replace(swarm_nodes=None)).is_change
    assert follow(applied, LATER).is_change
    assert applied.entries("DBP-swarm-nodes-4a") == {"192.0.2.9", "192.0.2.10"} and applied.entries("DBP-swarm-nodes-6a") == set()


def test_check_mode_writes_nothing(applied):
    before = applied.everything()
    assert follow(applied, LATER, check=True).is_change
    assert applied.everything() == before


def test_a_host_without_such_sets_is_left_alone(host):
    host.address_set("pub-tcp", ["192.0.2.1"])
    before = host.everything()
    assert not follow(host, LATER).is_change
    assert host.everything() == before


def test_what_comes_is_there_before_what_goes_is_gone(applied):
    verbs = [line.split()[0] for line in follow(applied, LATER).before]
    assert set(verbs) == {"add", "del"} and verbs == sorted(verbs)


def test_the_address_that_a_policy_names_is_looked_for_in_networks_made_anew(host):
    said = {"default": "deny", "containers": [{"address": "172.18.0.77/32", "default": "allow"}, {"address": "FD00:1::/64", "default": "allow"}]}
    anew = BASE._replace(networks=[BASE.networks[0], BASE.networks[1]._replace(bridge="br-9")])
    gone = BASE._replace(networks=BASE.networks[:1])
    host.docker()
    host.converge(compile_egress(parse_egress(said, "egress"), BASE))
    for facts, on in ((BASE, {"br-1"}), (gone, set()), (anew, {"br-9"})):
        assert follow(host, facts).is_change == (facts is not BASE)
        assert not host.converge(compile_egress(parse_egress(said, "egress"), facts)).plan.is_change
        for family, address in ((4, "172.18.0.77"), (6, "fd00:1::/64")):
            (found,) = [entries for name in names(host, "DBE-egc-", family) for entries in [host.entries(name)] if entries]
            assert found == {"%s,%s" % (address, bridge) for bridge in {"drawbridge-none", *on}}


def test_the_address_of_a_container_that_ended_is_nobody_s(applied):
    """What is said of a container by its name must not hold for who gets its address."""
    assert follow(applied, BASE._replace(containers=[])).is_change
    assert [applied.entries(name) for owner in "EP" for name in names(applied, "DB%s-egc-" % owner, 4)] == [set()] * 4


def names(host, prefix, family):
    assert family in FAMILIES
    found = [line.split()[1] for line in host.sh("ipset", "save").splitlines() if line.startswith("create " + prefix)]
    return [name for name in found if name[:-1].endswith("-%d" % family)]
