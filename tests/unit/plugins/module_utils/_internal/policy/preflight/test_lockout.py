# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Which policies would shut out the SSH connection that brought them, and where they say so."""
import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.facts.facts import HostFacts, Published
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.errors import DrawbridgeError
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.network.ssh import AcceptedSocket, Connection
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.rules.desired import Chain, DesiredState, Hook, Line
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.compile.compile import compile_policy
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.language.schema import parse_policy
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.preflight.lockout import judged
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.preflight.ssh_layers import Layer
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.readback.first_packet import FirstPackets, Packet

HOST = HostFacts([Published(4, None, 2222, "tcp"), Published(4, "192.0.2.12", 2223, "tcp")], ["docker0"], {4: ["docker0"], 6: []}, ["172.17.0.0/16"], False)
SSH = [{"port": 22, "sources": ["192.0.2.0/24"]}]
DENY = {"host_services": {"default": "deny", "allow": SSH}}


class Found:
    """Layers as they are found on a host."""

    def __init__(self, *layers, unknown=()):
        self.layers, self.unknown = list(layers), list(unknown)


def tcp(remote="192.0.2.100", address="192.0.2.11", port=22, interface="eth0", **more):
    return Packet(6 if ":" in remote else 4, "tcp", remote, address, port, interface, **more)


def verdict(policy, *layers, host_set=(), unknown=()):
    """What is warned of, or the error."""
    judge = FirstPackets(compile_policy(parse_policy(policy), HOST), lambda *asked: asked in host_set)
    accepted = AcceptedSocket(Connection("192.0.2.11", 22, "192.0.2.100"), 40000, 1, 3)
    try:
        return judged(judge, accepted, Found(*layers, unknown=unknown))
    except DrawbridgeError as error:
        return error


def place(host_services, remote="192.0.2.100", address="192.0.2.11", host_set=(), interface="eth0", **policy):
    raw = dict(policy) if host_services is None else dict(policy, host_services=host_services)
    said = verdict(raw, Layer("", [[tcp(remote, address, interface=interface)]]), host_set=host_set)
    return said.path if isinstance(said, DrawbridgeError) else None


@pytest.mark.parametrize(
    "services",
    [
        None,
        {},
        {"default": "allow", "allow": [{"port": 9000, "sources": []}]},
        {"default": "deny", "allow": [{"port": 22, "sources": ["any"]}]},
        {"default": "deny", "allow": [{"port": "20-30", "sources": ["192.0.2.100"]}]},
        {"default": "deny", "allow": SSH},
        {"default": "deny", "allow": [{"port": 22, "address": "192.0.2.11", "sources": ["0.0.0.0/0"]}]},
        {"default": "deny", "allow": [{"port": 22, "sources": ["198.51.100.1"]}, {"port": "1-65535", "sources": ["any"]}]},
        {"default": "deny", "allow": [{"port": 22, "interfaces": ["wg0", "eth+"]}]},
        {"default": "deny", "allow": [{"port": 22, "sources": ["any"], "limit": {"rate": "1/hour", "connections": 1}}]},
        {"default": "deny", "allow": [{"port": 22, "interfaces": ["wg0"]}, {"port": 22, "interfaces": ["eth0"], "sources": ["192.0.2.100"]}]},
    ],
)
def test_lets_the_controller_in(services):
    assert place(services) is None


def test_the_hint_tells_the_interface():
    policy = {"host_services": {"default": "deny", "allow": [{"port": 22, "interfaces": ["wg0"]}]}}
    assert verdict(policy, Layer("", [[tcp()]])).hint == "allow it by eth0, by which it comes in, or set allow_lockout"
    # By an interface that is not known it may be let in.
    assert "some of what may be it is not let in" in verdict(policy, Layer("", [[tcp(interface="")]]))[0]


