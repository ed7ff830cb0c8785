# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""What is done about an engine that would turn forwarding on, on a host that a test makes up."""
import json

import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.daemon import backend, config, forwarding
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.daemon.config_keys import IGNORE, REQUIRE, SET
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.errors import DrawbridgeError
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.system.system import Output, System


class Host(System):
    """An engine that is installed and does not run. flags: of its unit."""

    def __init__(self, flags):
        super().__init__()
        self.flags = flags

    def which(self, name):
        return "/usr/sbin/" + name

    def run(self, argv, stdin="", env=None):
        if argv[1] == "show":
            return Output(0, "ExecStart={ path=/usr/sbin/dockerd ; argv[]=/usr/sbin/dockerd %s ; ignore_errors=no }\n" % self.flags, "")
        return Output(0, "Docker version 28.5.2, build x" if argv[1] == "--version" else "configuration OK", "")


@pytest.fixture(name="keep_off")
def a_host(tmp_path, monkeypatch):
    """A function that keeps the engine of a host off, which has such a file and such flags; and that file."""
    for module in (backend, config, forwarding):
        monkeypatch.setattr(module, "find_daemon", lambda _system: None)
    path = tmp_path / "daemon.json"

    def keep(mode, text="{}", flags=""):
        path.write_text(text)
        host = Host("--config-file=%s %s" % (path, flags))
        return forwarding.keep_off(host, mode, False, str(tmp_path / "note"))

    return keep, path


@pytest.mark.parametrize("flag", ["--ip-forward=false", "--ip-forward=0", "--ip-forward --ip-forward=F"])
@pytest.mark.parametrize("mode", [SET, REQUIRE, IGNORE])
def test_a_flag_that_says_so_is_enough(keep_off, flag, mode):
    done = keep_off[0](mode, flags=flag)
    assert not done.changed and done.warnings == [] and keep_off[1].read_text() == "{}"


@pytest.mark.parametrize("text, flags", [
    ("{}", ""), ("{}", "--ip-forward"), ("{}", "--ip-forward=true"), ("{}", "--ip-forward=false --ip-forward=true"), ("{broken", ""),
    ('{"icc": false, "iptables": false}', ""),
])
def test_ignored_is_a_warning_whatever_the_engines_files_say(keep_off, text, flags):
    done = keep_off[0](IGNORE, text, flags)
    assert not done.changed and "Docker turns IP forwarding on again" in done.warnings[0]
    assert keep_off[1].read_text() == text


@pytest.mark.parametrize("mode", [SET, REQUIRE])
@pytest.mark.parametrize("text, flags", [("{}", "--ip-forward=true"), ("{broken", "")])
def test_what_cannot_be_is_an_error(keep_off, mode, text, flags):
    with pytest.raises(DrawbridgeError):
        keep_off[0](mode, text, flags)
    assert keep_off[1].read_text() == text


def test_set_demanded_and_ignored(keep_off):
    keep, path = keep_off
    with pytest.raises(DrawbridgeError, match="does not say ip-forward: false"):
        keep(REQUIRE)
    assert keep(SET).changed and json.loads(path.read_text()) == {"ip-forward": False}
    said = '{"ip-forward": false}'
    for mode in (SET, REQUIRE, IGNORE):
        assert not keep(mode, said).changed and keep(mode, said).warnings == []
    assert "nftables backend: it refuses to start" in keep(IGNORE, '{"firewall-backend": "nftables"}').warnings[0]


@pytest.mark.parametrize("text, is_told", [('{"ip-forward": false}', True), ('{"ip-forward": true}', False), ("{}", False), ("{broken", False)])
def test_a_key_that_is_left_is_told(keep_off, text, is_told):
    keep, path = keep_off
    keep(IGNORE, text)
    done = forwarding.leave_to_engine(Host("--config-file=%s" % path), IGNORE, False)
    assert path.read_text() == text and ("from the next boot on" in "".join(done.warnings)) == is_told


@pytest.mark.parametrize("text, flags", [('{"firewall-backend": "nftables"}', ""), ("{}", "--firewall-backend=nftables")])
def test_what_only_the_iptables_backend_does_is_not_said_of_the_other(keep_off, text, flags):
    """The nftables backend turns nothing on: it refuses to start."""
    keep, _path = keep_off
    (warning,) = keep(IGNORE, text, flags)[1]
    assert "refuses to start" in warning and "turns IP forwarding on" not in warning
    with pytest.raises(DrawbridgeError, match="does not say ip-forward: false, and the engine has the nftables backend: it refuses to start"):
        keep(REQUIRE, text, flags)
