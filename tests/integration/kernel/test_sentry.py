# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""The table that closes a host while its rules are gone: what it lets pass, when it is there, and that it locks nobody out."""
import contextlib
import os
import signal
import socket
import subprocess

import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.facts.facts import Published
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.system import paths
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.system.lock import HostLock
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.persistence.boot_program.sentry_support import reason_against
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.compile.compile import compile_policy
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.compile.labels import answering
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.language.schema import parse_policy
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.transaction import converge

from tests.integration.kernel.support import policies, wire
from tests.integration.kernel.support.namespace import entered
from tests.integration.kernel.support.program import DEBIAN, Program, in_each_shell
from tests.integration.kernel.support.watching import TABLE, is_there, nft, until, watching

ALLOWED = list(wire.SOURCES["allowed"].values())
FACTS = policies.HOST._replace(published=[Published(family, None, 5300, "udp") for family in (4, 6)])
SERVICES = [{"port": 22, "sources": ["any"]}, {"protocol": "icmp", "sources": ["any"]}, {"port": 7000, "sources": ALLOWED}]
POLICY = {
    "published_ports": {"default": "deny", "allow": [{"port": 5300, "protocol": "udp", "sources": ALLOWED}]},
    "host_services": {"default": "deny", "allow": SERVICES},
}
EVERYTHING = {"%d:%d" % (family, label) for family in (4, 6) for label in (125, 126, 127)}
MANGLE, FILTER = "-t mangle -F", "-F"


def wanted(policy=None):
    return answering(compile_policy(parse_policy(policy or POLICY), FACTS))


@pytest.fixture(name="program")
def boot_program(host, client, tmp_path, monkeypatch, request):
    """A host with a policy that is kept, and one that answers."""
    reason = reason_against(host.system, host.variant, (4, 6))
    if reason:
        pytest.skip(reason)
    program = Program(tmp_path, host, getattr(request, "param", DEBIAN))
    monkeypatch.setattr(paths, "ETC", program.files.folder.path)
    # One lock for tasks and the program, as on a host.
    monkeypatch.setattr(converge, "HostLock", lambda timeout: HostLock(timeout, str(tmp_path / "lock")))
    program.files.folder.write("sentry", "connlabel\n")
    program.files.folder.write("ssh", "22\n")
    program.save()
    return program


@pytest.fixture(name="watch")
def running_watch(host, program):
    host.converge(wanted())
    with watching(program) as watch:
        until(lambda: watch.asked() == EVERYTHING, "the table")
        yield watch


def flush(host, words):
    for family in (4, 6):
        host.iptables(words, family)


@contextlib.contextmanager
def connection(client, port):
    """A TCP connection of the allowed client's, both its ends."""
    with socket.create_server((wire.HOST[4], port)) as server:
        with entered(client.path):
            near = socket.create_connection((wire.HOST[4], port), 5, (wire.SOURCES["allowed"][4], 0))
        with near, server.accept()[0] as far:
            far.settimeout(5)
            yield near, far


def connects(client, port):
    """Whether the allowed client gets a new connection."""
    with entered(client.path):
        with socket.socket() as near:
            near.settimeout(wire.PATIENCE)
            near.bind((wire.SOURCES["allowed"][4], 0))
            with contextlib.suppress(OSError):
                near.connect((wire.HOST[4], port))
                return True
    return False


def test_who_is_allowed_passes_as_without_it(host, client, program):
    host.converge(wanted())
    before = client.deliver([5300, 9000])
    with watching(program) as watch:
        until(lambda: watch.asked() == EVERYTHING)
        assert client.deliver([5300, 9000]) == before
        assert before >= wire.unicast("allowed", 5300) and not before & wire.sent("denied", 5300, 9000)
        assert client.answered_pings() == [4, 6]


@pytest.mark.parametrize("words", [MANGLE, FILTER])
def test_nothing_new_but_ssh_while_the_rules_are_gone(host, client, watch, words):
    with connection(client, 7000) as (near, far), socket.create_server((wire.HOST[4], 22)), socket.create_server((wire.HOST[4], 7001)):
        watch.freeze()
        flush(host, words)
        assert client.deliver([5300, 9000]) == set()
        assert not connects(client, 7000) and not connects(client, 7001)
        # What was open goes on, and who has to look after the host comes in.
        near.send(b"on")
        assert far.recv(10) == b"on"
        assert connects(client, 22) and client.answered_pings() == [4, 6]
        watch.wake()
        until(lambda: host.rules("DB-GUARD", "mangle", 6) and host.rules("DB-INPUT", "filter", 6))
        until(lambda: connects(client, 7000))
        assert client.deliver([5300]) >= wire.unicast("allowed", 5300)


