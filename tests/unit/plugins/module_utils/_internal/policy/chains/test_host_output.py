# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""What the host itself may reach, as users say it, and the chains that it comes to."""
import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.facts.facts import HostFacts
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.errors import DrawbridgeError
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.network.conntrack import Flow
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.network.ssh import AcceptedSocket, Connection
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.tunnels.tunnel import OtherEnd
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.rules.shadowing import shadow_warnings
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.chains.host_output import as_judged
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.compile.compile import OWNED, compile_policy
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.language.schema import parse_policy
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.preflight import output_lockout
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.preflight.ssh_layers import Layer, Opened
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.readback.first_packet import FirstPackets, Packet
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.readback.packet_match import Place, RulesetMatcher

HOST = HostFacts([], ["docker0"], {4: ["docker0"], 6: []}, ["172.17.0.0/16"], False, foreign_bridges=["br-lan"])
FIRST = ["-o lo -j RETURN", "-m conntrack --ctdir REPLY -j RETURN", "-m conntrack --ctstate RELATED -j RETURN"]
NAMES = ["-p udp -m udp --dport 53 -j RETURN", "-p tcp -m tcp --dport 53 -j RETURN"]
CLOSED = {"default": "deny"}


def wanted(said, host=HOST, **more):
    return compile_policy(parse_policy({"host_egress": said, **more}), host)


def texts(result, name="DB-OUTPUT", family=4):
    return [line.text for chain in result.chains if chain.name == name for line in chain.lines if family in line.families]


@pytest.mark.parametrize("said", [{}, {"default": "allow"}, {"dns": True}, {"deny": []}, {"deny": [{"destination": []}]}, {"allow": [{"port": 1}]},
                                  {"mode": "observe"}])
def test_what_limits_nothing_is_nothing(said):
    assert (wanted(said).chains, wanted(said).hooks) == ([], [])


def test_deny_before_allow_before_names_before_the_default():
    result = wanted({**CLOSED, "deny": [{"destination": "192.0.2.66"}, {"port": 25}], "allow": [{"destination": "10.0.0.0/8", "port": 443}]})
    assert texts(result) == [
        *FIRST, "-d 192.0.2.66/32 -j DB-OUTPUT-DENIED", "-p tcp -m tcp --dport 25 -j DB-OUTPUT-DENIED", "-d 10.0.0.0/8 -p tcp -m tcp --dport 443 -j RETURN",
        *NAMES, "-j DB-OUTPUT-DENIED"]
    assert texts(result, family=6) == [*FIRST, "-p tcp -m tcp --dport 25 -j DB-OUTPUT-DENIED", *NAMES, "-j DB-OUTPUT-DENIED"]
    assert texts(result, "DB-OUTPUT-DENIED")[0] == "-m set --match-set @bridges dst,dst -j RETURN"
    assert texts(result, "DB-OUTPUT-DENIED")[-1] == "-j DROP"
    assert [hook[:3] for hook in result.hooks] == [("filter", "OUTPUT", "DB-OUTPUT"), ("mangle", "PREROUTING", "DB-SOURCE")]
    assert {(chain.table, chain.name) for chain in result.chains} <= set(OWNED)


def test_names_are_narrowed_and_a_swarms_nodes_are_reached():
    assert texts(wanted({**CLOSED, "dns": ["192.0.2.53"]}))[3] == "-d 192.0.2.53/32 " + NAMES[0]
    assert texts(wanted({**CLOSED, "dns": False})) == [*FIRST, "-j DB-OUTPUT-DENIED"]
    assert len([text for text in texts(wanted(CLOSED, HOST._replace(swarm=True))) if text.endswith("@swarm-nodes dst -j RETURN")]) == 5
    assert not [text for text in texts(wanted({"deny": [{"port": 25}]}, HOST._replace(swarm=True))) if "@swarm-nodes" in text]


