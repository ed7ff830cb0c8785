# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Sockets of the engine's that the guard does not know, told by their cgroup: real packets to sockets that were made in one."""
import contextlib
import socket

import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.facts.facts import HostFacts, Published
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.system.system import System
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.kernel.nft_table import Nft
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.blocks import engine_table
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.compile.compile import compile_policy
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.language.schema import parse_policy
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy_pipeline import late_ports

from tests.integration.kernel.support import engine_cgroup, wire
from tests.integration.kernel.support.engine_cgroup import connects, made_in
from tests.integration.kernel.support.host import PROGRAMS
from tests.integration.kernel.support.namespace import entered, missing
from tests.integration.kernel.support.policies import no_policy
from tests.integration.kernel.support.program import DEBIAN, Program, in_each_shell

pytestmark = pytest.mark.skipif(bool(missing("nft")) or engine_cgroup.mount() is None, reason="needs nft and cgroups of version 2")

KNOWN, LATE, LATE_ALLOWED, IN_RANGE, OWN, SERVICE = PORTS = (53, 54, 55, 8005, 2376, 57)
FRIENDS = list(wire.SOURCES["allowed"].values())
PROTOCOLS = ("tcp", "udp")
FACTS = HostFacts(
    published=[Published(family, None, KNOWN, protocol) for family in (4, 6) for protocol in PROTOCOLS],
    bridges=[], closed_bridges={4: [], 6: []}, subnets=[], swarm=False,
    engine_own=[Published(family, None, OWN, protocol) for family in (4, 6) for protocol in PROTOCOLS],
)
ENTRIES = [{"port": port, "protocol": protocol, "sources": FRIENDS} for port in (KNOWN, LATE_ALLOWED, "8000-8010") for protocol in PROTOCOLS]
PUBLISHED = {"default": "deny", "allow": ENTRIES}


@pytest.fixture(name="unit")
def engine_unit():
    """The folder of a cgroup that stands for the engine's."""
    with engine_cgroup.cgroup() as folder:
        yield folder


def apply(host, unit, published=None, facts=FACTS, **policy):
    """What host_policy does."""
    published = PUBLISHED if published is None else published
    facts = facts._replace(engine_cgroup=engine_cgroup.path_of(unit))
    outcome = host.converge(compile_policy(parse_policy(dict(policy, published_ports=published)), facts))
    return outcome, late_ports.settle(System(), outcome.plan, False)


def delivered(client, unit):
    """What arrives at sockets of the engine's, and at a service of the host."""
    def listen(family, port):
        return wire.listener(family, port) if port == SERVICE else made_in(unit, lambda: wire.listener(family, port))

    return client.deliver(PORTS, listen)


def connected(client, unit, *ports):
    """Who comes to TCP sockets: (client, family, port)."""
    with contextlib.ExitStack() as stack:
        for family in PROGRAMS:
            for port in ports:
                made = engine_cgroup.listener(family, port) if port == SERVICE else made_in(unit, lambda f=family, p=port: engine_cgroup.listener(f, p))
                stack.enter_context(made)
        return {(who, family, port) for who in wire.SOURCES for family in PROGRAMS for port in ports if connects(client, who, family, port)}


def everybody(*ports, who=tuple(wire.SOURCES)):
    return {(name, family, port) for name in who for family in PROGRAMS for port in ports}


ALLOWED_HERE = (KNOWN, LATE_ALLOWED, IN_RANGE)


@pytest.mark.parametrize("interfaces", [{}, {"external_interfaces": ["ho+"]}], ids=["all", "named"])
@pytest.mark.parametrize("tracked", [True, False], ids=["tracked", "untracked"])
def test_only_what_the_policy_lets_in_comes_to_sockets_of_the_engine(host, client, unit, tracked, interfaces):
    if not tracked:
        for family in PROGRAMS:
            host.iptables("-t raw -A PREROUTING -j CT --notrack", family)
    apply(host, unit, **interfaces)
    assert delivered(client, unit) == wire.sent("allowed", *ALLOWED_HERE, OWN, SERVICE) | wire.sent("denied", OWN, SERVICE)
    assert connected(client, unit, *PORTS) == everybody(*ALLOWED_HERE, who=["allowed"]) | everybody(OWN, SERVICE)


