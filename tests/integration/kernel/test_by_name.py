# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Entries that name containers: real connections on each way in, while containers come, go and take each other's places."""
import contextlib
import signal
import socket

import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.api.answers import PublishedPort
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.api.connect import connect
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.facts.facts import (
    ContainerFacts,
    ContainerPort,
    HostFacts,
    Published,
    unknown_host,
)
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.system.lock import HostLock
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.system.system import System
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.inspect import report, survey
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.kernel.ipset import Ipset
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.compile.compile import compile_policy
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.compile.narrow_names import narrow
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.compile.refresh_sets import FollowedSets
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.language.schema import parse_policy
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.readback.policy_diff import of_plan
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.revocation.revoke import find
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy_pipeline import pipeline
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.transaction.converge import Settings
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.transaction.converge_set import converge_sets

from tests.integration.kernel.support import wire
from tests.integration.kernel.support.behind_bridge import BRIDGE, FAMILIES, INNER, KIND, NETWORK, listener
from tests.integration.kernel.support.containers import containers
from tests.integration.kernel.support.engine_29 import answering
from tests.integration.kernel.support.forge_cases import CLIENT
from tests.integration.kernel.support.forge_rules import DNATED
from tests.integration.kernel.support.host import PROGRAMS
from tests.integration.kernel.support.namespace import entered
from tests.integration.kernel.support.policies import no_policy
from tests.integration.kernel.support.program import Program
from tests.integration.kernel.test_event_service import Served
from tests.integration.kernel.test_expiry import after

INSIDE = list(NETWORK.values())
# Ports of the host: served by docker-proxy, DNATed to the container; two of each. The container's own port.
PROXY, OTHER_PROXY, LED, OTHER_LED, OWN = 32769, 32771, 32768, 32770, 80
ALLOWED = list(wire.SOURCES["allowed"].values())
LABELS = {"tier": "front", "com.docker.compose.project": "shop", "com.docker.compose.service": "web"}
WHO = {"sources": ALLOWED, "container_port": OWN}
BY = [{"container": "web"}, {"label": "tier=front"}, {"label": "tier"}, {"compose_project": "shop"}, {"compose_project": "shop", "compose_service": "web"}]


def facts(*ports, name="web", labels=None, taken=()):
    """The engine's answer: a container that has these ports of the host and the one address. taken: ports of a container of another name."""
    def running(called, has, own):
        ends = [(BRIDGE, address) for address in INNER.values()]
        published = tuple(ContainerPort(family, None, port, "tcp", OWN) for family in FAMILIES for port in has)
        return ContainerFacts(called, own, ends if called == name else [], published)

    return HostFacts(
        [Published(family, None, port, "tcp") for family in FAMILIES for port in (*ports, *taken)], [BRIDGE], {4: [], 6: []}, INSIDE, False, routed=INSIDE,
        containers=[running(name, ports, LABELS if labels is None else labels), *([running("another", taken, {})] if taken else [])],
    )


def about(**whose):
    return {"published_ports": {"allow": [{**WHO, **whose}], "routed": [{**WHO, **whose}]}}


def apply(host, found, **policy):
    return host.converge(compile_policy(parse_policy(policy), found))


def follow(host, found):
    """What the event service does with the sets."""
    return converge_sets(host.system, Settings("auto", 5, False), lambda: FollowedSets(host.system, lambda: found)).is_change


class Around:
    """The outside, and the container's namespace."""

    def __init__(self, outside, inside):
        self._outside, self._inside = outside, inside

    def reached(self, *ports):
        """Who comes to which ports of the host, and to the container's own address, in both families: pairs of who and port."""
        with contextlib.ExitStack() as stack:
            for family in FAMILIES:
                for port in (PROXY, OTHER_PROXY):
                    stack.enter_context(listener(family, port))
                with entered(self._inside):
                    stack.enter_context(listener(family, OWN))
            knocking = {}
            for who, addresses in wire.SOURCES.items():
                for family in FAMILIES:
                    for port in (*ports, OWN):
                        with entered(self._outside):
                            near = stack.enter_context(socket.socket(KIND[family]))
                        near.setblocking(False)
                        near.bind((addresses[family], 0))
                        near.connect_ex(((INNER if port == OWN else wire.HOST)[family], port))
                        knocking[who, port, family] = near
            found = wire.connected(knocking)
            # What only one family lets in is no answer.
            both = {(who, port) for who, port, _family in found if all((who, port, family) in found for family in FAMILIES)}
            return both if len(found) == len(both) * len(FAMILIES) else found


