# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""The playbook lockdown: everything is cut but the controller's SSH, and comes back; by become and through a bastion too."""
import pytest

from tests.integration.lab.support import expected, policies, ways
from tests.integration.lab.support.playbook import play, playbook
from tests.lab import layout, paths
from tests.lab.api import Probe

PLAYBOOK = "drawbridge.docker.lockdown"
OFF = {"drawbridge_lockdown": False}
# On the loopback, docker-proxy takes connections, and nothing comes back from the container.
LOOPBACK = ("host -> 127.0.0.1:8080", "host -> 127.0.0.1:8090, loopback only", "host -> [::1]:8080")
PATHS = [path for path in paths.PATHS if path.name not in LOOPBACK]
USER, PASSWORD = "labuser", "of-the-lab-only"


def nothing(_cell):
    return False


def ssh(lab, host, client="controller", family="v4"):
    return lab.clients[client].probe([Probe("tcp", getattr(host.spec, family), 22)])[0].open


def flow(lab, host):
    """Whether one and the same flow of datagrams to a published port, told by its source port, is answered."""
    probe = Probe("udp", host.spec.v4, 5300, source_port=40405)
    return lab.clients["denied"].probe([probe])[0].open


def test_everything_is_cut_and_comes_back(lab, manageable):
    hosts = manageable
    play(hosts, [policies.POLICY], host_vars=policies.for_hosts(hosts, policies.one_client))
    before = ways.dumps(hosts)
    assert expected.differences(ways.plain(lab, hosts, expected.one_client_allowed), expected.one_client_allowed) == []
    done = playbook(hosts, PLAYBOOK)
    for host in hosts:
        assert done.last(host.name)["ssh_from"] == [layout.CLIENTS["controller"].v4 + "/32"]
        assert done.last(host.name)["ssh_port"] == 22
    cells = ways.plain(lab, hosts, nothing, PATHS)
    assert expected.differences(cells, nothing) == []
    for host in hosts:
        assert ssh(lab, host) and not ssh(lab, host, "controller", "v6") and not ssh(lab, host, "allowed")
    assert set(playbook(hosts, PLAYBOOK).changed().values()) == {False}
    assert set(playbook(hosts, PLAYBOOK, extra=OFF).changed().values()) == {True}
    assert ways.dumps(hosts) == before
    assert expected.differences(ways.plain(lab, hosts, expected.one_client_allowed), expected.one_client_allowed) == []
    assert set(playbook(hosts, PLAYBOOK, extra=OFF).changed().values()) == {False}


@pytest.mark.drill
def test_open_connections_of_others_are_cut(lab, manageable):
    hosts = [host for host in manageable if host.name != "forky"]
    assert [flow(lab, host) for host in hosts] == [True] * len(hosts)
    playbook(hosts, PLAYBOOK)
    assert not any(flow(lab, host) for host in hosts)
    playbook(hosts, PLAYBOOK, extra=OFF)
    assert [flow(lab, host) for host in hosts] == [True] * len(hosts)


def test_check_mode_cuts_nothing(lab, manageable):
    before = ways.dumps(manageable)
    assert set(playbook(manageable, PLAYBOOK, check=True).changed().values()) == {True}
    assert ways.dumps(manageable) == before


def test_through_a_bastion_the_bastion_keeps_its_way(lab, manageable):
    bastion, host = manageable[:2]
    jump = {host.name: {
        "ansible_ssh_common_args": "-F %s -o ProxyJump=%s" % (layout.SSH_CONFIG, bastion.name),
        # Not by a connection that an earlier play left open, which came straight.
        "ansible_ssh_args": "-o ControlMaster=no -o ControlPath=none",
    }}
    done = playbook([host], PLAYBOOK, host_vars=jump)
    assert done.last(host.name)["ssh_from"] == [bastion.spec.v4 + "/32"]
    assert bastion.probe([Probe("tcp", host.spec.v4, 22)])[0].open and not ssh(lab, host)
    playbook([host], PLAYBOOK, host_vars=jump, extra=OFF)
    assert ssh(lab, host)


@pytest.fixture(name="operator")
def with_a_user_who_is_not_root(manageable):
    """A host with a user who becomes root by a password; su leaves nothing of the SSH session's environment."""
    host = manageable[0]
    host.run(["sh", "-ec", "useradd --create-home --shell /bin/bash {0}; mkdir -p /home/{0}/.ssh;"
              " cp /root/.ssh/authorized_keys /home/{0}/.ssh/; chown -R {0} /home/{0}/.ssh; echo root:{1} | chpasswd"
              .format(USER, PASSWORD)])
    yield host
    host.run(["sh", "-c", "userdel --force --remove %s; passwd --lock root" % USER])


def test_become(lab, operator):
    who = {operator.name: {
        "ansible_user": USER, "ansible_become_method": "su", "ansible_become_flags": "--login", "ansible_become_password": PASSWORD,
    }}
    done = playbook([operator], PLAYBOOK, host_vars=who)
    assert done.last(operator.name)["ssh_from"] == [layout.CLIENTS["controller"].v4 + "/32"]
    assert ssh(lab, operator) and not ssh(lab, operator, "allowed")
    playbook([operator], PLAYBOOK, host_vars=who, extra=OFF)
    assert ssh(lab, operator, "allowed")


@pytest.mark.drill
def test_further_sources(lab, manageable):
    host = manageable[0]
    extra = {"drawbridge_lockdown_sources": [layout.CLIENTS["allowed"].v4, layout.LAN_V6]}
    playbook([host], PLAYBOOK, extra=extra)
    assert ssh(lab, host, "allowed") and ssh(lab, host, "denied", "v6") and not ssh(lab, host, "denied")
    refused = playbook([host], PLAYBOOK, extra={"drawbridge_lockdown_sources": ["forensics.example"]}, fails=True)
    assert "sources[0]" in refused.failed()[host.name]
    playbook([host], PLAYBOOK, extra=OFF)