@pytest.mark.parametrize(
    "services, where",
    [
        ({"default": "deny"}, "policy.host_services.default"),
        ({"default": "deny", "allow": [{"port": 2222, "sources": ["any"]}]}, "policy.host_services.default"),
        ({"default": "deny", "allow": [{"port": 22, "protocol": "udp", "sources": ["any"]}]}, "policy.host_services.default"),
        ({"default": "deny", "allow": [{"port": 22, "sources": ["198.51.100.0/24"]}]}, "policy.host_services.allow[0]"),
        ({"default": "allow", "allow": [{"port": 22, "sources": ["2001:db8::/32"]}]}, "policy.host_services.allow[0]"),
        ({"default": "deny", "allow": [{"port": 22, "interfaces": ["wg0"]}]}, "policy.host_services.allow[0]"),
        ({"default": "deny", "allow": [{"port": 22, "sources": ["198.51.100.1"], "limit": {"rate": "1/hour"}}]}, "policy.host_services.allow[0]"),
        ({"default": "allow", "allow": [{"port": 22, "interfaces": ["wg0"]}]}, "policy.host_services.allow[0]"),
        ({"default": "deny", "allow": [{"port": 22, "interfaces": ["eth0"], "sources": ["198.51.100.1"]}]}, "policy.host_services.allow[0]"),
        (
            {"default": "deny", "allow": [{"port": 22, "address": "192.0.2.12", "sources": ["any"]}]},
            "policy.host_services.default",
        ),
    ],
)
def test_names_the_place_that_shuts_the_controller_out(services, where):
    assert place(services) == where


def test_named_sets_count_the_policys_own_and_the_hosts():
    services = {"default": "deny", "allow": [{"port": 22, "sources": ["@office"]}]}
    assert place(services, address_sets={"office": ["192.0.2.96/28"]}) is None
    assert place(services, address_sets={"office": ["192.0.2.0/28"]}) == "policy.host_services.allow[0]"
    assert place(services, host_set=[("office", 4, "192.0.2.100")]) is None
    assert place(services) == "policy.host_services.allow[0]"


def test_ipv6_and_a_controller_in_a_container():
    services = {"default": "deny", "allow": [{"port": 22, "sources": ["2001:db8:1::/64"]}]}
    assert place(services, remote="2001:db8:1::100", address="2001:db8:1::11") is None
    assert place(services, remote="2001:db8:2::100", address="2001:db8:1::11") == "policy.host_services.allow[0]"
    assert place({"default": "deny", "allow": SSH}, remote="2001:db8:2::100", address="2001:db8:1::11") == "policy.host_services.allow[0]"
    elsewhere = {"default": "deny", "allow": [dict(SSH[0], address="192.0.2.11")]}
    assert place(elsewhere, remote="2001:db8:2::100", address="2001:db8:1::11") == "policy.host_services.default"
    assert place({"default": "deny"}, remote="172.17.0.5", address="172.17.0.1", interface="docker0") is None


def test_what_is_said_of_the_connection_itself():
    error = verdict(DENY, Layer("", [[tcp("198.51.100.1")]]))
    assert error.message == "this shuts 192.0.2.100 out from port 22, by which this task came in; nothing was changed"
    assert error.hint == "allow it, or set allow_lockout"


@pytest.mark.parametrize("interfaces, refused", [
    (["eth0"], True), (["lan0"], False), (["lan0", "eth0"], True), (["eth1.5"], True), ([""], False),
])
def test_by_the_interface_that_it_comes_in_by(interfaces, refused):
    """Not by the one that answers; where both may be, both have to be open."""
    policy = dict(DENY, external_interfaces=["eth+"])
    said = verdict(policy, Layer("", [[tcp("198.51.100.1", interface=name) for name in interfaces]]))
    assert isinstance(said, DrawbridgeError) is refused
    assert refused or bool(said) is (interfaces == [""])


def udp(remote, port=4789, **more):
    return Packet(4, "udp", remote, "192.0.2.11", port, "eth0", **more)


def test_a_tunnel_has_to_be_let_in_too():
    inside = Layer("", [[tcp("192.0.2.100", interface="vx1")]])
    error = verdict(DENY, inside, Layer("the tunnel vx1", [[udp("192.0.2.7")]]))
    assert error.path == "policy.host_services.default"
    assert "192.0.2.100 out from the tunnel vx1 (port 4789/udp from 192.0.2.7)" in error.message
    opened = {"host_services": {"default": "deny", "allow": SSH + [{"port": 4789, "protocol": "udp", "sources": ["192.0.2.7"]}]}}
    assert verdict(opened, inside, Layer("the tunnel vx1", [[udp("192.0.2.7")]])) == []
    other = verdict(opened, inside, Layer("the tunnel vx1", [[udp("192.0.2.8")]]))
    assert other.path == "policy.host_services.allow[1]"