@pytest.fixture(name="around")
def everybody_around(client, inner):
    """The outside, and a container behind a bridge."""
    return Around(client.path, inner)


def led(host):
    """The engine's DNAT."""
    for family in PROGRAMS:
        host.iptables("-N DOCKER-USER", family)
        host.iptables("-A FORWARD -j DOCKER-USER", family)
        for port in (LED, OTHER_LED):
            to = "%s:%d" % (INNER[4] if family == 4 else "[%s]" % INNER[6], OWN)
            host.iptables("-t nat -A PREROUTING -d %s -p tcp --dport %d -j DNAT --to-destination %s" % (wire.HOST[family], port, to), family)


def let_in(*ports):
    return {("allowed", port) for port in ports}


ALL = (PROXY, OTHER_PROXY, LED, OTHER_LED)


def test_whichever_port_the_container_has(host, around):
    led(host)
    policy = about(container="web")
    apply(host, facts(PROXY, LED, taken=[OTHER_PROXY, OTHER_LED]), **policy)
    assert around.reached(*ALL) == let_in(PROXY, LED, OWN)
    rules = host.save(4), host.save(6)
    assert not apply(host, facts(PROXY, LED, taken=[OTHER_PROXY, OTHER_LED]), **policy).is_change
    # Made anew with other ports, and another container gets the old ones.
    swapped = facts(OTHER_PROXY, OTHER_LED, taken=[PROXY, LED])
    assert follow(host, swapped) and not follow(host, swapped)
    assert around.reached(*ALL) == let_in(OTHER_PROXY, OTHER_LED, OWN)
    assert (host.save(4), host.save(6)) == rules and not apply(host, swapped, **policy).is_change
    # Another one has its address, its port inside and its port of the host. Only the name is not its own.
    assert follow(host, facts(OTHER_PROXY, OTHER_LED, name="evil", labels={"web": "web", "container": "web"}, taken=[PROXY, LED]))
    assert around.reached(*ALL) == set()
    host.converge(no_policy())
    assert "DB" not in "".join(host.save(family) for family in PROGRAMS) + host.sh("ipset", "list", "-n")


def test_a_port_that_the_guard_does_not_know_is_judged_by_where_it_leads(nft_host, around):
    led(nft_host)
    late = facts(LED)._replace(published=[])
    apply(nft_host, late, **about(container="web"))
    assert around.reached(LED) == let_in(LED, OWN)
    apply(nft_host, late._replace(containers=[]), **about(container="web"))
    assert around.reached(LED) == set()


@pytest.mark.parametrize("whose", BY, ids=str)
def test_by_each_of_its_names(nft_host, whose):
    """And by none that only looks alike."""
    apply(nft_host, facts(LED), **about(**whose))
    held = contents(nft_host)
    assert {entry for entries in held.values() for entry in entries} == {
        "0.0.0.0/1,tcp:32768", "128.0.0.0/1,tcp:32768", "::/1,tcp:32768", "8000::/1,tcp:32768", "10.9.0.2,tcp:80", "fd00:9::2,tcp:80"}
    for labels in ({}, {"tier=front": ""} if whose != {"label": "tier=front"} else {}, {"com.docker.compose.project": "shop/web"}):
        follow(nft_host, facts(LED, name="web2", labels={"x\n\"'{{ 1 }}": "%s", **labels}))
        assert not any(contents(nft_host).values())


def contents(host):
    names = [line.split()[1] for line in host.sh("ipset", "save").splitlines() if line.startswith("create DBP-nm")]
    return {name: host.entries(name) for name in names}


