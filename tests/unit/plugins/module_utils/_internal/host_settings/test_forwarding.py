# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""IP forwarding as settings."""
import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.errors import DrawbridgeError
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.system.system import System
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host_settings import forwarding as fw
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host_settings.forwarding import Forwarding
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.values.check import check_interfaces

V4, ALL6, DEFAULT6 = "net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding", "net/ipv6/conf/default/forwarding"
NOW = {V4: "1", ALL6: "1", DEFAULT6: "1"}


def test_for_the_host():
    assert Forwarding({4: False, 6: True}).settings() == {V4: "0", ALL6: "1", DEFAULT6: "1"}
    assert Forwarding({6: False}).turns_host_off and not Forwarding({4: True}).turns_host_off
    assert not Forwarding({4: False}, ("eth0",)).turns_host_off


def test_off_for_an_interface_says_what_holds_for_the_host_too():
    wanted = Forwarding({4: False}, ("eth0.5",))
    assert fw.boot_settings({}, wanted, NOW, False) == {V4: "1", "net/ipv4/conf/eth0.5/forwarding": "0"}
    assert fw.boot_settings({V4: "0"}, wanted, NOW, False)[V4] == "0"
    assert fw.boot_settings({}, Forwarding({4: True}, ("a",)), NOW, False) == {"net/ipv4/conf/a/forwarding": "1"}


def test_the_other_family_comes_back_at_boot_without_the_engine():
    wanted = Forwarding({4: False})
    assert fw.boot_settings({}, wanted, NOW, False) == {V4: "0"}
    assert fw.boot_settings({}, wanted, NOW, True) == {V4: "0", ALL6: "1", DEFAULT6: "1"}
    assert fw.boot_settings({}, wanted, {V4: "1", ALL6: None, DEFAULT6: None}, True) == {V4: "0"}


def test_what_nobody_mentioned_is_not_kept_off_at_boot():
    off = {V4: "0", ALL6: "0", DEFAULT6: "0"}
    assert fw.boot_settings({}, Forwarding({4: False}), off, True) == {V4: "0"}
    assert fw.boot_settings({}, Forwarding({4: False}, ("a",)), off, False) == {"net/ipv4/conf/a/forwarding": "0"}


def test_interfaces_are_said_again_after_the_host():
    boot = {V4: "1", "net/ipv4/conf/a/forwarding": "0", "net/ipv6/conf/a/forwarding": "0", ALL6: "1"}
    assert fw.said_again(boot, {V4: "1"}) == {"net/ipv4/conf/a/forwarding": "0"}
    assert fw.said_again(boot, {ALL6: "1"}) == {"net/ipv6/conf/a/forwarding": "0"}
    assert fw.said_again(boot, {"net/ipv4/conf/a/forwarding": "0"}) == {}


def test_taken_out():
    boot = {V4: "1", "net/ipv4/conf/a/forwarding": "0", "net/ipv4/conf/b/forwarding": "0", ALL6: "1", DEFAULT6: "1"}
    assert fw.without(boot, [4], ()) == {ALL6: "1", DEFAULT6: "1"}
    assert fw.without(boot, [4], ("a",)) == {key: value for key, value in boot.items() if "/a/" not in key}
    assert fw.without(boot, [4, 6], ()) == {}


@pytest.mark.parametrize("name", ["", "a b", "../x", "all", "default", "a/b", "a\n", "x" * 16, "eth+", "*", 1, None])
def test_no_interface_name_leads_elsewhere(name):
    with pytest.raises(DrawbridgeError, match=r"interfaces\[1\]"):
        check_interfaces(["eth0", name], "interfaces")


def test_router_advertisements(tmp_path):
    route = "%s 00 %s 00 %s 00000400 00000001 00000000 %s %s\n"
    zero = "0" * 32
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / "ipv6_route").write_text(
        route % (zero, zero, zero, "00450003", "ra0") + route % (zero, zero, zero, "00450003", "ra2")
        + route % (zero, zero, zero, "00000003", "static"))
    for name, value in (("ra0", "1"), ("ra2", "2"), ("static", "1")):
        folder = tmp_path / "sys" / "net" / "ipv6" / "conf" / name
        folder.mkdir(parents=True)
        (folder / "accept_ra").write_text(value + "\n")
    for wanted, lost in ((Forwarding({6: True}), ["ra0"]), (Forwarding({6: True}, ("static",)), []),
                         (Forwarding({4: True, 6: False}), [])):
        assert fw.loses_advertisements(System(), wanted, str(tmp_path)) == lost
