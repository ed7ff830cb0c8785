# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""What the verdict says of packets is what the kernel does with them: whether and where they come out, and which rules they meet."""
import socket
import time

import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.rules.saved_ruleset import parse
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.verdict.snapshot.texts import read_host
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.verdict.walk.asked import parse_asked
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.verdict.walk.judge import Judge
from hypothesis import HealthCheck, Phase, given, seed, settings

from tests.integration.kernel.support import forge, forge_stage
from tests.integration.kernel.support.forge_stage import ADDRESS, CONTAINER, OUTSIDE
from tests.integration.kernel.support.host import PROGRAMS
from tests.integration.kernel.support.namespace import missing
from tests.integration.kernel.support.verdict_cases import PORTS, cases, packets_alone
from tests.integration.kernel.support.verdict_comparison import Comparison
from tests.integration.kernel.support.verdict_nft_cases import RECORDED, nft_cases, recorded

MOST_UNKNOWN = 0.02


@pytest.fixture(name="bound")
def bound_sockets(host):
    """Somebody listens at the host's ports, so that no datagram is answered by an error."""
    found = []
    for port in PORTS:
        listener = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        listener.bind(("::", port))
        found.append(listener)
    yield found
    for listener in found:
        listener.close()


@pytest.fixture(name="comparison", params=[4, 6])
def comparison_on_a_stage(request, host, bound):
    """The stage without anybody's rules."""
    reason = missing("ip", "ipset", "ss", "conntrack", "nft")
    if reason:
        pytest.skip(reason)
    with forge_stage.staged() as stage:
        yield Comparison(host, stage, request.param)


def agrees(comparison, tell, examples, made=cases):
    @seed(1)
    @settings(max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck), phases=[Phase.generate])
    @given(made(comparison.family))
    def run(case):
        comparison.compare(case)

    started = time.monotonic()
    run()
    told = comparison.told
    tell("IPv%d" % comparison.family, "%.1f s, %s" % (time.monotonic() - started, ", ".join("%s %d" % item for item in sorted(told.items()))))
    assert told["unknown"] <= MOST_UNKNOWN * told["packets"]


def test_the_verdict_is_the_kernels(comparison, tell):
    agrees(comparison, tell, 4)


@pytest.mark.drill
def test_the_verdict_is_the_kernels_for_many(comparison, tell):
    agrees(comparison, tell, 30)


def test_tables_of_nftables_are_walked_as_the_kernel_asks_them(comparison, tell):
    agrees(comparison, tell, 5, nft_cases)


@pytest.mark.drill
def test_many_tables_of_nftables(comparison, tell):
    agrees(comparison, tell, 60, nft_cases)


def test_tables_that_others_made_and_ours(comparison, tell):
    """An engine's, firewalld's, and ours for the time while rules are gone or reloaded."""
    for ruleset in map(recorded, RECORDED):
        comparison.host.sh("nft", *ruleset.words, text=ruleset.text)
        agrees(comparison, tell, 3, packets_alone)
        comparison.host.sh("nft", "-f", "-", text=ruleset.undo)


# Packets that open no flow, or whose source has no way back of its own: place, protocol, ICMP's type, source, destination.
ODD = {
    4: [(OUTSIDE, forge.ECHO_REPLY, 0, "client", "host"), (CONTAINER, forge.ECHO_REPLY, 0, CONTAINER, "gateway"), (OUTSIDE, forge.ICMP, 8, "client", "host"),
        (CONTAINER, forge.UDP, None, "unspecified", "everybody"), (CONTAINER, forge.UDP, None, "unspecified", "multicast")],
    6: [(OUTSIDE, forge.ECHO_REPLY, 129, "client", "host"), (OUTSIDE, forge.NEIGHBOUR, 135, "client", "host"), (OUTSIDE, forge.ICMP, 128, "client", "host"),
        (CONTAINER, forge.NEIGHBOUR, 135, "link-local", "gateway"), (CONTAINER, forge.LISTENER, 143, "link-local", "routers"),
        (CONTAINER, forge.NEIGHBOUR, 135, "unspecified", "solicited"), (CONTAINER, forge.LISTENER, 143, CONTAINER, "gateway")],
}
QUESTIONS = [*("-m conntrack --ctstate " + state for state in ("NEW", "INVALID", "UNTRACKED")), "-m rpfilter", "-m rpfilter --invert", "-m rpfilter --loose"]


def test_what_opens_no_flow_and_whose_source_has_no_way_back(comparison, host, tell):
    family, stage = comparison.family, comparison.stage
    lines = ["-A PREROUTING -s %s %s" % (ADDRESS[name][family], asked) for name in sorted({case[3] for case in ODD[family]}) for asked in QUESTIONS]
    host.sh("%s-%s-restore" % (PROGRAMS[family], host.variant), text="\n".join(["*mangle", *lines, "COMMIT", ""]))
    for place, protocol, kind, source, destination in ODD[family]:
        host.sh("conntrack", "-F")
        before, snapshot = counted(host, family), read_host(host.system)
        ends = (ADDRESS[source][family], ADDRESS[destination][family])
        packet = {"from": ends[0], "to": ends[1], "interface": stage.places[place].port}
        packet.update({"icmp_type": str(kind)} if kind is not None else {"protocol": protocol, "port": PORTS[0], "source_port": 68})
        path = [step.rule for step in Judge(snapshot).judge(parse_asked([packet])[0]).path if (step.table, step.chain) == ("mangle", "PREROUTING")]
        stage.send(place, (family, forge.packed(forge.Packet(family, protocol, *ends, (68, PORTS[0]), b"odd."))))
        stage.heard()
        after = counted(host, family)
        moved = [number for number, (count, last) in enumerate(zip(after, before), 1) if count != last]
        assert [lines[number - 1] for number in path] == [lines[number - 1] for number in moved], (protocol, ends)
    tell("IPv%d" % family, "%d packets that open no flow, or have no way back" % len(ODD[family]))


def counted(host, family):
    """The packets that each line has seen."""
    saved = parse(host.sh("%s-%s-save" % (PROGRAMS[family], host.variant), "-c", "-t", "mangle"))
    return [int(counter[1:].partition(":")[0]) for counter in saved.tables["mangle"]["PREROUTING"].counters]