def test_who_cannot_know_opens_nothing(nft_host, around):
    """The engine is down; the event service does not run; a set lost its content."""
    led(nft_host)
    policy = about(container="web")
    apply(nft_host, facts(LED, PROXY), **policy)
    assert around.reached(LED, PROXY) == let_in(LED, PROXY, OWN)
    for close in (
        lambda: follow(nft_host, unknown_host(swarm=False)), lambda: narrow(nft_host.system, None),
        lambda: narrow(nft_host.system, lambda: unknown_host(swarm=False)), lambda: narrow(nft_host.system, lambda: facts(LED, name="another")),
        lambda: apply(nft_host, unknown_host(swarm=False), **policy).is_change,
        lambda: apply(nft_host, facts(LED)._replace(follows_names=False), **policy).is_change,
    ):
        assert close() and not any(contents(nft_host).values())
        assert not narrow(nft_host.system, None)
        assert follow(nft_host, facts(LED, PROXY)) and all(contents(nft_host).values())
    narrow(nft_host.system, None)
    assert around.reached(LED, PROXY) == set()


def test_nothing_is_open_after_a_boot_until_the_engine_was_asked(nft_host, around, tmp_path):
    led(nft_host)
    program = Program(tmp_path, nft_host)
    apply(nft_host, facts(LED, PROXY), **about(container="web"))
    program.save()
    nft_host.converge(no_policy())
    program.run()
    assert len(contents(nft_host)) == 4 and around.reached(LED, PROXY) == set()
    assert follow(nft_host, facts(LED, PROXY))
    assert around.reached(LED, PROXY) == let_in(LED, PROXY, OWN)
    assert not apply(nft_host, facts(LED, PROXY), **about(container="web")).is_change


def test_a_section_that_observes_denies_nobody(nft_host, around):
    led(nft_host)
    apply(nft_host, facts(LED, PROXY), published_ports={"mode": "observe", **about(container="web")["published_ports"]})
    assert around.reached(LED, PROXY) == {(who, port) for who in wire.SOURCES for port in (LED, PROXY, OWN)}


def test_words_and_connections_that_end(nft_host, around):
    led(nft_host)
    policy = parse_policy(about(container="web"))
    published = [PublishedPort(family, None, PROXY, "tcp", "web", "1" * 64, OWN, False) for family in FAMILIES]
    plan = nft_host.converge(compile_policy(policy, facts(PROXY))).plan
    who = "192.0.2.2, 2001:db8::2"
    told = {str(line) for line in of_plan(plan, Ipset(nft_host.system), published, policy).after}
    assert "port 32769/tcp ('web'): %s" % who in told
    assert "port 80/tcp of container 'web': %s (now host port 32769)" % who in told
    assert "port 80/tcp of container 'web' at its own address: %s (now at 10.9.0.2:80, [fd00:9::2]:80)" % who in told
    with contextlib.ExitStack() as stack:
        talks = []
        for family in FAMILIES:
            server = stack.enter_context(listener(family, PROXY))
            with entered(around._outside):
                near = stack.enter_context(socket.create_connection((wire.HOST[family], PROXY), 10, (wire.SOURCES["allowed"][family], 0)))
            talks.append((near, stack.enter_context(server.accept()[0])))
        assert all(wire.arrives(*ends) for ends in talks)
        plan = nft_host.converge(compile_policy(policy, facts(taken=[PROXY]))).plan
        words = of_plan(plan, Ipset(nft_host.system), published, policy)
        assert {"what": "port 32769/tcp", "before": who, "after": "nobody", "containers": ["web"]} in words.as_changes()
        assert any(line.who == who + " (opens nothing now)" for line in words.after)
        assert sorted(flow.source for flow in find(nft_host.system, Ipset(nft_host.system), plan).flows) == sorted(ALLOWED)
        assert not any(wire.arrives(*ends) for ends in talks)


