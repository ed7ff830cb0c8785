# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""``log_denied``: how it is written, how fragments agree about it, and what the readers of rules make of its lines."""
import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.facts.facts import HostFacts, Published
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.errors import DrawbridgeError
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.rules.shadowing import shadow_warnings
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.compile.compile import compile_policy
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.compile.denials import is_log
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.compile.labels import answering
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.language.schema import parse_policy
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.merge.merge import merge, parse_fragment
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.readback.first_packet import FirstPackets, Packet

HOST = HostFacts([Published(4, None, 80, "tcp")], ["docker0"], {4: ["docker0"], 6: []}, ["172.17.0.0/16"], False, engine_cgroup="docker.service")
POLICY = {
    "published_ports": {"default": "deny", "allow": [{"port": 80, "sources": ["10.0.0.0/8"]}]},
    "host_services": {"default": "deny", "allow": [{"port": 22, "sources": ["10.0.0.0/8"]}]},
    "egress": {"default": "deny", "host": "deny"},
}


def compiled(log=None, **changes):
    raw = {**POLICY, **changes}
    return answering(compile_policy(parse_policy(raw if log is None else {**raw, "log_denied": log}), HOST))


@pytest.mark.parametrize("log, message", [
    ([], "policy.log_denied: expected a mapping"),
    ({"rat": "1/second"}, "did you mean rate?"),
    ({"rate": "10/day"}, "policy.log_denied.rate: '10/day' is not a rate"),
    ({"rate": "0/second"}, "is not a rate"),
    ({"rate": "101/second"}, "at most 100 of each"),
    ({"rate": 10}, "is not a rate"),
    ({"rate": "10/second\n"}, "is not a rate"),
    ({"burst": 0}, "policy.log_denied.burst: '0' is not a whole number from 1 to 100"),
    ({"burst": True}, "is not a whole number"),
    ({"group": 65536}, "is not a whole number from 1 to 65535"),
    ({"sections": "egress"}, "expected a list"),
    ({"sections": ["egres"]}, "policy.log_denied.sections[0]: 'egres' is not one of published_ports, host_services, egress, sources"),
    ({"sections": []}, "the list is empty"),
])
def test_mistakes(log, message):
    with pytest.raises(DrawbridgeError) as error:
        parse_policy({"log_denied": log})
    assert message in str(error.value)


def test_without_the_option_nothing_is_logged():
    assert not any("LOG" in line.text for chain in compiled().chains for line in chain.lines)


@pytest.mark.parametrize("changes", [{}, {"published_ports": {"default": "allow", "allow": [{"port": 80, "sources": ["10.0.0.1"]}]}}])
def test_lines_that_log_are_the_only_difference(changes):
    with_logs = compiled({}, **changes)
    left = [chain._replace(lines=[line for line in chain.lines if not is_log(line.text)]) for chain in with_logs.chains]
    assert with_logs._replace(chains=left) == compiled(**changes)
    assert left != with_logs.chains


def test_prefixes_fit():
    """The kernel cuts longer ones off."""
    egress = {"networks": {"a-name-that-is-much-too-long-%s" % word: {"default": "deny", "host": "deny", "peers": "deny"} for word in ("a", "b")},
              "containers": [{"name": "a-name-that-is-much-too-long", "default": "deny"}]}
    prefixes = [line.text.split('--log-prefix "')[1].split('"')[0] for chain in compiled({}, egress=egress).chains for line in chain.lines if is_log(line.text)]
    assert len(set(prefixes)) > 8 and max(map(len, prefixes)) <= 29


def test_two_fragments():
    parts = [parse_fragment("a", {"log_denied": {"rate": "1/second"}}), parse_fragment("b", {"log_denied": {"burst": "7"}})]
    assert merge(parts).log_denied.values == {("rate",): "1/sec", ("burst",): 7}
    with pytest.raises(DrawbridgeError, match="weight"):
        merge([*parts, parse_fragment("c", {"log_denied": {"burst": 8}})])


def test_the_preflight_sees_the_same():
    for port, source in ((80, "10.0.0.1"), (80, "192.0.2.1"), (22, "10.0.0.1"), (22, "192.0.2.1"), (23, "10.0.0.1")):
        packet = Packet(4, "tcp", source, None, port, "eth0")
        plain, logged = (FirstPackets(wanted, lambda *_asked: False).judge(packet) for wanted in (compiled(), compiled({})))
        assert plain == logged


def test_nobody_is_warned_of_them():
    assert not shadow_warnings(compiled({}).chains)
