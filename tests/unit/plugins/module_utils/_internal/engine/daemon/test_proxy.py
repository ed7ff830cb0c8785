# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Whether docker-proxy runs, from each source that knows."""
import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.daemon.proxy import config_file, userland_proxy

DOCKERD = ["/usr/sbin/dockerd", "-H", "fd://"]
WITH_PROXY = ["-m owner --uid-owner 1 -j ACCEPT", "! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER"]
WITHOUT = ["-m addrtype --dst-type LOCAL -j DOCKER"]


def told(value):
    return {"FirewallBackend": {"Driver": "iptables", "Info": [["EnableUserlandProxy", value]]}}


@pytest.mark.parametrize("info, cmdline, config, lines, proxy", [
    (told("true"), DOCKERD + ["--userland-proxy=false"], None, WITHOUT, "on"),
    (told("false"), DOCKERD, None, WITH_PROXY, "off"),
    ({}, DOCKERD + ["--userland-proxy=false"], None, WITH_PROXY, "off"),
    ({}, DOCKERD + ["--userland-proxy=0"], None, [], "off"),
    ({}, DOCKERD + ["--userland-proxy"], None, WITHOUT, "on"),
    ({}, DOCKERD + ["--userland-proxy-path=/x"], None, [], "on"),
    ({}, DOCKERD + ["--userland-proxy=false", "--userland-proxy=true"], None, [], "on"),
    ({}, DOCKERD, '{"userland-proxy": false}', WITH_PROXY, "on"),
    ({}, DOCKERD, "{}", WITHOUT, "off"),
    ({}, None, None, WITH_PROXY, "on"),
    ({}, None, None, WITHOUT, "off"),
    ({}, DOCKERD, '{"userland-proxy": false}', [], "off"),
    ({}, DOCKERD, '{"userland-proxy": true}', [], "on"),
    ({}, DOCKERD, "not json", [], "on"),
    ({}, DOCKERD, "[]", [], "on"),
    ({}, DOCKERD, None, [], "on"),
    ({}, None, '{"userland-proxy": false}', [], "unknown"),
    # What an engine leaves behind that moved on to nftables says nothing.
    ({"FirewallBackend": {"Driver": "nftables"}}, None, None, WITHOUT, "unknown"),
])
def test_userland_proxy(info, cmdline, config, lines, proxy):
    assert userland_proxy(info, cmdline, config, lines) == proxy


@pytest.mark.parametrize("cmdline, path", [
    (["dockerd"], "/etc/docker/daemon.json"),
    (["dockerd", "--config-file", "/a"], "/a"),
    (["dockerd", "--config-file=/b"], "/b"),
    (["dockerd", "--config-file"], ""),
])
def test_config_file(cmdline, path):
    assert config_file(cmdline) == path
