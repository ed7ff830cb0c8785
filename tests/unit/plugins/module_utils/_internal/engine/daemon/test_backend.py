# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Which backend an engine runs with, and which its next start has, told from its process, its file and its unit."""
import json
import os
import time

import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.daemon import backend
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.daemon.backend import backends
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.daemon.process import Daemon
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.system.system import Output, System


class Host(System):
    """unit: the flags that it starts dockerd with. tables: whether nft has the engine's."""

    def __init__(self, file, unit=""):
        super().__init__()
        self.unit, self.file, self.tables, self.installed = unit, file, False, True

    def which(self, name):
        return "/usr/sbin/" + name if self.installed else None

    def run(self, argv, stdin="", env=None):
        if argv[1] == "show":
            words = "/usr/sbin/dockerd --config-file=%s %s" % (self.file, self.unit)
            return Output(0, "ExecStart={ path=/usr/sbin/dockerd ; argv[]=%s ; ignore_errors=no }\n" % words, "")
        assert argv[1:] == ["list", "tables"]
        return Output(0, "table ip docker-bridges\n" if self.tables else "", "")


@pytest.fixture(name="told")
def a_host(tmp_path, monkeypatch):
    """A function: a file's content, a unit's flags, the running engine's (None: none runs) → what is told of it."""
    path = tmp_path / "daemon.json"

    def tell(keys=None, unit="", running=None, changed_since=False, tables=False):
        if keys is not None:
            path.write_text(keys if isinstance(keys, str) else json.dumps(keys))
            at = time.time() + (5 if changed_since else -3600 * 24 * 365)
            os.utime(str(path), (at, at))
        host = Host(str(path), unit)
        host.tables = tables
        words = running if "config-file" in (running or "") else "--config-file=%s %s" % (path, running)
        daemon = None if running is None else Daemon(os.getpid(), ["dockerd", *words.split()], None)
        monkeypatch.setattr(backend, "find_daemon", lambda system: daemon)
        return tuple(backends(host, str(tmp_path / "note")))

    return tell


NFT = {"firewall-backend": "nftables"}


@pytest.mark.parametrize("case, expected", [
    ({}, (None, "iptables", False)),
    ({"running": ""}, ("iptables", "iptables", False)),
    ({"keys": NFT}, (None, "nftables", True)),
    ({"keys": NFT, "running": ""}, ("nftables", "nftables", True)),
    ({"keys": dict(NFT, **{"ip-forward": False}), "running": ""}, ("nftables", "nftables", False)),
    ({"unit": "--firewall-backend=nftables --ip-forward=0"}, (None, "nftables", False)),
    ({"unit": "--firewall-backend nftables --ip-forward", "running": "--firewall-backend nftables"}, ("nftables", "nftables", True)),
    ({"unit": "--firewall-backend=nftables", "running": ""}, ("iptables", "nftables", True)),
    # Somebody wrote the file after the start: the rules tell what runs.
    ({"keys": NFT, "running": "", "changed_since": True}, ("iptables", "nftables", True)),
    ({"keys": {}, "running": "", "changed_since": True, "tables": True}, ("nftables", "iptables", False)),
    ({"keys": {}, "running": "--firewall-backend=nftables", "changed_since": True}, ("nftables", "iptables", False)),
    ({"keys": "{broken"}, (None, None, False)),
])
def test_told(told, case, expected):
    assert told(**case) == expected


def test_an_engine_without_a_file_of_its_own(told):
    assert told(running="--config-file=/dev/null") == ("iptables", "iptables", False)
    assert told(keys=NFT, running="--config-file=/dev/null") == ("iptables", "nftables", True)


def test_no_engine_at_all(told, monkeypatch):
    monkeypatch.setattr(Host, "which", lambda self, name: None)
    assert told() == (None, None, False)


@pytest.mark.parametrize("case, says", [
    ({"keys": NFT, "running": ""}, "runs with its nftables backend"), ({"keys": NFT}, "next start will be with its nftables backend"), ({}, None)])
def test_in_words(told, case, says):
    words = backend.Backends(*told(**case)).nftables
    assert words is None if says is None else says in words
