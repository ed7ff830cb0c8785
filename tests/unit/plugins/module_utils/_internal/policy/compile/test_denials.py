# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""``log_denied``: how it is written, how fragments agree about it, and what the readers of rules make of its lines."""
import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.api.answers import PublishedPort
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.facts.facts import HostFacts, Published
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.errors import DrawbridgeError
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.inspect.guard_lines import lost_lines
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.inspect.guarded_ports import guarded_ports
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.kernel.ipset import LiveSet
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.rules.desired import SetType
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.rules.saved_ruleset import Ruleset, SavedChain
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.rules.shadowing import shadow_warnings
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.persistence import fallback
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.compile.compile import compile_policy
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.compile.denials import as_if_enforced, is_log, is_open
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
    ({"sections": ["egres"]}, "policy.log_denied.sections[0]: 'egres' is not one of published_ports, host_services, egress, host_egress, sources"),
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


OBSERVING = {**POLICY, **{key: {**POLICY[key], "mode": "observe"} for key in POLICY}}


def texts(wanted, chain):
    return [line.text for each in wanted.chains if each.name == chain for line in each.lines]


def test_what_observes_drops_nothing_and_is_no_secret():
    observing, enforcing = (answering(compile_policy(parse_policy(raw), HOST)) for raw in (OBSERVING, POLICY))
    assert not any(word in line.text for chain in observing.chains for line in chain.lines for word in ("DROP", "OBSERVED", "connlabel"))
    for chain in enforcing.chains:
        held = texts(observing, chain.name)
        assert is_open(held) == (any(line.text.endswith("-j DROP") for line in chain.lines) or chain.name == "DB-LATE")
        if chain.name != "DB-LATE":
            assert as_if_enforced(held) == [line.text for line in chain.lines if "connlabel" not in line.text]
    assert observing.hooks == enforcing.hooks


def test_port_by_port():
    ports = {"mode": "observe", "allow": [{"port": 80, "sources": ["10.0.0.1"], "mode": "enforce"}, {"port": "70-90", "sources": ["10.0.0.2"]}]}
    wanted = compile_policy(parse_policy({"published_ports": ports}), HOST)
    assert [text for text in texts(wanted, "DB-GUARD-PORTS") if "-s" not in text and "-m set" not in text] == [
        "-p tcp -m tcp --dport 80 -j DROP", '-m limit --limit 10/min --limit-burst 20 -j LOG --log-prefix "DB-GUARD-PORTS:O " --log-level 6', "-j RETURN"]
    assert texts(wanted, "DB-LATE")[-3:] == [
        "-p tcp -m tcp --dport 80 -j RETURN",
        '-m mark --mark 0x20000000/0x20000000 -m limit --limit 10/min --limit-burst 20 -j LOG --log-prefix "DB-LATE:O " --log-level 6',
        "-j MARK --set-xmark 0x0/0x20000000"]
    # Forged sources and flows in reverse would get past what is enforced.
    assert any(text.endswith("DROP") for text in texts(wanted, "DB-SOURCE")) and texts(wanted, "DB-USER-policy")[1].endswith("DROP")


def test_one_port_is_observed_under_a_section_that_denies():
    ports = {"allow": [{"port": 80, "sources": ["10.0.0.1"], "mode": "observe"}, {"port": 81, "sources": ["10.0.0.1"]}]}
    wanted = compile_policy(parse_policy({"published_ports": ports}), HOST)
    lines = [text.partition(" -m limit")[0] for text in texts(wanted, "DB-GUARD-PORTS") if "-s" not in text and "-m set" not in text]
    assert lines == ["-p tcp -m tcp --dport 80", "-p tcp -m tcp --dport 80 -j RETURN", "-j DROP"]
    assert texts(wanted, "DB-LATE")[-1] == "-p tcp -m tcp --dport 80 -j MARK --set-xmark 0x0/0x20000000"


@pytest.mark.parametrize("default", ["allow", "deny"])
@pytest.mark.parametrize("section", ["observe", "enforce"])
@pytest.mark.parametrize("entry", ["observe", "enforce"])
def test_every_combination_of_modes(default, section, entry):
    """By the first packet of a stranger, to the entry's port and to another."""
    services = {"default": default, "mode": section, "allow": [{"port": 22, "sources": ["10.0.0.1"], "mode": entry}]}
    wanted = compile_policy(parse_policy({"host_services": services}), HOST)
    judge = FirstPackets(wanted, lambda *_asked: False).judge
    found = [judge(Packet(4, "tcp", "192.0.2.1", None, port, "eth0")).refused is not None for port in (22, 23)]
    assert found == [entry == "enforce", default == "deny" and section == "enforce"]
    assert judge(Packet(4, "tcp", "10.0.0.1", None, 22, "eth0")).refused is None