def test_without_the_table_they_are_open(nft_host, client, unit):
    apply(nft_host, unit)
    nft_host.sh("nft", "delete", "table", "inet", engine_table.NAME)
    assert wire.sent("denied", LATE) <= delivered(client, unit)


def test_interfaces_that_are_not_named_are_not_outside(host, client, unit):
    apply(host, unit, external_interfaces=["eth9"])
    assert delivered(client, unit) == wire.sent("allowed", *PORTS) | wire.sent("denied", *PORTS)


def test_default_allow_limits_only_ports_with_an_entry(host, client, unit):
    apply(host, unit, {"default": "allow", "allow": [entry for entry in ENTRIES if entry["port"] == LATE_ALLOWED]})
    assert delivered(client, unit) == wire.sent("allowed", *PORTS) | wire.sent("denied", *(port for port in PORTS if port != LATE_ALLOWED))


def test_entries_by_way_in(host, client, unit):
    for name, reached in (("ho+", ALLOWED_HERE), ("wg0", ())):
        apply(host, unit, {"allow": [dict(entry, interfaces=[name]) for entry in ENTRIES]})
        assert delivered(client, unit) == wire.sent("allowed", *reached, OWN, SERVICE) | wire.sent("denied", OWN, SERVICE)


def test_denied_sources_come_to_no_socket_of_the_engine_s(host, client, unit):
    for published, reached in (({"allow": [dict(entry, sources=["any"]) for entry in ENTRIES]}, (*ALLOWED_HERE, OWN, SERVICE)), ({"default": "allow"}, PORTS)):
        apply(host, unit, {**published, "deny": list(wire.SOURCES["denied"].values())})
        assert delivered(client, unit) == wire.sent("allowed", *reached) | wire.sent("denied", OWN, SERVICE)
    assert connected(client, unit, LATE_ALLOWED) == everybody(LATE_ALLOWED, who=["allowed"])


def test_from_a_bridge_of_docker_s_everything_comes(host, client, unit):
    apply(host, unit, facts=FACTS._replace(bridges=["host"], closed_bridges={4: ["host"], 6: ["host"]}))
    assert delivered(client, unit) == wire.sent("allowed", *PORTS) | wire.sent("denied", *PORTS)


def test_who_takes_iptables_rules_away_opens_nothing(host, client, unit):
    apply(host, unit)
    for family in PROGRAMS:
        for table in ("mangle", "filter"):
            host.iptables("-t %s -F" % table, family)
    assert delivered(client, unit) == wire.sent("allowed", SERVICE) | wire.sent("denied", SERVICE)


def test_marks_of_others_stay_as_they_are(host, client, unit):
    """Even one who uses the same bit: what is not for the engine is not dropped for it."""
    apply(host, unit)
    for family in PROGRAMS:
        host.iptables("-t mangle -A INPUT -j MARK --set-xmark 0x%x/0xffffffff" % (engine_table.MARK | 7), family)
        host.iptables("-t filter -A INPUT -m mark ! --mark 0x%x -j DROP" % (engine_table.MARK | 7), family)
    assert {text for text in delivered(client, unit) if text.endswith(" %d" % SERVICE)} == wire.sent("allowed", SERVICE) | wire.sent("denied", SERVICE)


def test_what_passes_has_its_mark_taken_off(host, client, unit):
    apply(host, unit)
    for family in PROGRAMS:
        host.iptables("-t filter -A INPUT -m mark ! --mark 0 -j DROP", family)
    assert wire.sent("allowed", *ALLOWED_HERE) <= delivered(client, unit)


def test_a_connection_that_is_turned_around_is_asked_about_too(host, client, unit):
    """Connection tracking takes the client's first packet for a reply where the host has begun: docker-proxy's socket has not."""
    apply(host, unit)
    for family in PROGRAMS:
        with made_in(unit, lambda f=family: engine_cgroup.listener(f, LATE)):
            words = ["--src", wire.HOST[family], "--dst", wire.SOURCES["denied"][family], "--sport", str(LATE), "--dport", "31001"]
            host.sh("conntrack", "-I", "-p", "tcp", *words, "--state", "SYN_SENT", "--timeout", "60")
            assert not connects(client, "denied", family, LATE, 31001)