@pytest.mark.parametrize("protocol", ["gre", "ipencap", "ipv6", "esp"])
def test_a_tunnel_right_in_ip_cannot_be_allowed_by_an_entry(protocol):
    packet = Packet(4, protocol, "192.0.2.7", "192.0.2.11", None, "eth0")
    error = verdict(DENY, Layer("the tunnel gre1", [[packet]]))
    assert "protocol %s from 192.0.2.7" % protocol in error.message and "external_interfaces" in error.hint
    assert verdict({"host_services": {"default": "allow"}}, Layer("the tunnel gre1", [[packet]])) == []
    assert verdict(dict(DENY, external_interfaces=["wan0"]), Layer("the tunnel gre1", [[packet]])) == []


def test_one_of_several_that_is_refused_is_a_doubt_and_all_are_an_error():
    opened = {"host_services": {"default": "deny", "allow": SSH + [{"port": 1194, "protocol": "udp", "sources": ["192.0.2.7"]}]}}
    several = Layer("the tunnel tun0", [[udp("192.0.2.7", 1194)], [udp("192.0.2.8", 1194)]])
    assert "the tunnel tun0: some" in verdict(opened, several)[0]
    assert verdict(DENY, several).path == "policy.host_services.default"


def test_nobody_knows_who_it_is_from():
    anybody = Layer("the tunnel tun0", [[udp(None, 1194)]])
    assert verdict(DENY, anybody).path == "policy.host_services.default"
    some = {"host_services": {"default": "deny", "allow": SSH + [{"port": 1194, "protocol": "udp", "sources": ["192.0.2.7"]}]}}
    assert len(verdict(some, anybody)) == 1
    assert verdict({"host_services": {"default": "deny", "allow": [{"port": 1194, "protocol": "udp", "sources": ["any"]}]}}, anybody) == []


def test_what_cannot_be_told_is_said():
    (words,) = verdict(DENY, Layer("", [[tcp()]]), unknown=["the ppp tunnel ppp0: why"])
    assert "the ppp tunnel ppp0: why" in words and "connection tracking" in words


@pytest.mark.parametrize("policy, where", [
    ({"published_ports": {"default": "deny"}}, "policy.published_ports.default"),
    ({"published_ports": {"default": "deny", "allow": [{"port": 2222, "sources": ["198.51.100.0/24"]}]}}, "policy.published_ports.allow[0]"),
    ({"published_ports": {"default": "allow", "allow": [{"port": 2222, "sources": []}]}}, "policy.published_ports.allow[0]"),
    ({"published_ports": {"default": "deny", "allow": [{"port": 2222, "sources": ["192.0.2.100"]}]}}, None),
    ({"published_ports": {"default": "allow"}}, None), ({"host_services": {"default": "deny", "allow": []}}, None),
])
def test_a_published_port_of_a_bastion(policy, where):
    said = verdict(policy, Layer("what passes it on", [[tcp(port=2222, translated=("172.17.0.2", 22))]]))
    assert (said.path if isinstance(said, DrawbridgeError) else None) == where


def test_a_bastion_served_by_docker_proxy_meets_the_guard_as_well():
    said = verdict({"published_ports": {"default": "deny"}}, Layer("what passes it on", [[tcp(port=2222)]]))
    assert said.path == "policy.published_ports.default"


def test_a_port_published_on_one_address_and_one_that_the_guard_does_not_know():
    policy = {"published_ports": {"default": "deny"}}
    assert verdict(policy, Layer("", [[tcp(address="192.0.2.12", port=2223)]])).path == "policy.published_ports.default"
    assert verdict(policy, Layer("", [[tcp(address="192.0.2.11", port=2223)]])) == []
    # Published after the engine told its ports: DOCKER-USER knows it by its translation.
    assert verdict(policy, Layer("", [[tcp(port=2999, translated=("172.17.0.2", 22))]])).path == "policy.published_ports.default"


