# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""A policy that observes: nothing is dropped, what would be is counted, and that is what enforcing drops."""
import re

import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.kernel.ipset import Ipset
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.compile.compile import compile_policy
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.compile.labels import answering
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.language.schema import parse_policy
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.readback.policy_diff import of_plan

from tests.integration.kernel.support import wire
from tests.integration.kernel.support.host import PROGRAMS
from tests.integration.kernel.test_log_denied import FACTS, POLICY, PORT, SERVICE

PORTS = (PORT, SERVICE)
OBSERVE = {"mode": "observe"}


def desired(sections):
    """The policy, with these sections in these modes; the table of nftables is not what this is about."""
    policy = {name: {**POLICY[name], **OBSERVE} if name in sections else POLICY[name] for name in POLICY}
    return answering(compile_policy(parse_policy(policy), FACTS))._replace(tables={})


def packets(host, verdict):
    """Packets that the policy's lines with this ending took, by family and chain."""
    found = {}
    for family in PROGRAMS:
        ahead = ""
        for line in host.save(family, counters=True).splitlines():
            read = re.match(r"\[(\d+):\d+\] -A (DB-\S+) .*-j (DROP|RETURN)$", line)
            if read and read[3] == verdict and (verdict == "DROP" or ':O "' in ahead):
                found[family, read[2]] = found.get((family, read[2]), 0) + int(read[1])
            ahead = line
    return found


def send(client):
    return client.deliver(PORTS), client.answered_pings()


def test_nothing_is_dropped_and_what_enforcing_drops_was_counted(host, client, tell):
    """Every datagram of a client that may send and of one that may not, by every way, and pings: once observed, once enforced."""
    assert host.converge(desired(POLICY)).is_change
    assert not host.converge(desired(POLICY)).is_change
    assert send(client) == (wire.sent("allowed", *PORTS) | wire.sent("denied", *PORTS), [4, 6])
    assert not packets(host, "DROP") and " DROP" not in "".join(line for line in host.save().splitlines() if "DB-" in line)
    predicted = packets(host, "RETURN")
    assert host.converge(desired(())).is_change
    arrived, pings = send(client)
    assert arrived == wire.sent("allowed", PORT) and not pings
    tell("packets that would be denied", {key: number for key, number in predicted.items() if number})
    dropped = packets(host, "DROP")
    for family in PROGRAMS:
        # Each datagram to the published port once. At the service, IPv6's own packets may be among them.
        assert predicted[family, "DB-GUARD-PORTS"] == dropped[family, "DB-GUARD-PORTS"] == len([1 for each, _way in wire.ways() if each == family])
        assert predicted[family, "DB-INPUT"] >= 1 and dropped[family, "DB-INPUT"] >= 1
    assert {key for key in predicted if predicted[key]} == {key for key in dropped if dropped[key]}


@pytest.mark.parametrize("observed, closed", [("published_ports", SERVICE), ("host_services", PORT)])
def test_section_by_section(nft_host, client, observed, closed):
    nft_host.converge(desired([observed, "egress"]))
    stranger = wire.sent("denied", PORT if observed == "published_ports" else SERVICE)
    expected = wire.sent("allowed", PORT) | stranger | (wire.sent("allowed", SERVICE) if observed == "host_services" else set())
    assert client.deliver(PORTS) == expected and closed in PORTS


@pytest.mark.parametrize("section, entry", [("observe", "enforce"), ("enforce", "observe")])
def test_port_by_port(host, client, section, entry):
    ports = {"mode": section, "allow": [{**POLICY["published_ports"]["allow"][0], "mode": entry}]}
    host.converge(compile_policy(parse_policy({"published_ports": ports}), FACTS)._replace(tables={}))
    spared = wire.sent("denied", PORT) if entry == "observe" else set()
    assert client.deliver(PORTS) == wire.sent("allowed", *PORTS) | wire.sent("denied", SERVICE) | spared


def test_the_words_say_that_nothing_is_denied(nft_host):
    parsed = parse_policy({name: {**POLICY[name], **OBSERVE} for name in POLICY})
    plan = nft_host.converge(compile_policy(parsed, FACTS)._replace(tables={}), check=True).plan
    changes = of_plan(plan, Ipset(nft_host.system), [], parsed).as_changes()
    said = {each["what"]: each["after"] for each in changes}
    assert said.pop("outside") and said.pop("from all other containers") == "169.254.169.254, everything else"
    assert sorted(said) == ["what would be denied of " + section for section in ("egress", "host_services", "published_ports", "sources")]
    assert set(said.values()) == {"passes, and is logged by the kernel's log, at most 10/min a line once 20 are through"}


@pytest.mark.parametrize("mode, mark, arrives", [("enforce", "D", set()), ("observe", "O", wire.sent("allowed", SERVICE) | wire.sent("denied", SERVICE))])
def test_ports_published_later(host, client, mode, mark, arrives):
    """Served by docker-proxy and not known to the guard. The mark that the kernel sets is set by hand here, and what still has it is dropped."""
    for family in PROGRAMS:
        host.iptables("-t raw -A PREROUTING -p udp -j MARK --set-xmark 0x20000000/0x20000000", family)
        host.iptables("-A INPUT -m mark --mark 0x20000000/0x20000000 -j DROP", family)
    policy = {"published_ports": {**POLICY["published_ports"], "mode": mode}, "log_denied": {}}
    host.converge(compile_policy(parse_policy(policy), FACTS)._replace(tables={}))
    assert client.deliver((SERVICE,)) == arrives
    for family in PROGRAMS:
        logged = [int(number) for number in re.findall(r'^\[(\d+):\d+\] -A DB-LATE .*"DB-LATE:%s "' % mark, host.save(family, counters=True), re.MULTILINE)]
        assert logged == [2 * len([1 for each, _way in wire.ways() if each == family])]
