# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Beside an engine with the nftables backend: what would cut its containers off or mean nothing there is said, and refused where it harms."""
import os
import subprocess
from types import SimpleNamespace

import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.api.connect import connect
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.daemon import backend
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.daemon.process import Daemon
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.errors import DrawbridgeError
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host_settings.policy import HostSettings
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.inspect.report import report
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.inspect.survey import survey
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.kernel.netfilter import Netfilter
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.language.schema import parse_policy
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.tasks.run import Task
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.transaction.converge import Settings
from ansible_collections.drawbridge.docker.plugins.modules import docker_user_chain, forward_policy, host_policy, masquerade

from tests.integration.kernel.support import engine_29, wire
from tests.integration.kernel.test_nftables_engine import EVERYTHING, keep_policy, reached
from tests.lab import probing

NFT_ENGINE = ["dockerd", "--firewall-backend=nftables"]
CHAIN = {"section": "web", "priority": 500, "established": False, "ip_version": "both", "purge": False, "state": "present",
         "rules_from": None}
OWN = engine_29.BRIDGES["docker0"] + ".0.2"


@pytest.fixture(name="docker_host")
def host_with_containers(host, monkeypatch):
    """A host, its engine's process and rules, its containers, and a client on a wire that has a route to them."""
    monkeypatch.setattr(backend, "find_daemon", lambda system: Daemon(os.getpid(), NFT_ENGINE, None))
    with wire.wired() as client, engine_29.containers():
        subprocess.run(["nsenter", "--net=" + client.path, "--", "ip", "route", "add", "172.16.0.0/12", "via", wire.HOST[4]], check=True)

        def task(address, **params):
            return Task(dict(params, docker_host=address, transport=host.variant, lock_timeout=5), False, host.system)

        yield SimpleNamespace(host=host, client=client, task=task, everything=host.everything)


def direct(docker_host):
    """Whether the client reaches a container at its own address."""
    def inside(argv, **options):
        return subprocess.run(["nsenter", "--net=" + docker_host.client.path, "--", *argv], capture_output=True, text=True, check=True, **options)

    return probing.probe(inside, [probing.Probe("tcp", OWN, 80)])[0].open


def found(docker_host, folder, ports=None):
    """Code → what about, of docker_firewall_info."""
    with engine_29.engine(folder, ports) as address:
        told = report(survey(docker_host.host.system, docker_host.host.variant, connect(address)))
    return {item["code"]: item["about"] for item in told["findings"]}


def test_a_policy_of_forward_would_cut_all_off_and_is_refused(docker_host, tmp_path):
    docker_host.host.iptables("-P FORWARD DROP")
    assert reached(docker_host) == set() and found(docker_host, tmp_path)["forward_policy_cuts_off"] == ["ipv4: FORWARD's policy is DROP"]
    docker_host.host.iptables("-P FORWARD ACCEPT")
    assert reached(docker_host) == EVERYTHING
    before = docker_host.everything()
    for families in ({"ipv4": "DROP", "ipv6": None}, {"ipv4": None, "ipv6": "DROP"}):
        with pytest.raises(DrawbridgeError, match="cut all containers off: the engine runs with its nftables backend"):
            forward_policy.keep_policy(docker_host.task(None, state="present", **families))
    assert docker_host.everything() == before and reached(docker_host) == EVERYTHING


def test_nor_does_a_policy_bring_it(docker_host):
    """Refused while it is tried, before any rule."""
    for check in (True, False):
        settings = Settings(docker_host.host.variant, 5, check)
        toggles = HostSettings(docker_host.host.system, settings, parse_policy({"forward_policy": {"ipv4": "drop"}}))
        with pytest.raises(DrawbridgeError, match="cut all containers off"):
            toggles.narrow(Netfilter(docker_host.host.system, docker_host.host.variant))
    assert reached(docker_host) == EVERYTHING


def test_a_policy_that_moves_the_engine_does_not_drop_either(docker_host, monkeypatch):
    monkeypatch.setattr(backend, "find_daemon", lambda system: None)
    said = parse_policy({"forward_policy": {"ipv4": "drop"}, "daemon": {"firewall_backend": "nftables"}})
    toggles = HostSettings(docker_host.host.system, Settings(docker_host.host.variant, 5, True), said)
    assert toggles._engine().coming == "nftables"