def test_a_port_that_is_opened_by_name_is_a_way_in():
    """Its accept stands ahead of what is said of published ports, and names where DNAT leads to."""
    wanted = compile_policy(parse_policy({"published_ports": {"default": "deny"}}), HOST)
    line = "-d %s/32 -o docker0 -p tcp -m tcp --dport 22 -m conntrack --ctstate DNAT --ctorigdstport 2999 -j ACCEPT"
    for address, refused in (("172.17.0.2", False), ("172.17.0.3", True)):
        opened = Chain("filter", "DB-PUBLISH", [Line(line % address, (4,))])
        judge = FirstPackets(wanted._replace(chains=[*wanted.chains, opened], hooks=[*wanted.hooks, Hook("filter", "DOCKER-USER", "DB-PUBLISH", 50)]), None)
        assert (judge.judge(tcp(port=2999, translated=("172.17.0.2", 22), leaves_by="docker0")).refused is not None) is refused


def test_what_is_left_alone_is_a_way_in():
    policy = {"published_ports": {"default": "deny"}, "unmanaged_interfaces": ["virbr+"]}
    forwarded = tcp(port=2999, translated=("10.1.0.2", 22), leaves_by="virbr0")
    assert verdict(policy, Layer("what passes it on", [[forwarded]])) == []
    assert verdict(policy, Layer("what passes it on", [[forwarded._replace(leaves_by="docker0")]])).path == "policy.published_ports.default"


def test_a_container_s_own_address():
    direct = tcp(address="172.17.0.2", to_host=False, leaves_by="docker0")
    assert verdict({"published_ports": {"default": "deny"}}, Layer("what passes it on", [[direct]])).path == "policy.published_ports.direct"
    assert verdict({"published_ports": {"default": "deny", "direct": "allow"}}, Layer("what passes it on", [[direct]])) == []


@pytest.mark.parametrize("rule", [
    "-p tcp -m tcp --dport ssh -j DROP", "-m socket -j DROP", "-m recent --set -j DROP", '-m comment --comment "-j ACCEPT" -m recent --set -j REJECT',
    "-m limit --limit 3/min -j DROP",
])
def test_what_a_rule_asks_and_cannot_be_told_is_a_doubt(rule):
    wanted = DesiredState([Chain("filter", "X", [Line(rule)])], [Hook("filter", "INPUT", "X")], [])
    verdict = FirstPackets(wanted, lambda *_asked: False).judge(tcp())
    assert verdict.refused is None and verdict.in_doubt


@pytest.mark.parametrize("rule", ["-p tcp --syn -j DROP", '-m comment --comment "it\'s" -j DROP', "! -i lo -p tcp ! --dport 80 -j REJECT"])
def test_what_a_rule_asks_is_told(rule):
    wanted = DesiredState([Chain("filter", "X", [Line(rule)])], [Hook("filter", "INPUT", "X")], [])
    assert FirstPackets(wanted, lambda *_asked: False).judge(tcp()).refused == Line(rule)


@pytest.mark.parametrize("services", [{}, DENY["host_services"], {"default": "deny", "allow": [{"port": 22, "sources": ["any"]}]}])
def test_who_is_among_the_denied_sources_is_shut_out_whatever_the_entries_say(services):
    said = verdict({"host_services": {**services, "deny": ["192.0.2.0/24"]}}, Layer("", [[tcp()]]))
    assert (said.path, said.hint) == ("policy.host_services.deny", "take it off the denied sources and out of their sets, or set allow_lockout")
    assert place({**services, "deny": ["@abusers"]}, host_set=[("abusers", 4, "192.0.2.100")]) == "policy.host_services.deny"
    assert place({**services, "deny": ["192.0.2.0/24"]}, address_sets={"a": []}, external_interfaces=["eth1"]) is None
    for denied in ([], ["@abusers"], ["198.51.100.0/24", "2001:db8::/32"]):
        assert place({**services, "deny": denied}) is None
    # sshd in a container, and one behind docker-proxy.
    assert place(None, published_ports={"deny": ["192.0.2.100"]}) is None
    published = {"published_ports": {"allow": [{"port": 2222, "sources": ["any"]}], "deny": ["192.0.2.100"]}}
    assert verdict(published, Layer("", [[tcp(port=2222)]])).path == "policy.published_ports.deny"
    led = tcp(port=2222, translated=("172.17.0.2", 22), leaves_by="docker0")
    assert verdict(published, Layer("", [[led]])).path == "policy.published_ports.deny"
