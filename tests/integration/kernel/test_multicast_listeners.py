# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Routers and switches ask who listens to a group, and prune it where nobody answers: under denied host services too."""
import contextlib
import select
import socket
import struct
import subprocess
import time

import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.facts.facts import HostFacts
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.compile.compile import compile_policy
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.language.schema import parse_policy

from tests.integration.kernel.support import wire
from tests.integration.kernel.support.namespace import entered

FACTS = HostFacts(published=[], bridges=[], closed_bridges={4: [], 6: []}, subnets=[], swarm=False)
AF = {4: socket.AF_INET, 6: socket.AF_INET6}
GROUP = {4: "224.0.0.251", 6: "ff02::fb"}
# Of IGMP's version 2 and MLD's version 1. A host uses later ones until it hears such a question, so this report is the answer to it.
QUERY, REPORT = {4: 0x11, 6: 130}, {4: 0x16, 6: 131}
IGMP, VRRP = 2, 112
# Who asks in IPv6 has to be on the link.
ON_THE_LINK = "fe80::3"
_ROUTER_ALERT = {4: bytes([148, 4, 0, 0]), 6: bytes([0, 0, 5, 2, 0, 0, 1, 0])}


@pytest.fixture
def client(namespace):
    with wire.wired() as other_end:
        with entered(other_end.path):
            subprocess.run(["ip", "address", "add", ON_THE_LINK + "/64", "nodad", "dev", "client"], check=True)
        yield other_end


@pytest.fixture(name="closed")
def closed_host(host, client):
    host.converge(compile_policy(parse_policy({"host_services": {"default": "deny"}}), FACTS))
    return client


def packed(family, address):
    return socket.inet_pton(AF[family], address)


@contextlib.contextmanager
def listening():
    """A member of the groups on the host, as a name service is."""
    with socket.socket(AF[4], socket.SOCK_DGRAM) as four, socket.socket(AF[6], socket.SOCK_DGRAM) as six:
        four.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, packed(4, GROUP[4]) + packed(4, wire.HOST[4]))
        index = struct.pack("=I", socket.if_nametoindex("host"))
        six.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, packed(6, GROUP[6]) + index)
        yield


def is_told(family):
    """Whether the host says that it listens, to who asks for it on the wire's other end."""
    with wire.watched("client") as tap:
        _ASK[family]()
        end = time.monotonic() + 5
        while select.select([tap], [], [], max(0.0, end - time.monotonic()))[0]:
            frame, address = tap.recvfrom(2000)
            if address[2] != socket.PACKET_OUTGOING and _reported(frame) == (family, packed(family, GROUP[family])):
                return True
    return False


def _ask_four():
    query = struct.pack("!BBH4s", QUERY[4], 1, 0, packed(4, GROUP[4]))
    total = sum(struct.unpack("!4H", query))
    checksum = ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF
    with socket.socket(AF[4], socket.SOCK_RAW, IGMP) as sender:
        sender.setsockopt(socket.IPPROTO_IP, socket.IP_OPTIONS, _ROUTER_ALERT[4])
        sender.bind((wire.SOURCES["denied"][4], 0))
        sender.sendto(query[:2] + struct.pack("!H", checksum) + query[4:], (GROUP[4], 0))


def _ask_six():
    with socket.socket(AF[6], socket.SOCK_RAW, socket.IPPROTO_ICMPV6) as sender:
        sender.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_HOPOPTS, _ROUTER_ALERT[6])
        sender.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 1)
        link = socket.if_nametoindex("client")
        sender.bind((ON_THE_LINK, 0, 0, link))
        sender.sendto(struct.pack("!BBHHH16s", QUERY[6], 0, 0, 100, 0, packed(6, GROUP[6])), (GROUP[6], 0, 0, link))


_ASK = {4: _ask_four, 6: _ask_six}


def _reported(frame):
    """A report's family and group."""
    if frame[0] >> 4 == 4:
        start = (frame[0] & 0xF) * 4
        return (4, frame[start + 4:start + 8]) if frame[9] == IGMP and frame[start] == REPORT[4] else None
    # Behind a header with the router alert.
    return (6, frame[56:72]) if frame[6] == 0 and frame[48] == REPORT[6] else None


@pytest.mark.parametrize("family", [4, 6])
def test_a_host_that_denies_services_says_what_it_listens_to(closed, family):
    with listening(), entered(closed.path):
        assert is_told(family)


def test_other_protocols_between_routers_stay_closed(closed):
    sent = {b"asked": (IGMP, GROUP[4]), b"asked at the host's own address": (IGMP, wire.HOST[4]), b"virtual router": (VRRP, "224.0.0.18")}
    with contextlib.ExitStack() as stack:
        listeners = [stack.enter_context(socket.socket(AF[4], socket.SOCK_RAW, protocol)) for protocol in (IGMP, VRRP)]
        tap = stack.enter_context(wire.watched())
        stack.enter_context(listening())
        with entered(closed.path):
            for text, (protocol, address) in sent.items():
                with socket.socket(AF[4], socket.SOCK_RAW, protocol) as sender:
                    sender.bind((wire.SOURCES["denied"][4], 0))
                    sender.sendto(b"\0\0\0\0" + text, (address, 0))
        wire.until_judged(tap, sent)
        found = {text.split("\0")[-1] for text in wire.received(listeners)}
    assert found == {"asked"}
