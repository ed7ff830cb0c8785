# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""While a change goes in, no packet passes that neither the old nor the new policy lets pass: real packets at every step."""
import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.facts.facts import HostFacts, Published
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.compile.compile import compile_policy
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.language.schema import parse_policy

from tests.integration.kernel.support import wire
from tests.integration.kernel.support.policies import no_policy
from tests.integration.kernel.support.steps import commits, steps

pytestmark = pytest.mark.attack
PORTS = PUBLISHED, SECOND, SERVICE = (53, 54, 55)
ALLOWED, DENIED = ([*wire.SOURCES[who].values()] for who in ("allowed", "denied"))


def facts(*bound):
    """What is published: both ports, on every address but for those that are bound to the first."""
    return HostFacts(
        published=[Published(family, wire.HOST[family] if port in bound else None, port, "udp")
                   for family in (4, 6) for port in (PUBLISHED, SECOND)],
        bridges=[], closed_bridges={4: [], 6: []}, subnets=[], swarm=False,
    )


def entry(port, sources):
    return {"port": port, "protocol": "udp", "sources": sources}


def policy(published=(), services=None, address_sets=None, of=facts()):
    data = {"published_ports": {"default": "deny", "allow": list(published)}, "address_sets": address_sets or {}}
    if services is not None:
        data["host_services"] = {"default": "deny", "allow": list(services)}
    return compile_policy(parse_policy(data), of)


# Names and states such that every pair of neighbours, in both directions, is a change of another kind.
STATES = {
    "one port each": policy([entry(PUBLISHED, ALLOWED)], [entry(SERVICE, DENIED)]),
    "swapped": policy([entry(SECOND, DENIED)], [entry(SERVICE, ALLOWED)]),
    "by set": policy([entry(PUBLISHED, ["@who"])], [entry(SERVICE, ["@who"])], {"who": ALLOWED}),
    "by the same set with others in it": policy([entry(PUBLISHED, ["@who"])], [entry(SERVICE, ["@who"])], {"who": DENIED}),
    "no services": policy([entry(PUBLISHED, DENIED)]),
    "bound": policy([], [], of=facts(PUBLISHED)),
    "unbound": policy([], [], of=facts(SECOND)),
}
PAIRS = list(zip(STATES, list(STATES)[1:])) + [("no services", "one port each"), ("swapped", "by set")]


def _watch(host, client, old, new):
    host.converge(old)
    before = client.deliver(PORTS)
    planner, plan = host.planned(new)
    moments = [(step, client.deliver(PORTS)) for step in steps(planner, plan)]
    after = client.deliver(PORTS)
    for step, passed in moments:
        assert passed <= before | after, step
    assert not host.planned(new)[1].is_change
    return len(moments)


@pytest.mark.parametrize("old, new", PAIRS + [pair[::-1] for pair in PAIRS])
def test_at_no_step_more_than_the_old_and_the_new_policy_let_pass(nft_host, client, old, new):
    assert _watch(nft_host, client, STATES[old], STATES[new]) >= 1


@pytest.mark.parametrize("old, new", [("one port each", "swapped")])
def test_nor_with_the_other_iptables(host, client, old, new):
    assert _watch(host, client, STATES[old], STATES[new]) > 2


@pytest.mark.parametrize("old, new", [(None, "one port each"), ("one port each", None)])
def test_making_and_removing_a_policy(nft_host, client, old, new):
    _watch(nft_host, client, *(no_policy() if name is None else STATES[name] for name in (old, new)))


def test_what_is_applied_are_these_steps(host):
    for name in STATES:
        _planner, plan = host.planned(STATES[name])
        for family, part in plan.families.items():
            assert part.apply_text == "".join(text for of, text in commits(plan) if of == family)
        host.converge(STATES[name])


def test_sets_that_change_together_change_their_names(nft_host):
    nft_host.converge(policy([], [], of=facts(PUBLISHED)))
    first = {name for name in nft_host.sh("ipset", "list", "-n").split() if name.endswith(("4a", "4b"))}
    plan = nft_host.converge(policy([], [], of=facts(SECOND))).plan
    second = {name for name in nft_host.sh("ipset", "list", "-n").split() if name.endswith(("4a", "4b"))}
    assert first != second and {name[:-1] for name in first} == {name[:-1] for name in second}
    assert not any(line.split(" ")[1] in first for line in plan.before)


def test_a_set_that_changes_alone_is_changed_in_place(nft_host):
    nft_host.converge(STATES["by set"])
    rules = nft_host.save(4), nft_host.save(6)
    plan = nft_host.converge(STATES["by the same set with others in it"]).plan
    assert (nft_host.save(4), nft_host.save(6)) == rules
    assert sorted(line.split(" ")[0] for line in plan.before) == ["add", "add", "del", "del"]


def test_a_large_set_that_changes_alone_is_swapped(nft_host):
    def many(number):
        return policy([entry(PUBLISHED, ["@who"])], None, {"who": ["10.%d.0.%d" % (number, low) for low in range(200)]})

    nft_host.converge(many(1))
    rules = nft_host.save(4)
    plan = nft_host.converge(many(2)).plan
    assert nft_host.save(4) == rules
    assert [line.split(" ")[0] for line in plan.before][-2:] == ["swap", "destroy"]
