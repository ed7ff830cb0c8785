# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""A host whose engine and administrator use iptables-legacy: the same policy, the same answers, nothing put into nft."""
import pytest

from tests.integration.lab.support import expected, firewall, policies, ways
from tests.integration.lab.support.playbook import play
from tests.integration.lab.support.reach import Onlooker, v4, v6

PROGRAMS = ("iptables", "ip6tables")


@pytest.fixture(scope="module", name="legacy")
def host_with_legacy(lab):
    """bookworm, its engine started anew on iptables-legacy; what it had written to nft is gone."""
    host = lab.hosts["bookworm"]
    host.pristine()
    try:
        for program in PROGRAMS:
            host.run(["update-alternatives", "--set", program, "/usr/sbin/%s-legacy" % program])
        host.run(["systemctl", "restart", "docker"])
        host.wait_ready()
        host.run(["systemctl", "restart", "lab-vm-accept"])
        yield host
    finally:
        host.pristine()


def test_both_variants_hold_docker_rules(legacy):
    """What is left where the alternative was switched and nobody rebooted: the user decides, the code does not guess."""
    before = firewall.dump(legacy)
    wanted = policies.for_hosts([legacy], policies.one_client)
    run = play([legacy], [policies.POLICY], host_vars=wanted, fails=True)
    assert "transport" in run.failed()["bookworm"]
    assert firewall.dump(legacy) == before
    task = policies.task("{{ lab_policy }}", transport="legacy")
    assert play([legacy], [task], host_vars=wanted).last("bookworm")["transport"] == "legacy"
    assert not any(play([legacy], [task], host_vars=wanted).changed().values())
    play([legacy], [policies.task({}, transport="legacy", state="absent")])


@pytest.fixture(name="alone")
def legacy_alone(legacy):
    """Without the rules that the engine had left in nft."""
    legacy.run(["nft", "flush", "ruleset"])
    return legacy


def test_every_path(lab, alone):
    assert ways.differences(lab, [alone], expected.as_docker_leaves_it) == []
    wanted = policies.for_hosts([alone], policies.closed_services)
    first = play([alone], [policies.POLICY], host_vars=wanted)
    assert first.last("bookworm")["transport"] == "legacy"
    assert ways.differences(lab, [alone], expected.services_closed) == []
    assert not any(play([alone], [policies.POLICY], host_vars=wanted).changed().values())
    assert "DB-" not in alone.run(["nft", "list", "ruleset"]).stdout
    play([alone], [policies.task({}, state="absent")])
    assert "DB-" not in firewall.dump(alone)


def test_the_other_modules(lab, alone):
    tasks = [
        {"drawbridge.docker.docker_user_chain": {"section": "web", "rules": [
            {"protocol": "tcp", "published_port": "8080", "source": "!%s" % policies.ALLOWED[0], "jump": "DROP"}]}},
        {"drawbridge.docker.nat_filter_chain": {"default": "allow", "allow": [{"port": 8081, "sources": policies.ALLOWED}]}},
    ]
    run = play([alone], tasks)
    assert [result["transport"] for result in run.of("bookworm")] == ["legacy", "legacy"]
    closed = ("v4 published 8080->80", "v4 published, same port 8081")
    cells = ways.plain(lab, [alone], expected.as_docker_leaves_it)
    assert {(cell.path.name, cell.who) for cell in cells if not cell.result.open and cell.path.name in closed} == {
        (name, "denied") for name in closed}
    assert not any(play([alone], tasks).changed().values())


def test_an_opened_port(lab, alone):
    """Read back from what iptables-legacy prints: a second run changes nothing, another container is refused, closing leaves nothing."""
    before = firewall.dump(alone)
    opened = {"name": "six", "port": 8990, "container_port": 80, "sources": [*policies.ALLOWED, "203.0.113.0/24"]}
    assert play([alone], [{"drawbridge.docker.container_port": opened}]).last("bookworm")["transport"] == "legacy"
    look = Onlooker(lab, [alone])
    for way in (v4(8990), v6(8990)):
        assert look.serves("allowed", way)
        assert look.turns_away("denied", way)
    again = play([alone], [{"drawbridge.docker.container_port": opened}])
    assert not any(again.changed().values()), again.output
    failed = play([alone], [{"drawbridge.docker.container_port": dict(opened, name="web")}], fails=True).failed()
    assert "a task opened it for other containers" in failed["bookworm"]
    play([alone], [{"drawbridge.docker.container_port": {"port": 8990, "state": "absent"}}])
    assert firewall.dump(alone) == before
    assert look.turns_away("allowed", v4(8990))
