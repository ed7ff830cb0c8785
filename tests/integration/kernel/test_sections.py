# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Sections of DOCKER-USER: their jumps, in the order of priorities, at their place, beside what others keep there."""
import pytest

JUMP = '-m comment --comment "drawbridge:%d" -j DB-USER-%s'
DROP = ["-s 192.0.2.66 -j DROP"]


@pytest.fixture(name="docker_host")
def with_docker(host):
    """A host on which an engine with DOCKER-USER runs, IPv4 only, as engines up to 26 do it."""
    host.docker()
    return host


def test_jumps_stand_in_the_order_of_priorities(docker_host):
    for name, priority in (("late", 900), ("early", 10), ("middle", 500)):
        docker_host.section(DROP, name, priority=priority)
    jumps = [JUMP % (10, "early"), JUMP % (500, "middle"), JUMP % (900, "late")]
    assert docker_host.rules("DOCKER-USER") == jumps + ["-j RETURN"]
    assert docker_host.rules("DOCKER-USER", family=6) == jumps


def test_a_section_moves_by_its_priority(docker_host):
    docker_host.section(DROP, "one", priority=10)
    docker_host.section(DROP, "two", priority=20)
    assert docker_host.section(DROP, "one", priority=30, check=True).plan.is_change
    assert docker_host.section(DROP, "one", priority=30).plan.is_change
    assert docker_host.rules("DOCKER-USER") == [JUMP % (20, "two"), JUMP % (30, "one"), "-j RETURN"]
    assert not docker_host.section(DROP, "one", priority=30).plan.is_change


def test_sections_of_one_priority_stand_by_name_and_settle(docker_host):
    for name in ("b", "a", "c"):
        docker_host.section(DROP, name, priority=500)
    assert docker_host.rules("DOCKER-USER", family=6) == [JUMP % (500, name) for name in "abc"]
    for name in "abc":
        assert not docker_host.section(DROP, name, priority=500).plan.is_change


def test_removing_a_section_leaves_the_others(docker_host):
    docker_host.section(DROP, "one", priority=10)
    docker_host.section(DROP, "two", priority=20)
    assert docker_host.section([], "one", present=False).plan.is_change
    assert docker_host.rules("DOCKER-USER") == [JUMP % (20, "two"), "-j RETURN"]
    assert docker_host.rules("DB-USER-one") is None
    assert docker_host.rules("DB-USER-two") == ["-s 192.0.2.66/32 -j DROP"]
    assert not docker_host.section([], "one", present=False).plan.is_change
    assert not docker_host.section(DROP, "two", priority=20).plan.is_change


def test_removing_the_last_section_leaves_the_host_as_the_engine_made_it(docker_host):
    before = docker_host.save(4)
    docker_host.section(DROP)
    docker_host.section([], present=False)
    assert docker_host.save(4) == before
    assert docker_host.rules("DOCKER-USER", family=6) == []


@pytest.mark.parametrize("foreign", ["-j ACCEPT", "-s 192.0.2.0/24 -j RETURN", "-j OPENS", "-g CLOSES"])
def test_a_line_that_lets_packets_past_the_section_does_not_stay_above_it(docker_host, foreign):
    docker_host.section(DROP)
    docker_host.restore("*filter\n:OPENS - [0:0]\n:CLOSES - [0:0]\n-A OPENS -j ACCEPT\n-A CLOSES -j DROP\n"
                        "-I DOCKER-USER 1 %s\nCOMMIT\n" % foreign)
    assert docker_host.section(DROP, check=True).plan.is_change
    assert docker_host.section(DROP).plan.is_change
    assert docker_host.rules("DOCKER-USER") == [JUMP % (500, "web"), foreign, "-j RETURN"]
    assert not docker_host.section(DROP).plan.is_change


@pytest.mark.parametrize("foreign", ["-s 203.0.113.5/32 -j DROP", "-j CLOSES", "-p tcp -j REJECT --reject-with tcp-reset",
                                     "-m comment --comment counts", "-j LOG"])
