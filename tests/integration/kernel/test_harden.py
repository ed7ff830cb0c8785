# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""harden where the kernel has to answer: on a host with everything, and on one that lacks commands."""
import json
import os

import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.errors import DrawbridgeError
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.system import system as systems
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.system.system import System
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.tasks.harden.steps import harden
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.tasks.task import Task

POLICY = {
    "address_sets": {"office": ["192.0.2.0/24", "2001:db8::/48"]},
    "published_ports": {"allow": [{"port": 443, "sources": ["any"], "comment": "not spelt as iptables spells it"}, {"port": 80, "sources": ["@office"]}]},
    "host_services": {"default": "deny", "allow": [{"port": 22, "sources": ["any"]}]},
}
COMMANDS = ("ip", "awk", "nft", "conntrack", "ss", "flock", "ipset", "iptables", "ip6tables")


def task(host, check=False, policy=None, **changes):
    params = {
        "steps": ["prerequisites", "policy"], "install": True, "packages": None, "state": "present", "policy": json.dumps(policy or POLICY), "fragments": None,
        "profile": None, "docker_host": "unix:///run/nothing.sock", "revoke": "end", "allow_lockout": True, "transport": host.variant, "lock_timeout": 5,
        "confirm_timeout": 0, "boot_restore": {"state": "present"}, "event_service": {"state": "present"},
    }
    return Task({**params, **changes}, check, System(), True)


@pytest.fixture(name="without")
def with_other_commands(monkeypatch, tmp_path):
    """Leave the host only those commands that do not begin so."""
    def leave_out(*absent):
        for folder in ("/usr/bin", "/usr/sbin", "/bin", "/sbin"):
            for name in os.listdir(folder):
                if name.startswith(COMMANDS) and not name.startswith(absent) and not os.path.lexists(tmp_path / name):
                    os.symlink(os.path.join(folder, name), tmp_path / name)
        monkeypatch.setenv("PATH", str(tmp_path))
        monkeypatch.setattr(systems, "_SBIN", "")
    return leave_out


def test_a_second_run_changes_nothing(host):
    first = harden(task(host)).values
    assert first["changed"] and first["steps"] == {"prerequisites": {"changed": False}, "policy": {"changed": True}}
    held = host.everything()
    again = harden(task(host)).values
    assert not again["changed"] and again["rules"] == first["rules"] and host.everything() == held


def test_a_mistake_is_told_before_anything_is_looked_at(host, without):
    without("ipset")
    with pytest.raises(DrawbridgeError, match=r"published_ports\.allow\[0\]\.port"):
        harden(task(host, policy={"published_ports": {"allow": [{"port": 0, "sources": []}]}}))


@pytest.mark.parametrize("absent", [("ipset",), ("iptables", "ip6tables"), ("iptables", "ip6tables", "ipset", "nft", "conntrack")])
def test_a_host_that_lacks_commands_is_left_alone(host, without, absent, monkeypatch):
    host.docker()
    before = host.everything()
    whole = harden(task(host, check=True, transport="auto")).values
    without(*absent)
    lacking = harden(task(host, transport="auto")).values["lacking"]
    assert lacking["is_needed"] and set(absent) <= set(lacking["missing"]) | {"ip6tables"}
    preview = harden(task(host, check=True, transport="auto"))
    assert preview.values["msg"] == "would install %s" % ", ".join(lacking["packages"])
    # What it means is the same as on a host with everything.
    assert preview.values["diff"][1] == whole["diff"][0]
    assert len(preview.warnings) == len([text for text in preview.warnings if "no rule can be tried" not in text])
    monkeypatch.undo()
    assert host.everything() == before


def test_what_no_package_is_to_bring_is_an_error(host, without):
    without("ipset")
    with pytest.raises(DrawbridgeError, match="missing on this host: command ipset"):
        harden(task(host, install=False))