def test_a_second_run_changes_nothing_and_a_new_cgroup_is_told(nft_host, client, unit):
    apply(nft_host, unit)
    outcome, settled = apply(nft_host, unit)
    assert (outcome.is_change, settled.changed) == (False, False)
    # The unit is started anew: another cgroup of the same name.
    unit.rmdir()
    unit.mkdir()
    outcome, settled = apply(nft_host, unit)
    assert (outcome.is_change, settled.changed) == (False, True)
    assert delivered(client, unit) & wire.sent("denied", LATE) == set()
    assert not apply(nft_host, unit)[1].changed


def test_nothing_is_left_without_a_policy(nft_host, unit):
    apply(nft_host, unit)
    nft_host.converge(no_policy())
    assert engine_table.NAME not in nft_host.sh("nft", "list", "ruleset")
    assert nft_host.rules("DB-LATE", "mangle") is None


def test_a_unit_that_does_not_run_is_no_error(nft_host, unit):
    unit.rmdir()
    outcome, settled = apply(nft_host, unit)
    assert outcome.is_change and not settled.changed
    assert not apply(nft_host, unit)[0].is_change


def test_the_kernel_is_asked_first(nft_host, unit, monkeypatch):
    nft = Nft(System())
    assert engine_table.is_possible(nft, engine_cgroup.path_of(unit))
    monkeypatch.setattr(engine_table, "body", lambda path: ["set engine { type cgroupsv3; }"])
    assert not engine_table.is_possible(nft, engine_cgroup.path_of(unit))


@pytest.fixture(name="program")
def boot_program(host, tmp_path, request):
    return Program(tmp_path, host, getattr(request, "param", DEBIAN))


def test_the_boot_program_brings_the_table_back_with_the_cgroup(host, client, unit, program):
    apply(host, unit)
    program.save()
    before = host.sh("nft", "list", "table", "inet", engine_table.NAME)
    assert "elements = " in before
    program.run()
    assert host.sh("nft", "list", "table", "inet", engine_table.NAME) == before
    host.sh("nft", "delete", "table", "inet", engine_table.NAME)
    program.run("settle")
    assert host.sh("nft", "list", "table", "inet", engine_table.NAME) == before
    assert delivered(client, unit) & wire.sent("denied", LATE) == set()


def test_a_boot_has_no_cgroup_yet_and_the_unit_tells_it(host, client, unit, program):
    apply(host, unit)
    program.save()
    unit.rmdir()
    program.run()
    assert "elements" not in host.sh("nft", "list", "table", "inet", engine_table.NAME)
    unit.mkdir()
    in_unit(host, unit, program)
    assert delivered(client, unit) & wire.sent("denied", LATE) == set()
    assert not apply(host, unit)[1].changed


@in_each_shell
def test_a_unit_that_moved_is_told_as_well(host, client, unit, program):
    apply(host, unit)
    program.save()
    program.run()
    inner = unit / "deeper"
    inner.mkdir()
    try:
        in_unit(host, inner, program)
        assert delivered(client, inner) & wire.sent("denied", LATE) == set()
    finally:
        inner.rmdir()


def in_unit(host, folder, program):
    """What systemd does ahead of the engine's first process."""
    host.sh("sh", "-c", 'echo $$ >"$0/cgroup.procs" && exec "$@" engine', str(folder), *program.command)


def test_a_host_without_a_policy_starts_its_engine(host, unit, program):
    program.save()
    in_unit(host, unit, program)
    assert engine_table.NAME not in host.sh("nft", "list", "ruleset")


def test_what_remains_where_a_service_had_the_port(nft_host, client, unit):
    """As documented: of a connection in TIME_WAIT the kernel does not tell whose listener takes it up again."""
    apply(nft_host, unit)
    with engine_cgroup.listener(4, LATE) as service, knocked(client, 31003) as knocking:
        # Who closes first waits.
        service.accept()[0].close()
        knocking.recv(1)
    with made_in(unit, lambda: engine_cgroup.listener(4, LATE)):
        assert connects(client, "denied", 4, LATE, 31003)
        assert not connects(client, "denied", 4, LATE, 31004)


@contextlib.contextmanager
def knocked(client, source_port):
    """The denied client's open connection to the host's own service."""
    with entered(client.path):
        knocking = socket.socket()
    with knocking:
        knocking.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        knocking.bind((wire.SOURCES["denied"][4], source_port))
        knocking.connect((wire.HOST[4], LATE))
        yield knocking
