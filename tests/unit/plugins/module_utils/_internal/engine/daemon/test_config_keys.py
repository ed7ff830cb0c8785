# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Which key which engine takes. The rows of 20.10, 26.1 and 28.5 were measured, by dockerd --validate or a start."""
import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.daemon import config_keys as keys
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.errors import DrawbridgeError

ALWAYS = {"ip-forward", "ip-masq", "iptables", "ip6tables", "userland-proxy", "icc"}
BY_RELEASE = [
    ((20, 10, 24), ALWAYS),
    ((26, 1, 5), ALWAYS | {"default-network-opts"}),
    ((28, 5, 2), ALWAYS | {"default-network-opts", "ip-forward-no-drop", "allow-direct-routing"}),
    ((29, 7, 2), set(keys.KEYS)),
    ((), set(keys.KEYS)),
]


@pytest.mark.parametrize("release, known", BY_RELEASE)
def test_known(release, known):
    for key in keys.KEYS:
        if key in known:
            keys.check_known(key, release, key)
        else:
            with pytest.raises(DrawbridgeError, match="would not start"):
                keys.check_known(key, release, key)


@pytest.mark.parametrize("key, right, wrong", [
    ("icc", [True, False], [1, 0, "true", None]),
    ("firewall-backend", ["iptables", "nftables"], ["nft", True, ["nftables"]]),
    ("bridge-accept-fwmark", ["1", "0x1", "0x1/0x3", "5/255"], ["", "x", "0x", "1/", "1\n", 1]),
    ("default-network-opts", [{}, {"bridge": {}}, {"bridge": {"a": "b"}}], [[], {"bridge": []}, {"bridge": {"a": 1}}, "x"]),
])
def test_values(key, right, wrong):
    for value in right:
        assert keys.check_value(key, value, key) == value
    for value in wrong:
        with pytest.raises(DrawbridgeError):
            keys.check_value(key, value, key)


def test_together():
    with pytest.raises(DrawbridgeError, match="icc"):
        keys.check_together({"iptables": False, "icc": False}, (28,), "f")
    with pytest.raises(DrawbridgeError, match="experimental"):
        keys.check_together({"ip6tables": True}, (26, 1), "f")
    keys.check_together({"ip6tables": True, "experimental": True}, (26, 1), "f")
    keys.check_together({"ip6tables": True}, (27,), "f")
    keys.check_together({"ip6tables": True}, (), "f")


def test_what_an_engine_does_without_a_key():
    assert keys.effective({"ip-forward": True}, (28,)) == keys.effective({}, (28,))
    assert keys.effective({"icc": None}, (28,)) == keys.effective({}, (28,))
    assert keys.effective({}, (26,))["ip6tables"] is False and keys.effective({}, (28,))["ip6tables"] is True


def test_flags():
    words = ["dockerd", "-H", "fd://", "--ip-forward=false", "--default-network-opt", "bridge=a=b", "--icc", "--iptabl"]
    assert keys.flags_given(words) == ["ip-forward", "icc", "default-network-opts"]


@pytest.mark.parametrize("text, release", [
    ("Docker version 26.1.5+dfsg1, build 411e817", (26, 1, 5)),
    ("Docker version 20.10.24+dfsg1, build 5d6db84", (20, 10, 24)),
    ("Docker version v29.7.2, build x", (29, 7, 2)),
    ("", ()),
    ("Docker version dev, build", ()),
])
def test_release(text, release):
    assert keys.parse_release(text) == release