def test_accept_is_taken_and_kept(docker_host):
    docker_host.host.iptables("-P FORWARD DROP")
    done = forward_policy.keep_policy(docker_host.task(None, state="present", ipv4="ACCEPT", ipv6=None))
    assert done.values["changed"] and reached(docker_host) == EVERYTHING


def test_accept_in_docker_user_opens_nothing_and_says_so(docker_host):
    assert not direct(docker_host)
    accepts = docker_user_chain.keep_section(docker_host.task(None, rules=[{"jump": "ACCEPT", "comment": "no -j ACCEPT"}], **CHAIN))
    assert not direct(docker_host)
    (warning,) = [text for text in accepts.warnings if "opens nothing" in text]
    assert "DB-USER-web" in warning and "nftables backend" in warning
    drops = docker_user_chain.keep_section(docker_host.task(None, rules=[{"jump": "DROP", "comment": "no -j ACCEPT"}], **CHAIN))
    assert not any("opens nothing" in text for text in drops.warnings)


def test_accept_beside_an_engine_with_the_iptables_backend_is_no_warning(docker_host, monkeypatch):
    monkeypatch.setattr(backend, "find_daemon", lambda system: Daemon(os.getpid(), ["dockerd", "--firewall-backend=iptables"], None))
    accepts = docker_user_chain.keep_section(docker_host.task(None, rules=[{"jump": "ACCEPT"}], **CHAIN))
    assert not any("opens nothing" in text for text in accepts.warnings)


@pytest.mark.parametrize("by", ["task", "policy"])
def test_replies_that_the_engine_drops_are_told(docker_host, tmp_path, by):
    with engine_29.engine(tmp_path) as address:
        if by == "task":
            done = masquerade.keep_masquerade(docker_host.task(address, networks={"app": False}, subnets={}, all=None, state="present"))
        else:
            done = host_policy.keep_policy(docker_host.task(
                address, state="present", policy='{"masquerade": {"networks": {"app": false}}}', fragments=None, profile=None,
                allow_lockout=False, revoke="end"))
    assert any("network 'app' is not masqueraded, but its engine drops the replies" in text for text in done.warnings), done.warnings
    assert not any("network 'bridge'" in text for text in done.warnings)


def test_what_is_reached_directly_is_found(docker_host, tmp_path):
    """allow-direct-routing leaves these lines out."""
    assert not direct(docker_host) and "containers_reachable_directly" not in found(docker_host, tmp_path)
    docker_host.host.sh("nft", "flush", "chain", "ip", "docker-bridges", "raw-PREROUTING")
    assert direct(docker_host)
    assert found(docker_host, tmp_path)["containers_reachable_directly"] == ["ipv4 app: published ports", "ipv4 bridge: published ports"]
    keep_policy(docker_host, tmp_path)
    assert not direct(docker_host) and "containers_reachable_directly" not in found(docker_host, tmp_path)


def test_late_ports_that_are_closed_are_no_finding(docker_host, tmp_path):
    assert len(found(docker_host, tmp_path)["unguarded_ports"]) == 2
    keep_policy(docker_host, tmp_path, ports=())
    assert reached(docker_host) == {("allowed", 8080)}
    assert "unguarded_ports" not in found(docker_host, tmp_path)
    docker_host.host.iptables("-D FORWARD -j DOCKER-USER")
    assert reached(docker_host) == EVERYTHING
    assert len(found(docker_host, tmp_path)["unguarded_ports"]) == 2


def test_a_host_closed_by_nat_filter_alone_is_found(docker_host, tmp_path):
    docker_host.host.iptables("-t nat -N DOCKER-FILTER")
    docker_host.host.iptables("-t nat -A DOCKER-FILTER -p tcp -m addrtype --dst-type LOCAL -j ACCEPT")
    docker_host.host.iptables("-t nat -I PREROUTING -j DOCKER-FILTER")
    assert reached(docker_host) == EVERYTHING
    assert found(docker_host, tmp_path)["chains_without_effect"] == ["ipv4 nat DOCKER-FILTER: closes nothing"]
