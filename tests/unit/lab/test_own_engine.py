# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Hosts of the lab whose engine comes from a folder: which there are, and what makes a host run it."""
import json

import pytest

from tests.lab import own_engine


@pytest.fixture(name="engine")
def a_folder(tmp_path, monkeypatch):
    """A function that puts an engine of a release into a folder and names it to the lab."""
    def make(release="29.7.2", *others, words="Docker version %s, build x", lacking=""):
        for name in ("dockerd", "docker-proxy", *others):
            if name != lacking:
                (tmp_path / name).write_text("#!/bin/sh\necho '%s'\n" % (words % release if "%s" in words else words))
                (tmp_path / name).chmod(0o755)
        (tmp_path / "README").write_text("no program")
        monkeypatch.setenv(own_engine.VARIABLE, str(tmp_path))
        return tmp_path

    return make


def test_without_a_folder_both_are_left_out_by_name(monkeypatch):
    monkeypatch.delenv(own_engine.VARIABLE, raising=False)
    hosts, left_out = own_engine.chosen()
    assert hosts == {} and set(left_out) == {"forky-iptables", "forky-nftables"}
    assert all(own_engine.VARIABLE in reason for reason in left_out.values())


def test_an_engine_with_both_backends(engine):
    engine("29.7.2")
    assert own_engine.chosen() == ({"forky-iptables": "iptables", "forky-nftables": "nftables"}, {})


def test_an_engine_that_has_one_backend_only(engine):
    engine("28.5.2+dfsg4")
    hosts, left_out = own_engine.chosen()
    assert hosts == {"forky-iptables": "iptables"}
    assert "28.5.2" in left_out["forky-nftables"] and "no nftables backend" in left_out["forky-nftables"]


@pytest.mark.parametrize("options, words", [
    ({"lacking": "docker-proxy"}, "holds no program docker-proxy"), ({"lacking": "dockerd"}, "holds no program dockerd"),
    ({"words": "cannot run"}, "does not tell its release"),
])
def test_a_folder_that_is_none_is_refused(engine, options, words):
    engine(**options)
    with pytest.raises(SystemExit, match=words):
        own_engine.chosen()


def test_programs_are_what_can_be_run(engine):
    place = engine("29.7.2", "runc")
    (place / "folder").mkdir()
    assert [path.name for path in own_engine.programs(place)] == ["docker-proxy", "dockerd", "runc"]


def test_what_a_host_is_told():
    with_own = own_engine.files("nftables", ["dockerd", "docker-proxy", "containerd"])
    assert json.loads(with_own["etc/docker/daemon.json"]) == {"firewall-backend": "nftables"}
    assert "net.ipv4.ip_forward = 1\n" in with_own["etc/sysctl.d/50-lab.conf"]
    for name in ("docker", "containerd"):
        lines = with_own["etc/systemd/system/%s.service.d/lab-engine.conf" % name].splitlines()
        assert lines[2] == "ExecStart=" and lines[3].startswith("ExecStart=/usr/local/sbin/%s" % ("dockerd" if name == "docker" else name))
    assert list(own_engine.files("iptables", ["dockerd", "docker-proxy"])) == ["etc/systemd/system/docker.service.d/lab-engine.conf"]