def test_modes_of_two_entries_about_one_port():
    entries = [{"port": 80, "sources": ["10.0.0.1"], "mode": mode} for mode in ("observe", "enforce")]
    with pytest.raises(DrawbridgeError, match="enforce here, but observe in"):
        parse_policy({"published_ports": {"allow": entries}})
    for place in ("published_ports", "host_services", "egress"):
        with pytest.raises(DrawbridgeError, match=r"policy.%s.mode: 'off' is not one of enforce, observe" % place):
            parse_policy({place: {"mode": "off"}})
    with pytest.raises(DrawbridgeError, match="unknown key 'mode'"):
        parse_policy({"published_ports": {"routed": entries}})
    merged = merge([parse_fragment("a", {place: {"mode": "observe"}, "weight": 1}) for place in ("egress",)] + [parse_fragment("b", {"egress": {}})])
    assert merged.egress.observes


def test_the_fallback_denies_nothing_that_is_observed():
    def of(policy, sets=None):
        chains = {}
        for chain in compile_policy(parse_policy(policy), HOST).chains:
            chains.setdefault(chain.table, {})[chain.name] = SavedChain("-", [line.text for line in chain.lines], [])
        return fallback.fallback_text(4, Ruleset(chains), {}, ["22"]), fallback.hold_text([Ruleset(chains)], sets or {}, ["22"])

    assert of(OBSERVING) == ("", "")
    rules, hold = of({**OBSERVING, "host_services": POLICY["host_services"]})
    assert "DB-INPUT" in rules and "DB-GUARD" not in rules and "DB-USER-policy" not in rules and "ct state new drop" in hold
    rules, hold = of({**OBSERVING, "published_ports": POLICY["published_ports"]})
    assert "DB-INPUT" not in rules and "DB-GUARD" in rules and "ct state new drop" not in hold


@pytest.mark.parametrize("policy", [POLICY, OBSERVING, {**OBSERVING, "log_denied": {"group": 3}}, {**POLICY, "log_denied": {"per_port": True}}], ids=str)
@pytest.mark.parametrize("more", [{}, {"external_interfaces": ["eth0"]}], ids=["all", "named"])
def test_no_line_counts_as_lost_and_what_is_observed_as_open(policy, more):
    chains = {}
    for chain in compile_policy(parse_policy({**policy, **more}), HOST).chains:
        chains.setdefault(chain.table, {})[chain.name] = SavedChain("-", [line.text for line in chain.lines if 4 in line.families], [])
    chains["mangle"]["PREROUTING"] = SavedChain("ACCEPT", ["-j DB-GUARD", "-j DB-SOURCE"], [])
    rulesets = {4: Ruleset(chains)}
    assert not lost_lines(rulesets, {})
    port = PublishedPort(4, None, 80, "tcp", "web", "id", 80, False)
    sets = {"@pub-tcp": LiveSet("@pub-tcp", SetType("bitmap:port"), None, entries=frozenset(["80"]))}
    assert guarded_ports(rulesets, sets, [port]) == (frozenset() if "mode" in policy["published_ports"] else {port})
    # A line that is gone is still found.
    chains["mangle"]["DB-GUARD-PORTS"].rules[:] = chains["mangle"]["DB-GUARD-PORTS"].rules[:1]
    assert [lost.line for lost in lost_lines(rulesets, {}) if lost.chain == "DB-GUARD-PORTS"]


def test_denied_sources_are_observed_with_their_section():
    denying = {"deny": ["10.9.9.9", "@bad"], "mode": "observe", "allow": [{"port": 80, "sources": ["10.0.0.1"], "mode": "enforce"}]}
    wanted = compile_policy(parse_policy({"published_ports": denying, "host_services": {"deny": ["10.9.9.9"], "mode": "observe"}}), HOST)
    for chain in ("DB-GUARD-DENIED", "DB-USER-policy-DENIED", "DB-LATE-DENIED", "DB-INPUT-DENIED"):
        held = texts(wanted, chain)
        assert is_open(held) and not any(text.endswith("DROP") for text in held) and held[-1].endswith("-j RETURN")
        assert '"%s:O "' % chain in held[-2] and as_if_enforced(held)[-1].endswith("-j DROP")
    logged = compile_policy(parse_policy({"published_ports": {"deny": ["10.9.9.9"]}, "log_denied": {}}), HOST)
    assert '"DB-GUARD-DENIED:D "' in texts(logged, "DB-GUARD-DENIED")[-2] and texts(logged, "DB-GUARD-DENIED")[-1] == "-j DROP"
