# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""A host's texts: what users give, and what a host's commands print."""
import json

import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.address import number
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.errors import DrawbridgeError
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.verdict.snapshot.sockets import Listeners
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.verdict.snapshot.texts import Snapshot, from_texts, read_host


@pytest.mark.parametrize("given, words", [
    ({"iptable": ""}, "snapshot.iptable: no such text (texts are iptables, "),
    ({"iptables": ""}, "snapshot: addresses is missing (give the output of ip -j -d address)"),
])
def test_errors_in_texts_name_the_place(given, words):
    with pytest.raises(DrawbridgeError) as caught:
        from_texts(given, "snapshot")
    assert str(caught.value).startswith(words)


def test_a_text_that_is_no_json_is_named():
    with pytest.raises(DrawbridgeError, match="snapshot.routes: not JSON"):
        Snapshot({"routes": "default via 192.0.2.1"}).objects("routes")


def test_json_that_ansible_has_read_is_taken_too():
    assert from_texts({"addresses": [{"ifname": "lo"}]}, "snapshot").objects("addresses") == [{"ifname": "lo"}]


def test_settings_of_interfaces_with_dots():
    assert Snapshot({"settings": "net.ipv4.conf.eth0/100.rp_filter = 2\nnet.ipv4.ip_forward = 1\nkernel.hostname = x\n"}).settings() == {
        "net/ipv4/conf/eth0.100/rp_filter": 2, "net/ipv4/ip_forward": 1}


class FakeSystem:
    """A host with ip alone."""

    def which(self, name):
        return "/sbin/ip" if name == "ip" else None

    def run(self, argv, stdin="", env=None):
        from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.system.system import Output
        return Output(0, json.dumps(argv[1:]), "")

    def read(self, path):
        return "1\n" if path.endswith("ip_forward") else None

    def interfaces(self):
        return ["eth0"]


def test_a_host_without_iptables_has_no_rules_and_its_other_texts():
    texts = read_host(FakeSystem()).texts
    assert sorted(texts) == ["addresses", "ip6tables", "ipset", "iptables", "nftables", "routes", "routes6", "rules", "rules6", "settings"]
    assert texts["settings"] == "net.ipv4.ip_forward = 1\n" and json.loads(texts["addresses"]) == ["-j", "-d", "address"]


@pytest.mark.parametrize("line, asked, answers", [
    ("tcp LISTEN 0 128 0.0.0.0:22 0.0.0.0:*", (4, "tcp", "192.0.2.1", 22, "eth0"), True),
    ("tcp LISTEN 0 128 0.0.0.0:22 0.0.0.0:*", (6, "tcp", "::1", 22, "lo"), False),
    ("tcp LISTEN 0 128 *:22 *:*", (4, "tcp", "192.0.2.1", 22, "eth0"), True), ("tcp LISTEN 0 128 [::]:22 [::]:*", (4, "tcp", "192.0.2.1", 22, "eth0"), False),
    ("udp UNCONN 0 0 127.0.0.53%lo:53 0.0.0.0:*", (4, "udp", "127.0.0.53", 53, "lo"), True),
    ("udp UNCONN 0 0 127.0.0.53%lo:53 0.0.0.0:*", (4, "udp", "127.0.0.53", 53, "eth0"), False),
    ("udp UNCONN 0 0 [fe80::1]%eth0:546 [::]:*", (6, "udp", "fe80::1", 546, "eth0"), True), ("nonsense", (4, "tcp", "192.0.2.1", 22, "eth0"), False),
    ("tcp LISTEN 0 128 [::ffff:192.0.2.1]:80 *:*", (4, "tcp", "192.0.2.1", 80, "eth0"), True),
])
def test_who_listens(line, asked, answers):
    family, protocol, address, port, device = asked
    assert (Listeners(line).answering(family, protocol, number(address)[0], port, device) is not None) == answers
