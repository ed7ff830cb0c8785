# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""FORWARD's jump to DOCKER-USER is a part of what is planned: ahead of every line that could let a packet pass it by."""
import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.reconcile.diff import before_and_after

from tests.integration.kernel.support import forwarded
from tests.integration.kernel.support.program import Program

DROP = ["-s 192.0.2.66 -j DROP"]
JUMP = "-j DOCKER-USER"
PASSING = [
    "-i docker0 -j ACCEPT", "-m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT", "-j OPENS", "-g CLOSES",
    "-m comment --comment \"-j DROP\" -j ACCEPT",
]  # fmt: skip
CHAINS = "*filter\n:OPENS - [0:0]\n:CLOSES - [0:0]\n-A OPENS -s 192.0.2.9 -j ACCEPT\n-A CLOSES -s 203.0.113.0/24 -j DROP\n-A CLOSES -j RETURN\nCOMMIT\n"


@pytest.fixture(name="docker_host")
def with_docker(host):
    """A host on which an engine with DOCKER-USER runs."""
    host.docker()
    host.restore(CHAINS)
    return host


def put_first(host, line, family=4):
    """As somebody else does it."""
    host.restore("*filter\n-I FORWARD 1 %s\nCOMMIT\n" % line, family)


@pytest.mark.parametrize("line", PASSING)
def test_a_line_that_lets_packets_past_docker_user_does_not_stay_above_its_jump(docker_host, line):
    docker_host.section(DROP)
    before = docker_host.rules("FORWARD")
    put_first(docker_host, line)
    checked = docker_host.section(DROP, check=True)
    assert checked.plan.is_change
    told = before_and_after(checked.plan)
    assert "-A FORWARD %s\n-A FORWARD %s\n" % (line, JUMP) in told["before"] and "-A FORWARD %s\n-A FORWARD %s\n" % (JUMP, line) in told["after"]
    assert docker_host.section(DROP).plan.is_change
    assert docker_host.rules("FORWARD") == [JUMP, line] + before[1:]
    settled = docker_host.everything()
    assert not docker_host.section(DROP).plan.is_change
    assert docker_host.everything() == settled


@pytest.mark.parametrize("line", ["-s 203.0.113.5/32 -j DROP", "-j CLOSES", "-j LOG"])
def test_a_line_that_only_restricts_may_stand_above_it(docker_host, line):
    docker_host.section(DROP)
    put_first(docker_host, line)
    before = docker_host.everything()
    assert not docker_host.section(DROP).plan.is_change
    assert docker_host.everything() == before


@pytest.mark.parametrize("family", [4, 6])
def test_a_jump_for_some_packets_only_is_no_entrance(host, family):
    for of in (4, 6):
        host.restore("*filter\n:DOCKER-USER - [0:0]\n-A FORWARD -i eth0 -j DOCKER-USER\n-A FORWARD -j ACCEPT\nCOMMIT\n", of)
    host.section(DROP)
    assert host.rules("FORWARD", family=family) == [JUMP, "-i eth0 -j DOCKER-USER", "-j ACCEPT"]
    assert not host.section(DROP).plan.is_change


def test_where_another_jump_could_be_taken_for_it_none_is_deleted(docker_host):
    put_first(docker_host, "-j ACCEPT")
    put_first(docker_host, "-i eth0 -j DOCKER-USER")
    docker_host.section(DROP)
    assert docker_host.rules("FORWARD")[:4] == [JUMP, "-i eth0 -j DOCKER-USER", "-j ACCEPT", JUMP]
    assert not docker_host.section(DROP).plan.is_change


def test_a_jump_keeps_its_comment(host):
    host.restore('*filter\n:DOCKER-USER - [0:0]\n-A FORWARD -j ACCEPT\n-A FORWARD -m comment --comment "it is -j ACCEPT" -j DOCKER-USER\nCOMMIT\n')
    host.section(DROP)
    assert host.rules("FORWARD") == ['-m comment --comment "it is -j ACCEPT" -j DOCKER-USER', "-j ACCEPT"]
    assert not host.section(DROP).plan.is_change


@pytest.mark.parametrize("line", PASSING)
def test_what_a_boot_loads_puts_it_ahead_too(docker_host, tmp_path, line):
    docker_host.section(DROP)
    program = Program(tmp_path, docker_host)
    program.save()
    before = docker_host.rules("FORWARD")
    put_first(docker_host, line)
    program.run("restore")
    assert docker_host.rules("FORWARD") == [JUMP, line] + before[1:]
    settled = docker_host.save(4, counters=True)
    program.run("restore")
    assert docker_host.save(4, counters=True) == settled


def test_what_a_boot_loads_keeps_the_jumps_comment(host, tmp_path):
    host.section(DROP)
    program = Program(tmp_path, host)
    program.save()
    jump = '-m comment --comment "it \\"is\\" -j ACCEPT" -j DOCKER-USER'
    host.restore("*filter\n-D FORWARD -j DOCKER-USER\n-A FORWARD -j ACCEPT\n-A FORWARD %s\nCOMMIT\n" % jump)
    assert host.rules("FORWARD") == ["-j ACCEPT", jump]
    program.run("restore")
    assert host.rules("FORWARD") == [jump, "-j ACCEPT"]


@pytest.mark.parametrize("line", ["-j CLOSES", "-j LOG"])
def test_what_a_boot_loads_leaves_lines_that_only_restrict(docker_host, tmp_path, line):
    docker_host.section(DROP)
    program = Program(tmp_path, docker_host)
    program.save()
    put_first(docker_host, line)
    before = docker_host.everything()
    program.run("restore")
    assert docker_host.everything() == before


@pytest.mark.parametrize("family", [4, 6])
def test_packets_that_were_let_past_are_stopped(host, family):
    with forwarded.between(host) as way:
        host.section(["-p udp --dport 9 -j DROP"])
        assert not way.arrives(family, 9) and way.arrives(family, 10)
        put_first(host, "-i inside -j ACCEPT", family)
        assert way.arrives(family, 9)
        host.section(["-p udp --dport 9 -j DROP"])
        assert not way.arrives(family, 9) and way.arrives(family, 10)
