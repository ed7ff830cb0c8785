# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""What arrives outside of a tunnel, from what iproute2 and wg tell of it."""
import json

import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.system.system import Output, System
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.tunnels import detect
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.tunnels.detect import tunnel_of
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.tunnels.ipsec import ipsec_of
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.tunnels.tunnel import OtherEnd, OuterPacket

INNER = "10.8.0.2"
ENDS = {"local": "192.0.2.1", "remote": "192.0.2.2"}


class Commands(System):
    """Commands that answer by the words that they were given."""

    def __init__(self, answers, missing=()):
        super().__init__()
        self.answers, self.missing = answers, missing

    def which(self, name):
        return None if name in self.missing else name

    def run(self, argv, stdin="", env=None):
        said = self.answers.get(" ".join(argv))
        return Output(1 if said is None else 0, said if isinstance(said, str) else json.dumps(said or []), "")

    def read(self, path):
        return "30\n"


def tunnel(monkeypatch, kind, data, inner=INNER, missing=(), **more):
    monkeypatch.setattr(detect, "kinds", lambda: {"tun0": kind})
    answers = {"ip -j -d link show dev tun0": [{"ifname": "tun0", "linkinfo": {"info_kind": kind, "info_data": data}}]}
    return tunnel_of(Commands(dict(answers, **{name.replace("_", " "): text for name, text in more.items()}), missing), "tun0", inner)


@pytest.mark.parametrize("kind, inner, protocol", [
    ("gre", INNER, "gre"), ("gretap", INNER, "gre"), ("erspan", INNER, "gre"), ("ipip", INNER, "ipencap"), ("sit", "fd00::2", "ipv6"),
    ("sit", INNER, "ipencap"), ("ip6tnl", "fd00::2", "ipv6"), ("ip6tnl", INNER, "ipencap"), ("vti", INNER, "esp"),
])
def test_right_in_ip(monkeypatch, kind, inner, protocol):
    assert tunnel(monkeypatch, kind, ENDS, inner).outers == [OuterPacket(protocol, "192.0.2.2", "192.0.2.1")]


@pytest.mark.parametrize("kind, data, outer", [
    ("vxlan", {"remote": "192.0.2.2", "local": "192.0.2.1", "port": 4789}, OuterPacket("udp", "192.0.2.2", "192.0.2.1", 4789)),
    ("vxlan", {"remote6": "2001:db8::2", "port": 4789}, OuterPacket("udp", "2001:db8::2", None, 4789)),
    ("geneve", {"remote": "192.0.2.2"}, OuterPacket("udp", "192.0.2.2", None, 6081)), ("vxlan", {}, OuterPacket("udp", None, None, 8472)),
])
def test_in_udp(monkeypatch, kind, data, outer):
    assert tunnel(monkeypatch, kind, data).outers == [outer]


def test_in_udp_by_fou(monkeypatch):
    encapsulated = dict(ENDS, encap={"type": "fou", "sport": 5555, "dport": 5556})
    ports = {"ip_-j_fou_show": [{"port": 5555, "ipproto": 4}, {"port": 7777, "ipproto": 47}]}
    assert tunnel(monkeypatch, "ipip", encapsulated, **ports).outers == [OuterPacket("udp", "192.0.2.2", "192.0.2.1", 5555)]
    unknown = tunnel(monkeypatch, "ipip", encapsulated)
    assert unknown.outers == [] and unknown.unknown


def test_one_of_many_other_ends_by_the_neighbour(monkeypatch):
    several = {"ip_-j_neighbour_show_10.8.0.2_dev_tun0": [{"dst": INNER, "lladdr": "192.0.2.7"}]}
    assert tunnel(monkeypatch, "gre", {"remote": "any", "local": "192.0.2.1"}, **several).outers == [OuterPacket("gre", "192.0.2.7", "192.0.2.1")]
    by_frames = {"ip_-j_neighbour_show_10.8.0.2_dev_tun0": [{"lladdr": "02:00:00:00:00:01"}],
                 "bridge_-j_fdb_show_dev_tun0": [{"mac": "02:00:00:00:00:01", "dst": "192.0.2.8"}, {"mac": "02:00:00:00:00:02", "dst": "192.0.2.9"}]}
    assert [outer.remote for outer in tunnel(monkeypatch, "vxlan", {"port": 4789}, **by_frames).outers] == ["192.0.2.8"]
    assert [outer.remote for outer in tunnel(monkeypatch, "vxlan", {"port": 4789}).outers] == [None]


@pytest.mark.parametrize("kind", ["", "bond", "vlan", "veth", "vrf", "macvlan", "bridge"])
def test_no_tunnel(monkeypatch, kind):
    monkeypatch.setattr(detect, "bridge_ports", lambda: {"port": "tun0"})
    monkeypatch.setattr(detect, "kinds", lambda: {"tun0": kind, "port": "veth"})
    assert tunnel_of(Commands({}), "tun0", INNER) is None


