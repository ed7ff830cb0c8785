# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Every way into a container, on every engine: open as Docker leaves it, closed by a policy to whom it does not name."""
from tests.integration.lab.support import expected, firewall, policies, ways
from tests.integration.lab.support.playbook import play
from tests.lab.layout import CLIENTS

# Only what is DNATed arrives with the client's own address. Engines from 27 on do that for IPv6 as well.
DOES_NAT6 = ("forky",)


def dnated(cell):
    """Whether a published path is DNATed, as Docker leaves it."""
    return cell.path.name.startswith("v4") or "net6" in cell.path.name and cell.host in DOES_NAT6


def told_otherwise(cells, is_dnated):
    """The published TCP paths on which the server sees another kind of peer than it should."""
    return [(cell.host, cell.path.name, cell.who, cell.result.peer) for cell in cells
            if cell.path.kind == ways.paths.PUBLISHED and cell.result.probe.protocol == "tcp" and cell.result.peer
            and (cell.result.peer in (CLIENTS[cell.who].v4, CLIENTS[cell.who].v6)) != is_dnated(cell)]


def test_every_path(lab, managed):
    core, hosts = managed
    before = ways.measure(lab, hosts, expected.as_docker_leaves_it)
    assert ways.differing(before, expected.as_docker_leaves_it) == []
    assert told_otherwise(before[ways.PLAIN], dnated) == []
    assert told_otherwise(before[ways.SKIPPED], lambda _cell: False) == []
    wanted = policies.for_hosts(hosts, policies.one_client)
    first = play(hosts, [policies.POLICY], core=core, host_vars=wanted)
    assert set(first.changed().values()) == {True}
    assert ways.differences(lab, hosts, expected.one_client_allowed) == []
    second = play(hosts, [policies.POLICY], core=core, host_vars=wanted)
    assert set(second.changed().values()) == {False}, second.output


def test_without_the_policy_everything_is_as_before(lab, manageable):
    before = ways.dumps(manageable)
    wanted = policies.for_hosts(manageable, policies.closed_services)
    play(manageable, [policies.POLICY], host_vars=wanted)
    assert ways.dumps(manageable) != before
    gone = play(manageable, [{"drawbridge.docker.host_policy": {"state": "absent"}}])
    assert set(gone.changed().values()) == {True}
    left = ways.dumps(manageable)
    # Engines up to 26 make no DOCKER-USER for IPv6: made by us, it stays, as Docker's own does.
    harmless = {":DOCKER-USER -", "-A FORWARD -j DOCKER-USER", "-A DOCKER-USER -j RETURN"}
    for host in manageable:
        was, now = firewall.written(before[host.name]), firewall.written(left[host.name])
        assert was <= now and now - was <= harmless
    assert ways.differences(lab, manageable, expected.as_docker_leaves_it) == []
