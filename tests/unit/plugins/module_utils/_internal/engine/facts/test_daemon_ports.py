# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""What an engine listens on by itself, by its arguments, its file and its swarm."""
import json

import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.daemon.process import Daemon
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.facts.daemon_ports import own_ports
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.facts.facts import Published


def told(words=(), config=None, info=None):
    text = config if config is None or isinstance(config, str) else json.dumps(config)
    return own_ports(Daemon(1, ["dockerd", *words], text), info or {})


def both(port, protocol="tcp"):
    return [Published(family, None, port, protocol) for family in (4, 6)]


@pytest.mark.parametrize("words, found", [
    ((), []), (("-H", "fd://", "--containerd=/run/x.sock"), []), (("-H", "unix:///var/run/docker.sock"), []), (("-H",), []),
    (("-H", "tcp://0.0.0.0:2376"), both(2376)), (("-Htcp://:2375",), both(2375)), (("--host=tcp://[::]:4243",), both(4243)),
    (("--host", "tcp://192.0.2.1:2376"), [Published(4, "192.0.2.1", 2376, "tcp")]),
    (("-H", "tcp://[2001:db8::1]:2376/path"), [Published(6, "2001:db8::1", 2376, "tcp")]),
    (("-H", "tcp://name.example:2376"), both(2376)), (("-H", "tcp://"), both(2375) + both(2376)),
    (("--metrics-addr", "0.0.0.0:9323"), both(9323)), (("--metrics-addr=127.0.0.1:9323",), [Published(4, "127.0.0.1", 9323, "tcp")]),
    (("-H", "tcp://0.0.0.0:99999"), []), (("-H", "0.0.0.0:2375"), both(2375)),
])
def test_arguments(words, found):
    assert set(told(words)) == set(found)


@pytest.mark.parametrize("config, found", [
    ({"hosts": ["unix:///run/docker.sock", "tcp://0.0.0.0:2376"]}, both(2376)), ({"metrics-addr": "[::]:9323"}, both(9323)),
    ({"hosts": "tcp://0.0.0.0:2376"}, both(2376)), ({"hosts": [1, None]}, []), ({"hosts": 3}, []), ("{", []), ("[]", []), (None, []),
])
def test_the_file(config, found):
    assert set(told(config=config)) == set(found)


SWARM = {"LocalNodeState": "active", "NodeID": "me", "RemoteManagers": [{"NodeID": "you", "Addr": "192.0.2.9:1"}, {"NodeID": "me", "Addr": "192.0.2.1:3377"}]}


def test_a_swarm():
    gossip = both(7946) + both(7946, "udp")
    assert set(told(info={"Swarm": SWARM})) == set(both(3377) + gossip + both(4789, "udp"))
    cluster = {"LocalNodeState": "active", "Cluster": {"DataPathPort": 7777}}
    assert set(told(info={"Swarm": cluster})) == set(both(2377) + gossip + both(7777, "udp"))
    assert told(info={"Swarm": {"LocalNodeState": "inactive"}}) == []


def test_no_process():
    assert own_ports(None, {}) == []