@pytest.mark.parametrize("kind", ["ppp", "ovpn", "amt", "gtp", "something new"])
def test_what_is_not_known_is_said(monkeypatch, kind):
    found = tunnel(monkeypatch, kind, {})
    assert (found.kind, found.outers) == (kind, []) and found.unknown


def test_behind_a_bridge(monkeypatch):
    monkeypatch.setattr(detect, "bridge_ports", lambda: {"vx0": "br0", "eth1": "br0"})
    monkeypatch.setattr(detect, "kinds", lambda: {"br0": "bridge", "vx0": "vxlan", "eth1": ""})
    answers = {
        "ip -j route get 10.8.0.2": [{"dst": INNER, "gateway": "10.8.0.254"}],
        "ip -j neighbour show 10.8.0.254 dev br0": [{"lladdr": "02:00:00:00:00:01"}],
        "bridge -j fdb show br br0": [{"mac": "02:00:00:00:00:01", "ifname": "eth1"}],
        "ip -j -d link show dev vx0": [{"linkinfo": {"info_data": dict(ENDS, port=4789)}}],
    }
    assert tunnel_of(Commands(answers), "br0", INNER) is None
    answers["bridge -j fdb show br br0"][0]["ifname"] = "vx0"
    assert tunnel_of(Commands(answers), "br0", INNER).outers == [OuterPacket("udp", "192.0.2.2", "192.0.2.1", 4789)]
    del answers["bridge -j fdb show br br0"]
    assert "vx0" in tunnel_of(Commands(answers), "br0", INNER).unknown


def peers(*lines):
    return {"wg_show_tun0_dump": "\n".join(["\t".join(line) for line in [("key", "key", "51820", "off"), *lines]]) + "\n"}


def peer(endpoint, allowed, keepalive="off"):
    return "key", "(none)", endpoint, allowed, "0", "0", "0", keepalive


@pytest.mark.parametrize("lines, outers", [
    ([peer("192.0.2.2:40000", "10.8.0.2/32"), peer("192.0.2.3:40000", "10.8.0.0/24")], [OuterPacket("udp", "192.0.2.2", None, 51820)]),
    ([peer("192.0.2.3:40000", "0.0.0.0/0,::/0")], [OuterPacket("udp", "192.0.2.3", None, 51820)]),
    ([peer("[2001:db8::2]:40000", "10.8.0.0/24")], [OuterPacket("udp", "2001:db8::2", None, 51820)]),
    ([peer("(none)", "10.8.0.2/32")], [OuterPacket("udp", None, None, 51820)]), ([peer("192.0.2.2:1", "10.9.0.0/24")], [OuterPacket("udp", None, None, 51820)]),
    # What this host sends keepalives to, it keeps open itself.
    ([peer("192.0.2.2:40000", "10.8.0.2/32", "25")], []),
])
def test_wireguard(monkeypatch, lines, outers):
    found = tunnel(monkeypatch, "wireguard", {}, **peers(*lines))
    assert found.outers == outers and not found.unknown
    assert list(found.opened) == ([] if outers else [OtherEnd("udp", "192.0.2.2", 40000)])


def test_wireguard_without_its_command(monkeypatch):
    assert "wireguard-tools" in tunnel(monkeypatch, "wireguard", {}, missing=("wg",)).unknown


POLICY = """src 10.8.0.0/24 dst 10.9.0.0/24
\tdir in priority 371327 ptype main
\ttmpl src 192.0.2.2 dst 192.0.2.1
\t\tproto esp reqid 1 mode tunnel
src 0.0.0.0/0 dst 10.9.0.1/32 proto tcp dport 22
\tdir in priority 400000
"""
STATE = """src 192.0.2.2 dst 192.0.2.1
\tproto esp spi 0xc1 reqid 1 mode tunnel
\treplay-window 32 flag af-unspec
\tencap type espinudp sport 4500 dport 4500 addr 0.0.0.0
src 192.0.2.1 dst 192.0.2.2
\tproto esp spi 0xc2 reqid 1 mode tunnel
"""


@pytest.mark.parametrize("policy, state, outers", [
    (POLICY, "", [OuterPacket("esp", "192.0.2.2", "192.0.2.1")]), (POLICY, STATE, [OuterPacket("udp", "192.0.2.2", "192.0.2.1", 4500)]),
    (POLICY.replace("src 192.0.2.2 dst 192.0.2.1", "src 0.0.0.0 dst 0.0.0.0"), "", [OuterPacket("esp", INNER, "10.9.0.1")]),
    (POLICY.replace("400000", "100"), STATE, None), (POLICY.replace("10.8.0.0", "10.7.0.0"), STATE, None), ("", "", None),
])
def test_ipsec(policy, state, outers):
    found = ipsec_of(Commands({"ip xfrm policy list dir in": policy, "ip xfrm state list": state}), INNER, "10.9.0.1")
    assert (None if found is None else found.outers) == outers


def test_a_kernel_without_ipsec_is_not_asked(monkeypatch):
    monkeypatch.setattr(Commands, "read", lambda *_given: None)
    assert ipsec_of(Commands({}), INNER, "10.9.0.1") is None
