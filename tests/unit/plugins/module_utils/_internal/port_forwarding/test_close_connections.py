# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Which flows go through a closed port, and what conntrack is told of them."""
import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.system.system import Output, System
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.port_forwarding.close_connections import end_connections
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.port_forwarding.opened import OpenedPort

CLIENT, HOST, SERVER = "192.0.2.102", "192.0.2.12", "172.17.0.8"


def line(protocol, ends, answers, state=""):
    return "ipv4     2 %-8s 17 29 %s%s %s mark=0 zone=0 use=2" % (
        protocol, state, *("src=%s dst=%s sport=%d dport=%d" % place for place in (ends, answers)))


THROUGH = line("udp", (CLIENT, HOST, 5000, 7777), (SERVER, CLIENT, 7777, 5000))
REVERSED = line("udp", (SERVER, CLIENT, 7777, 5000), (CLIENT, HOST, 5000, 7777))
OWN = line("udp", (SERVER, CLIENT, 7777, 5000), (CLIENT, HOST, 5000, 1024))
OTHERS = [
    line("udp", (CLIENT, HOST, 5001, 7778), (SERVER, CLIENT, 7777, 5001)),
    line("udp", (CLIENT, HOST, 5002, 7777), (HOST, CLIENT, 7777, 5002)),
    line("tcp", (CLIENT, HOST, 5003, 7777), (SERVER, CLIENT, 7777, 5003), "ESTABLISHED "),
    line("udp", (SERVER, "198.51.100.1", 7777, 53), ("198.51.100.1", HOST, 53, 7777)),
]
LEAD = OpenedPort("DB-PUBLISH-udp-7777", 4, "udp", None, 7777, SERVER + ":7777")
REPLACED = [
    "-D -p udp -s %s --sport 5000 -d %s --dport 7777" % (CLIENT, HOST),
    "-D -p udp -s %s --sport 7777 -d %s --dport 5000" % (SERVER, CLIENT),
    "-I -p udp -s %s --sport 5000 -d %s --dport 7777 --timeout 300" % (CLIENT, HOST),
]


class Kernel(System):
    """One whose flows are these, from one look to the next, and a conntrack that may be too old to read commands."""

    def __init__(self, *looks, reads=True, installed=True):
        super().__init__()
        self.looks, self.reads, self.installed, self.told = list(looks), reads, installed, []

    def which(self, name):
        return "/sbin/" + name if self.installed else None

    def read(self, path):
        found = self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]
        return "".join(text + "\n" for text in [*found, *OTHERS])

    def run(self, argv, stdin="", env=None):
        self.told.append(stdin.splitlines() if argv[1] == "-R" else [" ".join(argv[1:])])
        return Output(0 if self.reads or argv[1] != "-R" else 2, "", "")


def test_an_entry_that_leads_nowhere_takes_the_place():
    kernel = Kernel([THROUGH], [OWN])
    assert end_connections(kernel, [LEAD], []) == []
    assert kernel.told == [REPLACED]


def test_what_the_container_made_anew_is_replaced_as_well():
    kernel = Kernel([THROUGH], [REVERSED], [OWN])
    assert end_connections(kernel, [LEAD], []) == []
    assert kernel.told == [REPLACED, REPLACED]


def test_a_flow_that_the_container_began_is_its_own():
    kernel = Kernel([REVERSED])
    assert end_connections(kernel, [LEAD], []) == []
    assert kernel.told == []


def test_an_older_conntrack_is_told_one_by_one():
    kernel = Kernel([THROUGH], [], reads=False)
    assert end_connections(kernel, [LEAD], []) == []
    assert kernel.told == [REPLACED, *([line] for line in REPLACED)]


def test_tcp_is_deleted_only():
    kernel = Kernel([])
    assert end_connections(kernel, [LEAD._replace(protocol="tcp")], [])
    assert kernel.told[0] == ["-D -p tcp -s %s --sport 5003 -d %s --dport 7777" % (CLIENT, HOST)]


@pytest.mark.parametrize("kernel, reason", [
    (Kernel([THROUGH]), "conntrack keeps their entries"), (Kernel([THROUGH], installed=False), "conntrack is not installed")])
def test_what_goes_on_is_a_warning(kernel, reason):
    assert end_connections(kernel, [LEAD], []) == ["some connections through port 7777/udp go on until they end by themselves: " + reason]


def test_a_port_of_one_address():
    kernel = Kernel([THROUGH])
    assert end_connections(kernel, [LEAD._replace(address="192.0.2.112")], []) == []
    assert kernel.told == []
