# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Entries that name containers: what is said, whom it chooses, and what is an error."""
import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.facts.endpoints import container_facts
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.facts.facts import ContainerFacts, ContainerPort, HostFacts
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.errors import DrawbridgeError
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.rules.ownership import owned_set
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.blocks.by_name import by_name_sets, unopened
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.compile.compile import OWNER, compile_policy
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.language.schema import parse_policy
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.merge.merge import merge, parse_fragment
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.readback.named_containers import naming, with_ports
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.values.named_containers import (
    chosen_as,
    digest,
    followed,
    set_of_containers,
    set_of_host,
    spoken,
)
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.values.reserved_names import MAX_NAME
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.values.values import Chosen, Ports, Target
from hypothesis import given
from hypothesis import strategies as st

WEB = {"container": "web", "container_port": 80, "sources": ["10.0.0.0/8"]}
COMPOSE = {"com.docker.compose.project": "shop", "com.docker.compose.service": "api"}


def section(*entries, **more):
    return {"published_ports": {"allow": list(entries), **more}}


def targets(*entries):
    return [entry.target for entry in parse_policy(section(*entries)).published_ports.allow]


@pytest.mark.parametrize("whose, words", [
    ({"container": "web"}, "port 80/tcp of container 'web'"),
    ({"label": "tier=front"}, "port 80/tcp of containers with label 'tier=front'"),
    ({"label": "example.com/a=b/c"}, "port 80/tcp of containers with label 'example.com/a=b/c'"),
    ({"compose_project": "shop"}, "port 80/tcp of Compose project 'shop'"),
    ({"compose_project": "shop", "compose_service": "api"}, "port 80/tcp of service 'api' of project 'shop'"),
])
def test_whom_an_entry_names(whose, words):
    (target,) = targets({"container_port": "80", "sources": ["any"], **whose})
    assert spoken(target) == words
    for name, of_host in ((set_of_host(target), True), (set_of_containers(target), False)):
        assert followed(name) == (of_host, digest(target.chosen), "tcp", 80) and len(name) > MAX_NAME


def test_names_are_within_the_kernel_s_limit():
    for protocol in ("tcp", "udp", "sctp"):
        target = Target(protocol, Ports(65535, 65535), None, Chosen("container", "w" * 200))
        assert all(len(owned_set(OWNER, name(target), 6, "a")) <= 31 for name in (set_of_host, set_of_containers))
        assert followed(set_of_host(target)).protocol == protocol
    assert followed("pub-tcp") is None and followed("nmx-0123456789abc-t80") is None


@pytest.mark.parametrize("change, words", [
    ({"label": "a"}, "exactly one of container, label, compose_project"),
    ({"container": None}, "'None' is not a container"),
    ({"container": "web\n"}, "is not a container"),
    ({"container": "{{ x }}"}, "is not a container"),
    ({"container": ""}, "is not a container"),
    ({"port": 80}, "container and port are in one entry"),
    ({"address": "192.0.2.1"}, "container and address are in one entry"),
    ({"mode": "observe"}, "container and mode are in one entry"),
    ({"compose_service": "web"}, "compose_service goes with compose_project only"),
    ({"container_port": "80-81"}, "expected one port"),
    ({"container_port": 0}, "ports are from 1 to 65535"),
])
def test_what_makes_no_sense(change, words):
    with pytest.raises(DrawbridgeError, match=words):
        parse_policy(section({**WEB, **change}))


@pytest.mark.parametrize("entry, words", [
    ({"container": "web", "sources": []}, "needs container_port"),
    ({"container_port": 80, "sources": []}, "exactly one of"),
    ({"compose_service": "web", "container_port": 80, "sources": []}, "exactly one of"),
    ({"compose_project": "a/b", "container_port": 80, "sources": []}, "is not a compose project"),
    ({"container": "web", "container_port": 80}, "needs sources"),
])
def test_what_is_missing(entry, words):
    with pytest.raises(DrawbridgeError, match=words):
        parse_policy(section(entry))


def test_routed_entries_have_no_icmp_and_services_no_names():
    with pytest.raises(DrawbridgeError, match="icmp has no ports"):
        parse_policy({"published_ports": {"routed": [{**WEB, "protocol": "icmp"}]}})
    with pytest.raises(DrawbridgeError, match="unknown key 'container'"):
        parse_policy({"host_services": {"allow": [WEB]}})


def test_everything_else_is_denied():
    with pytest.raises(DrawbridgeError, match="needs default: deny"):
        parse_policy(section(WEB, default="allow"))
    open_profile = parse_fragment("a", {"weight": 1, "published_ports": {"default": "allow"}})
    named = parse_fragment("b", {"weight": 2, **section(WEB)})
    with pytest.raises(DrawbridgeError, match="needs default: deny"):
        merge([open_profile, named])
    assert merge([open_profile, parse_fragment("b", {"weight": 2, **section(WEB, default="deny")})]).published_ports.denies


