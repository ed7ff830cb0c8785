# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""What closes ports that are published later, told for hosts of every kind."""
import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.daemon.process import Daemon
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.system.system import System
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.kernel.nft_table import TableChange
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.reconcile.plan import Plan
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.persistence.boot_program import engine_unit
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.persistence.install import unit_files
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.blocks import engine_table
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.language.schema import parse_policy
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy_pipeline import late_ports

UNIT = "system.slice/docker.service"
SOCKET = "unix:///var/run/docker.sock"
TEXT = "\n".join(engine_table.body(UNIT))


class Nft:
    """nft with a table in the kernel, or none."""

    def __init__(self, text=None, is_installed=True):
        self.text, self.is_installed = text, is_installed

    def read(self, keys):
        return dict.fromkeys(keys, self.text)


@pytest.fixture(name="here")
def a_host(monkeypatch):
    """A host that can do everything: what it cannot, tests take away."""
    told = {"daemon": Daemon(7, ["/usr/bin/dockerd", "-H", "fd://"], None), "cgroup": UNIT, "possible": True, "service": "absent", "drop_in": True,
            "filled": True, "systemd": True}
    monkeypatch.setattr(late_ports, "find_daemon", lambda system: told["daemon"])
    monkeypatch.setattr(engine_unit.cgroup, "of_process", lambda system, pid: told["cgroup"])
    monkeypatch.setattr(engine_unit.os.path, "exists", lambda path: told["drop_in"])
    monkeypatch.setattr(engine_unit.unit, "has_systemd", lambda system: told["systemd"])
    monkeypatch.setattr(engine_table, "is_possible", lambda nft, path: told["possible"])
    monkeypatch.setattr(engine_table, "is_filled", lambda nft, path: told["filled"])
    monkeypatch.setattr(engine_table, "fill", lambda nft, path: told.update(filled=True))
    monkeypatch.setattr(late_ports, "event_service", lambda system: told["service"])
    return told


def cgroup(nft=None, docker_host=SOCKET):
    return late_ports.engine_cgroup(System(), nft or Nft(), docker_host)


def test_the_unit_of_the_engine(here):
    assert cgroup() == UNIT
    assert cgroup(docker_host="unix:///run/docker.sock") == UNIT


@pytest.mark.parametrize("lack", [{"cgroup": None}, {"cgroup": "user.slice/session-1.scope"}, {"possible": False}, {"daemon": None, "systemd": False}])
def test_what_a_host_may_lack(here, lack):
    here.update(lack)
    assert cgroup() is None


def test_without_nft(here):
    assert cgroup(Nft(is_installed=False)) is None


def test_another_engine_than_the_unit_s(here):
    assert cgroup(docker_host="unix:///run/user/1000/docker.sock") is None
    assert cgroup(docker_host="tcp://192.0.2.1:2376") is None
    here["daemon"] = Daemon(7, ["dockerd", "-H", "unix:///srv/docker.sock"], None)
    assert cgroup(docker_host="unix:///srv/docker.sock") == UNIT


def test_a_kernel_that_has_the_table_is_not_asked_again(here):
    here["possible"] = False
    assert cgroup(Nft(TEXT)) == UNIT


def test_an_engine_that_does_not_run_is_expected_where_it_was(here):
    here["daemon"] = None
    assert cgroup() == UNIT
    assert cgroup(Nft(TEXT.replace(UNIT, "other.slice/docker.service"))) == "other.slice/docker.service"


def plan(before, after):
    return Plan({}, [], [], [], [], [TableChange(engine_table.KEY, before, after)])


def settle(before=TEXT, after=TEXT, check=False):
    return late_ports.settle(System(), plan(before, after), check)


def test_which_of_the_four_holds(here):
    assert settle() == ("kernel", False)
    here["drop_in"] = False
    assert settle() == ("kernel_until_restart", False)
    assert settle(after=None) == ("next_run", False)
    here["service"] = "running"
    assert settle() == settle(after=None) == ("event_service", False)
    here["service"] = "stopped"
    assert settle(after=None) == ("next_run", False)


def test_a_cgroup_that_the_kernel_does_not_know_yet(here):
    here["filled"] = False
    assert settle(check=True) == ("kernel", True) and not here["filled"]
    assert settle(before=None, check=True) == ("kernel", False)
    assert settle() == ("kernel", True) and here["filled"]
    assert settle() == ("kernel", False)


@pytest.mark.parametrize("policy, limits", [
    ({}, False), ({"host_services": {"default": "deny"}}, False), ({"published_ports": {}}, True), ({"published_ports": {"default": "allow"}}, False),
    ({"published_ports": {"default": "allow", "allow": [{"port": 1, "sources": []}]}}, True),
])
def test_policies_that_close_something(policy, limits):
    assert late_ports.limits_ports(parse_policy(policy)) is limits


def test_the_drop_ins():
    folder = "/etc/systemd/system/%s.d/drawbridge.conf"
    assert engine_unit.drop_ins(UNIT) == engine_unit.drop_ins(None) == [folder % "docker.service"]
    assert engine_unit.drop_ins("system.slice/snap.docker.dockerd.service") == [folder % "docker.service", folder % "snap.docker.dockerd.service"]
    assert "ExecStartPre=-+/bin/sh /etc/drawbridge/boot.sh engine\n" in unit_files(System())[folder % "docker.service"]
