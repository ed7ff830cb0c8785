# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Kernel settings in files."""
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.boot import sysctl
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.system.system import System


def test_every_spelling_of_sysctl_d():
    text = """
# net.ipv4.ip_forward = 9
; net.ipv4.ip_forward = 8
net.ipv4.ip_forward=1
-net/ipv4/conf/eth0.100/forwarding = 0
net.ipv4.conf.eth0/100.rp_filter = 2
not a setting
"""
    assert sysctl.parse(text) == {"net/ipv4/ip_forward": "1", "net/ipv4/conf/eth0.100/forwarding": "0",
                                  "net/ipv4/conf/eth0.100/rp_filter": "2"}


def test_what_holds_for_all_comes_first_and_is_read_back():
    settings = {"net/ipv4/conf/a0/forwarding": "0", "net/ipv6/conf/default/forwarding": "1", "net/ipv4/ip_forward": "1",
                "net/ipv6/conf/all/forwarding": "1", "net/ipv6/conf/a0/forwarding": "0"}
    text = sysctl.render(settings)
    assert sysctl.parse(text) == settings
    assert list(sysctl.parse(text)) == ["net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding",
                                        "net/ipv6/conf/default/forwarding", "net/ipv4/conf/a0/forwarding",
                                        "net/ipv6/conf/a0/forwarding"]


def test_no_settings_no_file(tmp_path):
    path = str(tmp_path / "f.conf")
    sysctl.write_boot(System(), path, {"net/ipv4/ip_forward": "0"})
    assert sysctl.read_boot(System(), path) == {"net/ipv4/ip_forward": "0"}
    sysctl.write_boot(System(), path, {})
    assert sysctl.read_boot(System(), path) == {} and not (tmp_path / "f.conf").exists()
    sysctl.write_boot(System(), path, {})


def test_files_that_are_read_later_and_say_otherwise(tmp_path, monkeypatch):
    (tmp_path / "etc").mkdir()
    monkeypatch.setattr(sysctl, "LATER", (str(tmp_path / "etc" / "sysctl.conf"), str(tmp_path / "none")))
    (tmp_path / "etc" / "sysctl.conf").write_text("net.ipv4.ip_forward = 1\nnet.ipv6.conf.all.forwarding = 0\n")
    (tmp_path / "99-a.conf").write_text("net.ipv4.ip_forward = 1\n")
    (tmp_path / "99-zzz.conf").write_text("net.ipv4.conf.all.forwarding = 1\n")
    settings = {"net/ipv4/ip_forward": "0", "net/ipv6/conf/all/forwarding": "0"}
    assert sysctl.contradictions(System(), str(tmp_path / "99-zz-drawbridge.conf"), settings) == [
        "%s: net/ipv4/conf/all/forwarding = 1" % (tmp_path / "99-zzz.conf"), "%s: net/ipv4/ip_forward = 1" % (tmp_path / "etc" / "sysctl.conf")]


def test_differing(tmp_path):
    (tmp_path / "a").write_text("1\n")
    (tmp_path / "b").write_text("0\n")
    found = sysctl.differing(System(), {"a": "0", "b": "0", "c": "0"}, str(tmp_path))
    assert found == {"a": "1", "c": None} and list(sysctl.missing(found)) == ["c"]
    sysctl.set_now("a", "0", str(tmp_path))
    assert sysctl.value_now(System(), "a", str(tmp_path)) == "0"