def test_what_observes_and_what_is_logged():
    assert texts(wanted({**CLOSED, "mode": "observe"}), "DB-OUTPUT-DENIED")[-1] == "-j RETURN"
    # What is enforced elsewhere is not weakened by it.
    both = wanted({**CLOSED, "mode": "observe"}, host_services={"default": "deny"})
    assert "-j DROP" in texts(both, "DB-INPUT")[-1] and any(text.endswith("-j DROP") for text in texts(both, "DB-SOURCE"))
    assert not any(text.endswith("-j DROP") for text in texts(wanted({**CLOSED, "mode": "observe"}), "DB-SOURCE"))
    logged, silent = (texts(wanted(CLOSED, log_denied={"sections": [section]}), "DB-OUTPUT-DENIED") for section in ("host_egress", "egress"))
    assert '-j LOG --log-prefix "DB-OUTPUT-DENIED:D "' in logged[-2] and not any("LOG" in text for text in silent)


def test_what_never_matches_is_told():
    result = wanted({**CLOSED, "deny": [{"destination": "10.0.0.0/8"}], "allow": [{"destination": "10.1.0.0/16", "port": 443}]})
    (told,) = shadow_warnings(as_judged(chain) for chain in result.chains if chain.name == "DB-OUTPUT")
    assert "policy.host_egress.allow[0] can never match: policy.host_egress.deny[0] takes" in told


@pytest.mark.parametrize("said, words", [
    (["@bad"], "policy.host_egress: expected a mapping"),
    ({"deny": ["@bad"]}, "policy.host_egress.deny[0]: expected a mapping, got a string '@bad'"),
    ({"deny": [{"destinations": ["@bad"]}]}, "policy.host_egress.deny[0]: unknown key 'destinations' (did you mean destination?)"),
    ({"deny": [{}]}, "policy.host_egress.deny[0]: an entry needs one of destination, port, protocol"),
    ({"deny": [{"destination": ["example.org"]}]}, "policy.host_egress.deny[0].destination[0]: "),
    ({"deny": [{"destination": "{{ x }}\n'"}]}, "policy.host_egress.deny[0].destination[0]: "),
    ({"deny": [{"port": 70000}]}, "policy.host_egress.deny[0].port: '70000': ports are from 1 to 65535"),
    ({"deny": [{"port": 1, "protocol": "icmp"}]}, "policy.host_egress.deny[0].port: a port needs the protocol"),
    ({"host": "deny"}, "policy.host_egress: unknown key 'host'"),
    ({"default": "drop"}, "policy.host_egress.default: 'drop' is not one of allow, deny"),
    ({"mode": "off"}, "policy.host_egress.mode: 'off' is not one of"),
    ({"dns": 53}, "policy.host_egress.dns: "),
])
def test_mistakes(said, words):
    with pytest.raises(DrawbridgeError) as caught:
        parse_policy({"host_egress": said})
    assert words in str(caught.value)


def flow(destination, port=443, protocol="tcp"):
    return Flow(4, protocol, "ESTABLISHED", "192.0.2.1", 40000, destination, port, destination, port)


@pytest.mark.parametrize("destination, leaves_by, passes", [
    ("198.51.100.1", "eth0", False), ("10.0.0.1", "eth0", True), ("172.17.0.2", "docker0", True), ("172.30.0.2", "br-0123456789ab", True),
    ("172.31.0.2", "br-lan", False), ("192.0.2.1", "lo", True),
])
def test_open_connections_by_the_rules(destination, leaves_by, passes):
    result = wanted({**CLOSED, "allow": [{"destination": "10.0.0.0/8"}]})
    chains = {name: texts(result, name) for name in ("DB-OUTPUT", "DB-OUTPUT-DENIED")}
    matcher = RulesetMatcher(chains, {"@" + name: held.entries[4] for name, held in result.sets.items()})
    assert matcher.passes("DB-OUTPUT", flow(destination), Place("", False, leaves_by)) is passes
    assert matcher.passes("DB-OUTPUT", flow("224.0.0.251", 5353, "udp"), Place("", False, "eth0")) is False


# What the SSH connection needs that brings the policy.

ADMIN = "198.51.100.9"
TUNNEL = Packet(4, "udp", ADMIN, "192.0.2.1", 51820, "eth0")


class Found:
    """Layers as they are found on a host."""

    def __init__(self, *layers, opened=(), dials=False):
        self.layers, self.opened, self.dials = list(layers), list(opened), dials