def test_fragments_add_up_and_the_heaviest_decides():
    light = parse_fragment("a", {"weight": 1, **section(WEB, {**WEB, "container": "db"})})
    others = [parse_fragment(name, {"weight": 2, **section({**WEB, "sources": [source]})}) for name, source in (("b", "192.0.2.1"), ("c", "192.0.2.2"))]
    found = {entry.target.chosen.value: entry.sources.addresses[4] for entry in merge([light, *others]).published_ports.allow}
    assert found == {"web": {"192.0.2.1", "192.0.2.2"}, "db": {"10.0.0.0/8"}}


def facts(*containers, **more):
    return HostFacts([], ["docker0"], {4: ["docker0"], 6: ["docker0"]}, ["172.17.0.0/16"], False, containers=list(containers), **more)


def held(policy, host):
    return {entry for found in by_name_sets(policy, host).values() for entries in found.entries.values() for entry in entries}


def test_what_the_sets_hold():
    ports = (ContainerPort(4, None, 32768, "tcp", 80), ContainerPort(6, "2001:db8::1", 80, "tcp", 80),
             ContainerPort(4, None, 53, "udp", 80), ContainerPort(4, None, 9, "tcp", 81))
    web = ContainerFacts("web", COMPOSE, [("docker0", "172.17.0.2"), ("docker0", "fd00:0::2")], ports)
    policy = parse_policy(section(WEB))
    own = {"172.17.0.2,tcp:80", "fd00::2,tcp:80"}
    assert held(policy, facts(web)) == {"0.0.0.0/1,tcp:32768", "128.0.0.0/1,tcp:32768", "2001:db8::1,tcp:80"} | own
    assert held(parse_policy(section({**WEB, "protocol": "udp"})), facts(web)) == {
        "0.0.0.0/1,udp:53", "128.0.0.0/1,udp:53", "172.17.0.2,udp:80", "fd00::2,udp:80"}
    for host in (facts(), facts(web._replace(name="webb")), facts(web, known=False), facts(web, follows_names=False)):
        assert held(policy, host) == set()
    assert [len(unopened(policy, host)) for host in (facts(web), facts(), facts(web, follows_names=False), facts(web, known=False))] == [0, 1, 1, 0]


def test_the_engine_s_answer():
    ports = [{"IP": "0.0.0.0", "PrivatePort": 80, "PublicPort": 32768, "Type": "tcp"}, {"IP": "127.0.0.1", "PrivatePort": 81, "PublicPort": 81, "Type": "tcp"},
             {"PrivatePort": 82, "Type": "tcp"}]
    (found,) = container_facts([{"Id": "1" * 64, "Names": ["/web"], "Ports": ports}], [])
    assert found.ports == (ContainerPort(4, None, 32768, "tcp", 80),)


def test_nothing_denies_by_name():
    """A line that denies what a set holds would be nobody's once the set is empty. And services of the host are no container's."""
    policy = parse_policy({**section(WEB, {"port": 443, "sources": []}, routed=[WEB], mode="enforce"), "host_services": {"default": "deny"},
                           "log_denied": {"per_port": True}})
    chains = compile_policy(policy, facts()).chains
    named = [(chain.name, line.text) for chain in chains for line in chain.lines if "@nm" in line.text]
    assert {name for name, _text in named} == {"DB-GUARD-PORTS", "DB-GUARD-ROUTED", "DB-USER-policy-DNAT"}
    assert all(text.endswith("-j RETURN") for _name, text in named)


@given(st.dictionaries(st.text(max_size=12), st.text(max_size=12), max_size=6), st.text(max_size=12))
def test_labels_choose_nobody_s_name(labels, name):
    """A container is in the set of a name only by its name, and in the set of a label only by that label."""
    labels = {**labels, "container": "web", "com.docker.compose.project": labels.get("p", "web/api")}
    chosen = {digest(one) for one in chosen_as(name, labels)}
    assert (digest(Chosen("container", "web")) in chosen) == (name == "web")
    assert (digest(Chosen("label", "tier=front")) in chosen) == (labels.get("tier") == "front" or "tier=front" in labels)
    assert digest(Chosen("compose_project", "web/api")) not in chosen


def test_rules_read_with_their_ports():
    (target,) = targets(WEB)
    name = "DBP-%s-4a" % set_of_host(target)
    rule = "-s 10.0.0.0/8 -p tcp -m set --match-set %s dst,dst -j RETURN" % name
    has = {name: {"0.0.0.0/1,tcp:32768", "128.0.0.0/1,tcp:32768", "192.0.2.1,tcp:80"}}
    assert naming(rule, has)[1:] == (["32768", "192.0.2.1:80"], "-s 10.0.0.0/8 -p tcp -j RETURN")
    assert with_ports([rule, "-j DROP"], has) == [
        "-m tcp --dport 32768 -s 10.0.0.0/8 -p tcp -j RETURN", "-d 192.0.2.1 -m tcp --dport 80 -s 10.0.0.0/8 -p tcp -j RETURN", "-j DROP"]
    assert with_ports([rule], {}) == [] and naming("-m set --match-set DBP-pub-tcp-4a dst -j DROP", has) is None
