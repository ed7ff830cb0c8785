# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""daemon.json on each engine: what it does not take is not written, what is written holds after the restart that it asks for."""
import json

import pytest

from tests.integration.lab.support import outwards
from tests.integration.lab.support.playbook import play
from tests.integration.lab.support.ways import on_all

FILE = "/etc/docker/daemon.json"
MODULE = "drawbridge.docker.docker_daemon_config"
BROKEN = [
    ('{\n  "debug": true,\n  "icc" false\n}\n', "line 3, column 9"),
    ("// by hand\n{}\n", "line 1, column 1"),
    ('{"debug": true', "line 1, column 15"),
    ('{"a": 1, "icc": true,\n"icc": false}', "icc in lines 1, 2"),
]
# Measured: dockerd --validate of 26.1 and 28.5, a start of 20.10.
UNKNOWN = {
    "bookworm": ["default_network_opts", "ip_forward_no_drop", "allow_direct_routing", "firewall_backend"],
    "trixie": ["ip_forward_no_drop", "allow_direct_routing", "firewall_backend"],
    "forky": ["firewall_backend"],
}
VALUES = {"default_network_opts": {"bridge": {}}, "ip_forward_no_drop": True, "allow_direct_routing": True,
          "firewall_backend": "iptables"}


def write(host, text):
    host.run(["mkdir", "-p", "/etc/docker"])
    host.run(["tee", FILE], input=text)


def read(host):
    return host.run(["cat", FILE]).stdout


def started(host):
    """The engine's process."""
    return host.run(["systemctl", "show", "-p", "MainPID", "-p", "ExecMainStartTimestampMonotonic", "docker"]).stdout


def test_a_broken_file_stays_byte_for_byte(manageable):
    for text, place in BROKEN:
        on_all(manageable, lambda host, text=text: write(host, text))
        there = on_all(manageable, lambda host: host.run(["ls", "-a", "/etc/docker"]).stdout)
        failed = play(manageable, [{MODULE: {"icc": True}}], fails=True).failed()
        for host in manageable:
            assert place in failed[host.name] and FILE in failed[host.name]
            assert read(host) == text
        assert on_all(manageable, lambda host: host.run(["ls", "-a", "/etc/docker"]).stdout) == there
    on_all(manageable, lambda host: host.run(["rm", FILE]))


def test_each_engine_refuses_what_it_does_not_know_and_takes_the_rest(manageable):
    for option, value in VALUES.items():
        taking = [host for host in manageable if option not in UNKNOWN[host.name]]
        refusing = [host for host in manageable if option in UNKNOWN[host.name]]
        failed = play(refusing, [{MODULE: {option: value}}], fails=True).failed() if refusing else {}
        assert all("does not know %s and would not start" % option.replace("_", "-") in failed[host.name] for host in refusing)
        if taking:
            assert set(play(taking, [{MODULE: {option: value}}]).changed().values()) == {True}
    on_all(manageable, outwards.restart_engine)
    assert {host.run(["systemctl", "is-active", "docker"]).stdout.strip() for host in manageable} == {"active"}


def test_what_the_engine_starts_with_holds_after_the_restart_only(manageable):
    write_all = '{\n  "log-level": "info",\n  "debug": false\n}\n'
    on_all(manageable, lambda host: write(host, write_all))
    on_all(manageable, outwards.restart_engine)
    before = on_all(manageable, started)
    predicted = play(manageable, [{MODULE: {"userland_proxy": False}}], check=True)
    assert {read(host) for host in manageable} == {write_all}
    done = play(manageable, [{MODULE: {"userland_proxy": False}}])
    for host in manageable:
        result = done.last(host.name)
        assert result["changes"] == {"userland-proxy": {"before": None, "after": False}} == predicted.last(host.name)["changes"]
        assert result["restart_required"] and host.run(["cat", result["backup_file"]]).stdout == write_all
        assert read(host) == write_all.replace("false\n", 'false,\n  "userland-proxy": false\n')
        unvalidated = any("no dockerd --validate" in text for text in result.get("warnings", []))
        assert unvalidated == (host.name == "bookworm")
        assert "docker-proxy" in host.run(["ps", "-e", "-o", "args"]).stdout
    assert on_all(manageable, started) == before, "never restarted"
    back = play(manageable, [{MODULE: {"absent": ["userland-proxy"]}}])
    assert {back.last(host.name)["restart_required"] for host in manageable} == {False}
    assert {read(host) for host in manageable} == {write_all}


@pytest.mark.drill
def test_the_role_restarts_only_where_it_has_to(manageable):
    role = {"ansible.builtin.include_role": {"name": "drawbridge.docker.docker_daemon"}, "vars": {
        "docker_daemon_config": {"userland_proxy": False}}}
    on_all(manageable, lambda host: host.run(["systemctl", "reset-failed", "docker"]))
    play(manageable, [role])
    assert not any("docker-proxy" in host.run(["ps", "-e", "-o", "args"]).stdout for host in manageable)
    before = on_all(manageable, started)
    again = play(manageable, [role])
    assert set(again.changed().values()) == {False} and on_all(manageable, started) == before
    assert {json.loads(read(host))["userland-proxy"] for host in manageable} == {False}


@pytest.mark.parametrize("role, restart, wanted", [
    ("docker_daemon", "docker_daemon_restart", {"docker_daemon_config": {"userland_proxy": False}}),
    ("host_policy", "host_policy_restart_engine", {"host_policy__daemon": {"daemon": {"userland_proxy": False}}}),
])
def test_false_as_text_is_no_leave_to_restart(manageable, role, restart, wanted):
    hosts = manageable[:1]
    before = on_all(hosts, started)
    task = {"ansible.builtin.include_role": {"name": "drawbridge.docker." + role}}
    # As -e NAME=false on the command line, which is text.
    due = play(hosts, [task], extra=dict(wanted, **{restart: "false"}))
    assert any(result.get("restart_required") for result in due.of(hosts[0].name))
    assert on_all(hosts, started) == before


def test_a_flag_of_the_unit_is_in_the_way(manageable):
    folder = "/etc/systemd/system/docker.service.d"
    text = "[Service]\nExecStart=\nExecStart=/usr/sbin/dockerd -H fd:// --icc=true $DOCKER_OPTS\n"
    for host in manageable:
        host.run(["mkdir", "-p", folder])
        host.run(["tee", folder + "/test.conf"], input=text)
        host.run(["systemctl", "daemon-reload"])
    try:
        failed = play(manageable, [{MODULE: {"icc": False}}], fails=True).failed()
        assert all("command line states icc" in failed[host.name] for host in manageable)
        assert set(play(manageable, [{MODULE: {"ip_masq": True}}]).changed().values()) == {True}
    finally:
        for host in manageable:
            host.run(["rm", "-r", folder])
            host.run(["systemctl", "daemon-reload"])