def told(monkeypatch, said, found, known):
    """What is warned of, or the error. known: the flows; None if the host does not tell them."""
    monkeypatch.setattr(output_lockout, "flows", lambda _system: known)
    monkeypatch.setattr(output_lockout, "answered_by", lambda _system, _address: Answer)
    judge = FirstPackets(wanted(said), lambda *_asked: False)
    accepted = AcceptedSocket(Connection("192.0.2.1", 22, ADMIN), 50000, 1, 3)
    try:
        return output_lockout.refuse_cut_off(None, judge, accepted, found)
    except DrawbridgeError as error:
        return error


class Answer:
    interface = "eth0"


INWARD = Flow(4, "tcp", "ESTABLISHED", ADMIN, 50000, "192.0.2.1", 22, "192.0.2.1", 22)
OUTWARD = Flow(4, "tcp", "ESTABLISHED", "192.0.2.1", 22, ADMIN, 50000, ADMIN, 50000)
OVER_UDP = INWARD._replace(protocol="udp", source_port=1024, port=51820)
FROM_HERE = OUTWARD._replace(protocol="udp", source_port=51820, port=1024)


@pytest.mark.parametrize("said, known, words", [
    (CLOSED, [INWARD], None), (CLOSED, [OUTWARD], "does not know that the other end began it"), (CLOSED, [], "does not know that the other end began it"),
    ({"deny": [{"destination": ADMIN}]}, [], "198.51.100.9 (port 50000/tcp)"), ({"deny": [{"port": 25}]}, [], None),
    ({**CLOSED, "mode": "observe"}, [], None), ({**CLOSED, "allow": [{"destination": ADMIN}]}, [], None),
])
def test_the_connection_itself(monkeypatch, said, known, words):
    answer = told(monkeypatch, said, Found(Layer("", [])), known)
    assert answer == [] if words is None else isinstance(answer, DrawbridgeError) and words in str(answer)


def test_where_flows_are_not_told_it_is_a_warning(monkeypatch):
    assert "does not tell whether the connection began" in told(monkeypatch, CLOSED, Found(), None)[0]


def test_tunnels_and_relays(monkeypatch):
    tunnel = Found(Layer("the tunnel wg0", [[TUNNEL]]))
    assert told(monkeypatch, CLOSED, tunnel, [INWARD, OVER_UDP]) == []
    assert "(the tunnel wg0, which the host began)" in str(told(monkeypatch, CLOSED, tunnel, [INWARD, FROM_HERE]))
    assert "if the host is the first to send" in told(monkeypatch, CLOSED, tunnel, [INWARD])[0]
    assert told(monkeypatch, {**CLOSED, "allow": [{"destination": ADMIN}]}, tunnel, [INWARD, FROM_HERE]) == []
    ends = [OtherEnd("udp", "203.0.113.5", 51820), OtherEnd("udp", "203.0.113.6", 51821)]
    kept = Found(opened=[Opened("the tunnel wg0", ends[:1], True)])
    answer = told(monkeypatch, CLOSED, kept, [INWARD])
    assert answer.path == "policy.host_egress" and "203.0.113.5 (port 51820/udp)" in str(answer)
    assert told(monkeypatch, {**CLOSED, "allow": [{"port": 51820, "protocol": "udp"}]}, kept, [INWARD]) == []
    # One of several may be the one.
    several = [Found(opened=[Opened("the tunnel wg0", ends, True)]), Found(opened=[Opened("the tunnel wg0", ends[1:], False)])]
    for found in several:
        assert "not let the host send: the tunnel wg0" in told(monkeypatch, {**CLOSED, "allow": [{"destination": "203.0.113.5"}]}, found, [INWARD])[0]
    assert "dials out itself" in told(monkeypatch, CLOSED, Found(dials=True), [INWARD])[0]
    assert "dials out itself" in told(monkeypatch, {"deny": [{"destination": "203.0.113.5"}]}, Found(dials=True), [INWARD])[0]
    for harmless in ({}, {**CLOSED, "mode": "observe"}, {"deny": [{"port": 53, "protocol": "udp"}]}):
        assert told(monkeypatch, harmless, Found(dials=True), [INWARD]) == []
