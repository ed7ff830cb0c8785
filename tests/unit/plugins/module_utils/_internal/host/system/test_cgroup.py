# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Cgroups of version 2, alone and beside version 1, as /proc and nft name them."""
import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.system import cgroup
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.system.system import System

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


FIRST, INNER = "cgroup:[4026531835]", "cgroup:[4026537026]"


@pytest.mark.parametrize("namespace, beside, release, tells", [
    (FIRST, False, "5.13.0", True), (FIRST, True, "5.14.21", False), (FIRST, True, "5.15.0-91-generic", True),
    (INNER, False, "5.15.0-91-generic", False), (INNER, False, "6.10.9", False), (INNER, True, "6.11.0", True), (INNER, False, "7.0", True),
    (INNER, False, "odd", False),
])
def test_older_kernels_count_from_elsewhere_or_forget(tmp_path, namespace, beside, release, tells):
    folder = tmp_path / "self" / "ns"
    folder.mkdir(parents=True)
    if not beside:
        (tmp_path / "cgroup.controllers").touch()
    assert not cgroup.tells_sockets(str(tmp_path), str(tmp_path), release)
    (folder / "cgroup").symlink_to(namespace)
    assert cgroup.tells_sockets(str(tmp_path), str(tmp_path), release) is tells
