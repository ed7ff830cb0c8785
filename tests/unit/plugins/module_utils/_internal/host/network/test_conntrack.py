# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Flows as the kernel and conntrack print them."""
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.network.conntrack import TABLE, flows, parse_flows, put_back
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.system.system import Output, System

DNATED = ("ipv4     2 tcp      6 431999 ESTABLISHED src=192.0.2.1 dst=192.0.2.12 sport=40000 dport=8080 "
          "src=172.17.0.2 dst=192.0.2.1 sport=80 dport=40000 [ASSURED] mark=0 zone=0 use=2\n")
IN_FULL = ("ipv6     10 udp      17 29 src=2001:0db8:0000:0000:0000:0000:0000:0001 dst=2001:0db8:0000:0000:0000:0000:0000:0012 sport=5 dport=53 "
           "packets=1 bytes=2 [UNREPLIED] src=2001:0db8:0000:0000:0000:0000:0000:0012 dst=2001:0db8:0000:0000:0000:0000:0000:0001 sport=53 dport=5 "
           "packets=0 bytes=0 mark=0 use=2\n")
OFFLOADED = ("ipv4     2 tcp      6 src=192.0.2.1 dst=192.0.2.12 sport=40000 dport=8080 "
             "src=172.17.0.2 dst=192.0.2.1 sport=80 dport=40000 [%sOFFLOAD] mark=0 zone=0 use=3\n")
OTHERS = ("ipv4     2 unknown  2 274 src=172.17.0.1 dst=224.0.0.22 [UNREPLIED] src=224.0.0.22 dst=172.17.0.1 mark=0 use=1\n"
          "ipv4     2 icmp     1 29 src=192.0.2.1 dst=192.0.2.2 type=8 code=0 id=7 src=192.0.2.2 dst=192.0.2.1 type=0 code=0 id=7 mark=0 use=2\n")


class Told(System):
    def __init__(self, listed, text=None):
        super().__init__()
        self.listed, self.text = listed, text

    def read(self, path):
        return self.text if path == TABLE else None

    def which(self, name):
        return None if self.listed is None else "/sbin/" + name

    def run(self, argv, stdin="", env=None):
        return Output(0, self.listed.get(argv[-1], ""), "")


def test_both_ends_of_a_translated_flow():
    found, = parse_flows(DNATED + OTHERS)
    assert found == (4, "tcp", "ESTABLISHED", "192.0.2.1", 40000, "192.0.2.12", 8080, "172.17.0.2", 80, "192.0.2.1", 40000, False)
    assert found.is_translated


def test_addresses_in_full_become_short():
    found, = parse_flows(OTHERS + IN_FULL)
    assert found[:7] == (6, "udp", "", "2001:db8::1", 5, "2001:db8::12", 53)
    assert not found.is_translated


def test_the_kernel_is_asked_first_then_the_command():
    assert [flow.protocol for flow in flows(Told(None, IN_FULL))] == ["udp"]
    assert [flow.family for flow in flows(Told({"ipv4": DNATED, "ipv6": IN_FULL}))] == [4, 6]
    assert flows(Told(None)) is None


def test_flows_that_are_offloaded_have_no_state():
    assert [(flow.state, flow.offloaded) for flow in parse_flows(OFFLOADED % "" + OFFLOADED % "HW_" + DNATED)] == [
        ("", True), ("", True), ("ESTABLISHED", False)]


class Offloading(Told):
    """Has one flow until conntrack was told so often to delete it. reads: whether it takes several commands at once."""

    def __init__(self, times, reads=True, listed=()):
        super().__init__(listed)
        self.times, self.reads, self.ran = times, reads, []

    def read(self, path):
        return OFFLOADED % "" if len(self.ran) < self.times else DNATED

    def run(self, argv, stdin="", env=None):
        if argv[1] == "-R" and not self.reads:
            return Output(1, "", "no such option")
        self.ran.append((argv[1:], stdin))
        return Output(0, "", "")


WORDS = "-D -p tcp -s 192.0.2.1 --sport 40000 -d 192.0.2.12 --dport 8080"


def test_an_entry_is_deleted_until_it_is_gone():
    flow, = parse_flows(OFFLOADED % "")
    host = Offloading(2)
    assert put_back(host, [flow]) is None
    assert host.ran == [(["-R", "-"], WORDS + "\n")] * 2
    old = Offloading(1, reads=False)
    assert put_back(old, [flow]) is None
    assert old.ran == [(WORDS.split(" "), "")]


def test_nothing_to_put_back_asks_nobody():
    assert put_back(Offloading(1, listed=None), []) is None


def test_entries_that_stay_are_told():
    offloaded = parse_flows(OFFLOADED % "")
    assert "not installed" in put_back(Offloading(1, listed=None), offloaded)
    assert put_back(Offloading(100), offloaded) == "conntrack keeps their entries"
