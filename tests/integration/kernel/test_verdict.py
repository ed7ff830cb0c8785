# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""What the verdict says of packets is what the kernel does with them: whether and where they come out, and which rules they meet."""
import socket
import time

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings

from tests.integration.kernel.support import forge_stage
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