def test_one_family_alone(host, client, watch):
    watch.freeze()
    host.iptables(MANGLE, 6)
    assert client.deliver([5300]) & wire.sent("allowed", 5300) >= {wire.datagram("allowed", 4, "unicast", 5300)}
    assert wire.datagram("allowed", 6, "unicast", 5300) not in client.deliver([5300])


@in_each_shell
def test_sets_that_are_flushed_count_as_rules_that_are_gone(host, client, watch):
    watch.freeze()
    names = host.sh("ipset", "list", "-n").split()
    before = {name: host.entries(name) for name in names}
    host.sh("ipset", "flush")
    assert client.deliver([5300, 9000]) == set()
    watch.wake()
    until(lambda: {name: host.entries(name) for name in names} == before, "what was in the sets")
    assert client.deliver([5300]) >= wire.unicast("allowed", 5300)


def test_others_cannot_take_it(host, client, watch):
    watch.freeze()
    assert not nft("delete", "table", *TABLE) and nft("flush", "ruleset") and is_there()
    if host.variant == "nft":
        assert client.deliver([5300, 9000]) == set()
    assert not nft("add", "rule", *TABLE, "input", "accept")


def test_whoever_is_killed_takes_it_over_again(host, client, program, watch):
    was = watch.holder
    os.kill(was, signal.SIGKILL)
    until(lambda: watch.holder not in (None, was) and watch.asked() == EVERYTHING, "another holder")
    watch.kill()
    watch.start()
    until(lambda: watch.asked() == EVERYTHING and not nft("delete", "table", *TABLE), "the table of the next one")
    flush(host, MANGLE)
    until(lambda: host.rules("DB-GUARD", "mangle", 6))
    until(lambda: client.deliver([5300]) >= wire.unicast("allowed", 5300))


def test_rules_that_go_on_purpose_leave_the_host_open(host, client, watch):
    host.converge(policies.no_policy())
    assert not is_there()
    assert client.deliver([5300]) == wire.sent("allowed", 5300) | wire.sent("denied", 5300)
    host.converge(wanted())
    until(lambda: watch.asked() == EVERYTHING)
    host.converge(wanted({"published_ports": POLICY["published_ports"]}))
    until(lambda: watch.asked() == {"4:125", "4:127", "6:125", "6:127"})
    assert wire.unicast("denied", 9000) <= client.deliver([9000])


def test_going_back_to_what_has_no_rules(host, client, program, watch):
    """previous is what was before the policy: nothing."""
    program.run("previous")
    assert not is_there() and host.rules("DB-GUARD", "mangle") is None
    program.run("previous")
    until(lambda: watch.asked() == EVERYTHING)


@pytest.mark.parametrize("stopped", [signal.SIGSTOP, signal.SIGKILL])
def test_a_holder_that_does_not_answer_locks_nobody_out(host, client, watch, stopped):
    watch.freeze()
    os.kill(watch.holder, stopped)
    host.converge(policies.no_policy())
    assert not is_there()
    assert client.deliver([5300]) >= wire.unicast("denied", 5300)


def test_an_orphan_goes_when_the_unit_is_stopped(program, watch):
    watch.kill()
    program.run("stopped")
    assert not is_there()


def test_what_lets_packets_pass_by_is_not_asked_about(host, client, watch):
    """As tailscale or a hand puts an ACCEPT first: what it lets in stays in, until it is gone."""
    host.iptables("-I INPUT 1 -p udp -m udp --dport 9000 -j ACCEPT")
    if host.variant == "nft":
        until(lambda: watch.asked() == EVERYTHING - {"4:126"})
    else:
        until(lambda: "4:126" not in watch.asked())
    assert wire.datagram("denied", 4, "unicast", 9000) in client.deliver([9000])
    host.iptables("-D INPUT -p udp -m udp --dport 9000 -j ACCEPT")
    until(lambda: watch.asked() == EVERYTHING)


def test_rules_that_cannot_be_loaded_are_closed_by_the_fallback(host, client, program, watch):
    watch.freeze()
    (program.folder / "saved" / "current" / "ipv4").write_text("damaged", encoding="utf-8")
    flush(host, MANGLE)
    watch.wake()
    until(lambda: not watch.asked() and host.rules("DB-GUARD", "mangle", 6))
    assert not client.deliver([5300, 9000])


def test_named_interfaces_are_all_that_is_closed(host, client, program):
    host.converge(wanted(dict(POLICY, external_interfaces=["eth9", "wg+"])))
    before = client.deliver([5300, 9000])
    with watching(program) as watch:
        until(lambda: watch.asked() == EVERYTHING)
        watch.freeze()
        flush(host, MANGLE)
        assert client.deliver([5300, 9000]) == before
        text = subprocess.run(["nft", "list", "table", *TABLE], capture_output=True, text=True, check=True).stdout
        assert 'iifname != { "eth9", "wg*" } accept' in text or 'iifname != { "wg*", "eth9" } accept' in text
