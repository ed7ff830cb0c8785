# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Each profile as a matrix on every engine: who reaches what, expected and measured, without a difference."""
import pytest

from tests.integration.lab.support import expected, policies, ways
from tests.integration.lab.support.playbook import play
from tests.lab import paths, table
from tests.lab.api import Probe
from tests.lab.paths import DIRECT, INSIDE, PUBLISHED

# One the lab's own paths do not have.
HOST_TO_CONTAINER = paths.Path("host -> container's own address", INSIDE,
                               lambda target, _client: Probe("tcp", target.address("web"), 80), "host")
PATHS = (*paths.PATHS, HOST_TO_CONTAINER)
# The clients' addresses are none of the private ones, so the set that a fragment may replace is one that the allowed client is in.
FRAGMENT = {
    "address_sets": {"private": policies.ALLOWED},
    "host_services": {"allow": [{"port": 22, "sources": policies.CONTROLLER}]},
}
# Without a default from a profile, an entry would close its port to all others.
FRAGMENTS = {
    "edge": {"address_sets": FRAGMENT["address_sets"]},
    "internal": {"address_sets": FRAGMENT["address_sets"]},
    "isolated": FRAGMENT,
    "lockdown": FRAGMENT,
}


def edge(cell):
    if cell.path.kind in (PUBLISHED, DIRECT):
        return False
    return expected.as_docker_leaves_it(cell)


def internal(cell):
    return cell.who == "allowed" if cell.path.kind == PUBLISHED else edge(cell)


def isolated(cell):
    if cell.path.kind == INSIDE:
        return expected.without_egress(cell)
    return "forwarded" in cell.path.name or "ping" in cell.path.name


def lockdown(cell):
    return isolated(cell) and "ping" not in cell.path.name


@pytest.mark.parametrize("expectation", [
    edge,
    pytest.param(internal, marks=pytest.mark.drill),
    isolated,
    pytest.param(lockdown, marks=pytest.mark.drill),
])
def test_matrix(lab, manageable, expectation):
    profile = expectation.__name__
    task = {"drawbridge.docker.host_policy": {"fragments": "host_policy__", "profile": profile}}
    host_vars = {host.name: {"host_policy__lab": FRAGMENTS[profile]} for host in manageable}
    assert set(play(manageable, [task], host_vars=host_vars).changed().values()) == {True}
    cells = ways.plain(lab, manageable, expectation, PATHS)
    print(side_by_side(profile, cells, expectation))
    assert expected.differences(cells, expectation) == []
    assert set(play(manageable, [task], host_vars=host_vars).changed().values()) == {False}


def side_by_side(profile, cells, expectation):
    """The measurements, and beside what was not expected a mark."""
    wrong = len(expected.differences(cells, expectation))
    return "%s: %d measured, %d other than expected\n%s" % (profile, len(cells), wrong, table.render(cells))