def test_a_line_that_only_restricts_may_stand_above(docker_host, foreign):
    docker_host.section(DROP)
    docker_host.restore("*filter\n:CLOSES - [0:0]\n-A CLOSES -s 203.0.113.0/24 -j DROP\n-A CLOSES -j RETURN\n"
                        "-I DOCKER-USER 1 %s\nCOMMIT\n" % foreign)
    before = docker_host.everything()
    assert not docker_host.section(DROP).plan.is_change
    assert docker_host.everything() == before


def test_a_section_below_the_bare_return_is_put_above_it(docker_host):
    docker_host.section(DROP)
    docker_host.iptables("-D DOCKER-USER 1")
    docker_host.restore("*filter\n-A DOCKER-USER %s\nCOMMIT\n" % (JUMP % (500, "web")))
    assert docker_host.section(DROP).plan.is_change
    assert docker_host.rules("DOCKER-USER") == [JUMP % (500, "web"), "-j RETURN"]


def test_a_jump_that_is_there_twice_is_there_once_afterwards(docker_host):
    docker_host.section(DROP)
    docker_host.restore("*filter\n-A DOCKER-USER %s\nCOMMIT\n" % (JUMP % (500, "web")))
    assert docker_host.section(DROP).plan.is_change
    assert docker_host.rules("DOCKER-USER") == [JUMP % (500, "web"), "-j RETURN"]


def test_before_the_engines_first_start_chain_and_jump_are_made(host):
    assert host.section(DROP).plan.is_change
    for family in (4, 6):
        assert host.rules("FORWARD", family=family) == ["-j DOCKER-USER"]
        assert host.rules("DOCKER-USER", family=family) == [JUMP % (500, "web")]
    before = host.everything()
    assert not host.section(DROP).plan.is_change
    assert host.everything() == before


def test_a_chain_that_nobody_enters_is_entered(host):
    host.restore("*filter\n:DOCKER-USER - [0:0]\n-A DOCKER-USER -s 192.0.2.1 -j DROP\n-A DOCKER-USER -j RETURN\nCOMMIT\n")
    host.section(DROP)
    assert host.rules("FORWARD") == ["-j DOCKER-USER"]
    assert host.rules("DOCKER-USER") == [JUMP % (500, "web"), "-s 192.0.2.1/32 -j DROP", "-j RETURN"]
    assert not host.section(DROP).plan.is_change


def test_the_chain_that_was_made_for_a_section_stays_when_it_goes(host):
    host.section(DROP)
    assert host.section([], present=False).plan.is_change
    assert host.rules("FORWARD") == ["-j DOCKER-USER"] and host.rules("DOCKER-USER") == []
    assert not host.section([], present=False).plan.is_change


def test_removing_what_never_was_there_makes_nothing(host):
    before = host.everything()
    assert not host.section([], present=False).plan.is_change
    assert host.everything() == before


def test_a_section_for_one_family_leaves_the_other_alone(host):
    host.section(["-j DROP"], families=(4,))
    assert host.rules("DB-USER-web") == ["-j DROP"]
    assert host.rules("DOCKER-USER", family=6) is None


def test_a_section_that_no_longer_is_for_a_family_leaves_it(host):
    host.section(["-j DROP"])
    assert host.section(["-j DROP"], families=(6,)).plan.is_change
    assert host.rules("DB-USER-web") is None and host.rules("DOCKER-USER") == []
    assert host.rules("DB-USER-web", family=6) == ["-j DROP"]


def test_established_flows_pass_before_the_rules(host):
    host.section(DROP, established=True)
    assert host.rules("DB-USER-web") == ["-m conntrack --ctstate RELATED,ESTABLISHED -j RETURN", "-s 192.0.2.66/32 -j DROP"]
    assert not host.section(DROP, established=True).plan.is_change


def test_one_section_may_jump_to_another(host):
    host.section(["-s 192.0.2.0/24 -j DROP"], "inner", priority=900)
    host.section(["-p tcp -j DB-USER-inner"], "outer", priority=10)
    assert host.rules("DB-USER-outer") == ["-p tcp -j DB-USER-inner"]
    assert not host.section(["-p tcp -j DB-USER-inner"], "outer", priority=10).plan.is_change
