# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Tables of our own in nftables, by the real nft: made, left alone, changed, taken back, and packets that pass them."""
import contextlib
import json
import os
import subprocess
import time
from pathlib import Path

import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.errors import DrawbridgeError
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.kernel.nft_table import Nft, TableChange, table_text
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.rules.desired import DesiredState

from tests.integration.kernel.support.link import carry
from tests.integration.kernel.support.namespace import missing

pytestmark = pytest.mark.skipif(bool(missing("nft")), reason=missing("nft"))
KEY = (4, "drawbridge-test")
CHAIN = ["chain postrouting {", "type nat hook postrouting priority 99;"]


def wanted(*rules):
    return DesiredState([], [], [], tables={KEY: [*CHAIN, *rules, "}"] if rules else None, (6, KEY[1]): None})


def off(network):
    return 'ip saddr %s oifname != "br-1" snat to ip saddr' % network


def listed(host):
    return host.sh("nft", "list", "ruleset")


def test_made_once_however_it_is_spelt(nft_host):
    before = listed(nft_host)
    assert nft_host.converge(wanted(off("172.18.0.0/16")), check=True).plan.is_change
    assert listed(nft_host) == before
    assert nft_host.converge(wanted(off("172.18.0.0/16"))).plan.is_change
    assert "snat to ip saddr" in listed(nft_host)
    assert not nft_host.converge(wanted(off("172.18.3.4/16"))).plan.is_change


def test_changed_and_gone(nft_host):
    nft_host.converge(wanted(off("172.18.0.0/16")))
    outcome = nft_host.converge(wanted(off("172.19.0.0/16")))
    assert "172.18.0.0/16" in outcome.result()["diff"]["before"] and "172.19.0.0/16" in outcome.result()["diff"]["after"]
    assert nft_host.converge(wanted()).plan.is_change
    assert KEY[1] not in listed(nft_host)
    assert not nft_host.converge(wanted()).plan.is_change


def test_a_table_that_is_not_written_yet_is_printed(nft_host):
    """For verdicts on a plan: loaded elsewhere, and nothing of it here."""
    change = TableChange(KEY, None, table_text(KEY, [*CHAIN, off("172.18.0.0/16"), "}"]))
    printed = json.loads(Nft(nft_host.system).printed([change]))["nftables"]
    assert [item["rule"]["expr"][-1] for item in printed if "rule" in item] == [
        {"snat": {"addr": {"payload": {"protocol": "ip", "field": "saddr"}}}}]
    assert KEY[1] not in listed(nft_host)


def test_what_the_kernel_refuses_changes_nothing(nft_host):
    nft_host.converge(wanted(off("172.18.0.0/16")))
    before = listed(nft_host)
    with pytest.raises(DrawbridgeError, match="nft refuses the table"):
        nft_host.converge(wanted("ip saddr nonsense accept"))
    assert listed(nft_host) == before


def test_tables_of_others_stay(nft_host):
    nft_host.sh("nft", "add", "table", "ip", "theirs")
    nft_host.converge(wanted(off("172.18.0.0/16")))
    nft_host.converge(wanted())
    assert "theirs" in listed(nft_host)


def test_what_was_changed_by_hand_is_put_back(nft_host):
    nft_host.converge(wanted(off("172.18.0.0/16")))
    nft_host.sh("nft", "flush", "chain", "ip", KEY[1], "postrouting")
    assert nft_host.converge(wanted(off("172.18.0.0/16"))).plan.is_change
    assert "snat to ip saddr" in listed(nft_host)


@contextlib.contextmanager
def neighbour(name, address, gateway):
    """A namespace behind this one, with a default route to it: gives the words that run a command there."""
    with subprocess.Popen(["unshare", "-n", "sleep", "60"]) as holder:
        try:
            inside = ["nsenter", "-t", str(holder.pid), "-n"]
            end = time.monotonic() + 5
            while os.readlink("/proc/%d/ns/net" % holder.pid) == os.readlink("/proc/thread-self/ns/net"):
                assert time.monotonic() < end
                time.sleep(0.01)
            ip("link add dev %s type veth peer name eth0 netns %d" % (name, holder.pid))
            ip("address add %s/24 dev %s" % (gateway, name))
            ip("link set %s up" % name)
            for words in ("address add %s/24 dev eth0" % address, "link set eth0 up", "route add default via " + gateway):
                subprocess.run([*inside, "ip", *words.split()], check=True)
            carry(name)
            yield inside
        finally:
            holder.kill()


def ip(words):
    subprocess.run(["ip", *words.split()], check=True)


RECEIVE = """
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("", 9))
s.settimeout(5)
print("ready", flush=True)
print(s.recvfrom(9)[1][0])
"""
SEND = """
import socket
socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("10.2.0.2", 9))
"""


@pytest.mark.parametrize("verdict, seen", [
    ("snat to ip saddr", "10.1.0.2"), ("snat to 10.2.0.9", "10.2.0.9"), ("return", "10.2.0.1"),
])
def test_it_comes_before_a_masquerade_that_was_there_first(host, verdict, seen):
    """Both variants of iptables register at srcnat; ours is asked before, and what it translated stays so."""
    with neighbour("inner0", "10.1.0.2", "10.1.0.1") as client, neighbour("outer0", "10.2.0.2", "10.2.0.1") as server:
        ip("address add 10.2.0.9/32 dev outer0")
        Path("/proc/sys/net/ipv4/ip_forward").write_text("1", encoding="ascii")
        host.iptables("-t nat -A POSTROUTING -s 10.1.0.0/24 ! -o inner0 -j MASQUERADE")
        host.converge(wanted('ip saddr 10.1.0.0/24 oifname != "inner0" ' + verdict))
        python = "/usr/bin/python3"
        with subprocess.Popen([*server, python, "-c", RECEIVE], stdout=subprocess.PIPE, text=True) as receiver:
            assert receiver.stdout.readline() == "ready\n"
            subprocess.run([*client, python, "-c", SEND], check=True)
            assert receiver.stdout.readline().strip() == seen
