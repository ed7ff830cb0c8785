# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Cgroups of version 2, alone and beside version 1, as /proc and nft name them."""
import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils.host import cgroup
from ansible_collections.drawbridge.docker.plugins.module_utils.host.system import System

HYBRID = "9:name=systemd:/system.slice/docker.service\n0::%s\n"


@pytest.mark.parametrize("text, path", [
    ("0::/system.slice/docker.service\n", "system.slice/docker.service"), (HYBRID % "/system.slice/docker.service", "system.slice/docker.service"),
    (HYBRID % "/", None), ("9:name=systemd:/system.slice/docker.service\n", None), ("", None), ("0::/../other/docker.service\n", None),
    ("0::/a..b/docker.service\n", "a..b/docker.service"),
])
def test_of_a_process(tmp_path, text, path):
    (tmp_path / "7").mkdir()
    (tmp_path / "7" / "cgroup").write_text(text)
    assert cgroup.of_process(System(), 7, str(tmp_path)) == path


def test_of_no_process(tmp_path):
    assert cgroup.of_process(System(), 7, str(tmp_path)) is None


@pytest.mark.parametrize("place", ["", "unified/"])
def test_as_nft_names_it(tmp_path, place):
    assert cgroup.as_nft_names("a/docker.service", str(tmp_path)) is None
    (tmp_path / place / "a" / "docker.service").mkdir(parents=True)
    assert cgroup.as_nft_names("a/docker.service", str(tmp_path)) is None
    (tmp_path / place / "cgroup.controllers").touch()
    assert cgroup.as_nft_names("a/docker.service", str(tmp_path)) == place + "a/docker.service"
    assert cgroup.as_nft_names("b/docker.service", str(tmp_path)) is None


@pytest.mark.parametrize("namespace, release, ours", [
    ("cgroup:[4026531835]", "5.15.0-91-generic", True), ("cgroup:[4026537026]", "5.15.0-91-generic", False),
    ("cgroup:[4026537026]", "6.10.9", False), ("cgroup:[4026537026]", "6.11.0", True), ("cgroup:[4026537026]", "7.0", True),
    ("cgroup:[4026537026]", "odd", False),
])
def test_within_a_namespace_older_kernels_count_from_elsewhere(tmp_path, namespace, release, ours):
    (tmp_path / "self" / "ns").mkdir(parents=True)
    assert not cgroup.levels_are_ours(str(tmp_path), release)
    (tmp_path / "self" / "ns" / "cgroup").symlink_to(namespace)
    assert cgroup.levels_are_ours(str(tmp_path), release) is ours