def test_the_event_service_follows_and_leaves_nothing_open(nft_host, tmp_path, monkeypatch):
    """A container starts, is renamed, ends; the engine ends and comes back; the service itself ends."""
    apply(nft_host, facts(name="none"), published_ports={"allow": [{**WHO, "container": "web"}]})

    def opened():
        return {entry for entries in contents(nft_host).values() for entry in entries if entry.startswith("0.")}

    with containers(nft_host.variant, monkeypatch) as found:
        served = Served(nft_host, tmp_path, monkeypatch, found)
        try:
            port = {"IP": "0.0.0.0", "PrivatePort": OWN, "PublicPort": LED, "Type": "tcp"}
            served.engine.ports.update({"/web": [port], "/evil": [port], "/other": [{**port, "PublicPort": OTHER_LED}]})
            with served.running():
                assert not opened()
                served.start("web")
                served.wait(opened, "the port is open")
                # Another run has the host's lock, and the worker waits for it.
                with HostLock(5, "/proc/%d/root/run/drawbridge.lock" % served.process.pid):
                    served.start("other")
                    served.end("web")
                    served.start("evil")
                    served.wait(lambda: not opened(), "it is closed")
                identity, = [item["Id"] for item in found.engine.inspected.values() if item["Name"] == "/evil"]
                found.engine.inspected[identity]["Name"] = "/web"
                served.engine.happen(("container", "rename", identity))
                served.wait(opened, "whoever has the name has the port")
                served.engine.stop()
                served.wait(lambda: not opened(), "nobody knows")
                served.engine.start()
                served.wait(opened, "the engine tells again")
                served.process.send_signal(signal.SIGKILL)
                served.process.wait()
                nft_host.sh("python3", "-I", str(tmp_path / "events.pyz"), "--ended")
                assert not opened()
        finally:
            served.engine.stop()


def test_a_whole_run_says_what_opens_nothing(host, stage, cases, monkeypatch):
    states = iter([True, True, True, False])
    monkeypatch.setattr(pipeline, "follows_names", lambda system, docker_host: next(states))
    name, inner = next((item["Names"][0].lstrip("/"), port["PrivatePort"]) for item in cases.answers["/containers/json"] for port in item["Ports"]
                       if port.get("PublicPort") == DNATED and port["Type"] == "tcp")
    tests = [{"from": CLIENT, "to": DNATED, "expect": "allow"}, {"from": "192.0.2.250", "to": DNATED, "expect": "deny"}]
    policy = {"published_ports": {"allow": [{"container": name, "container_port": inner, "sources": CLIENT}]}, "tests": tests}
    result = cases.keep(policy)
    assert result.values["changed"] and result.values["tests"]["passed"] == 2 and not any("opens nothing" in text for text in result.warnings)
    assert not cases.keep(policy).values["changed"]
    with answering(cases.folder, cases.answers) as address:
        seen = report.report(survey.survey(System(), host.variant, connect(address)))
    found = [item for item in seen["published_ports"] if (item["port"], item["protocol"], item["container"]) == (DNATED, "tcp", name)]
    assert found and all(item["guarded"] and item["sources"] == [one for one in CLIENT if (":" in one) == (item["family"] == "ipv6")] for item in found)
    assert not [finding for finding in seen["findings"] if finding["code"] != "late_ports_open"]
    policy = {"published_ports": {"allow": [{"container": "gone", "container_port": inner, "sources": CLIENT}]}}
    assert any("allow[0]: opens nothing now, port %d/tcp of container 'gone'" % inner in text for text in cases.keep(policy).warnings)
    assert any("no event service of this release follows this engine here" in text for text in cases.keep(policy).warnings)


def test_with_a_limit_and_an_end(host, around):
    """One count for whichever port of the host it is, and until then."""
    led(host)
    entry = {"container": "web", "container_port": OWN, "sources": ["any"], "limit": {"rate": "4/hour"}, "until": after(10_000)}
    policy = {"published_ports": {"allow": [entry]}}
    published = [PublishedPort(family, None, PROXY, "tcp", "web", "1" * 64, OWN, False) for family in FAMILIES]
    plan = apply(host, facts(PROXY, LED), **policy).plan
    told = {str(line) for line in of_plan(plan, Ipset(host.system), published, parse_policy(policy)).after}
    assert "port 80/tcp of container 'web': anybody until %s (limit: 4/hour, burst 4) (now host ports 32768, 32769)" % entry["until"] in told
    assert not apply(host, facts(PROXY, LED), **policy).is_change
    everybody = {(who, port) for who in wire.SOURCES for port in (PROXY, LED)}
    # Both are one source in IPv6.
    assert [around.reached(PROXY, LED) for _time in range(3)] == [everybody, {(*one, 4) for one in everybody}, set()]
