# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Beside the real libvirtd and its default network: guests keep their ways, and who comes to the host is the policy's to say."""
import contextlib
import socket

import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.compile.compile import compile_policy
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.language.schema import parse_policy

from tests.integration.kernel.support import rooted, wire
from tests.integration.kernel.support.host import PROGRAMS
from tests.integration.kernel.support.link import carry
from tests.integration.kernel.support.namespace import entered
from tests.integration.kernel.support.policies import no_policy
from tests.integration.kernel.support.watching import until
from tests.integration.kernel.test_sentry import FACTS

# It is fetched from a mirror.
pytestmark = pytest.mark.drill
BRIDGE, DNS, OUTSIDE = "virbr0", 53, 7777
PUBLISHED, SERVICE = 5300, 7000
GATEWAY = {4: "192.168.122.1", 6: "fd00:122::1"}
GUEST = {4: "192.168.122.2", 6: "fd00:122::2"}
# The package's network has IPv4 alone.
FILE = "/usr/share/libvirt/networks/default.xml"
FORWARD, NAT_OF_BOTH = "<forward/>", "<forward mode='nat'><nat ipv6='yes'/></forward>"
IPV6 = "<ip family='ipv6' address='%s' prefix='64'/></network>" % GATEWAY[6]
ALLOWED = {"allow": [{"port": PUBLISHED, "protocol": "udp", "sources": list(wire.SOURCES["allowed"].values())}]}
CLOSED = {"published_ports": ALLOWED, "host_services": {"default": "deny"}}
ACCEPTED = {"default": "deny", "allow": [{"port": DNS, "protocol": protocol, "sources": ["192.168.122.0/24", "fd00:122::/64"]} for protocol in ("tcp", "udp")]}


@pytest.fixture(name="packages", scope="module")
def fetched_from_outside_the_namespace():
    return rooted.fetched("libvirt-daemon", "libvirt-clients", "libvirt-daemon-driver-network", "libvirt-daemon-config-network", "dnsmasq-base")


class Libvirt:
    """The daemon, and virsh."""

    def __init__(self, root, backend):
        self.root = root
        root.write("/etc/libvirt/network.conf", 'firewall_backend = "%s"\n' % backend)
        network = (root.folder / FILE.lstrip("/")).read_text(encoding="utf-8")
        assert network.count(FORWARD) == network.count("</network>") == 1
        root.write(FILE, network.replace(FORWARD, NAT_OF_BOTH).replace("</network>", IPV6))

    def __call__(self, *words):
        return self.root.run("virsh", "-c", "network:///system", *words).stdout

    @contextlib.contextmanager
    def running(self):
        with self.root.running("libvirtd"):
            until(lambda: self.root.succeeds("virsh", "-c", "network:///system", "net-list"), "libvirtd")
            yield


@pytest.fixture(name="libvirt", params=["iptables", "nftables"])
def its_program(request, packages, host, tmp_path):
    found = Libvirt(rooted.Root(packages, tmp_path / "root", host.variant), request.param)
    with found.running():
        found("net-define", FILE)
        if request.param == "nftables" and not found.root.succeeds("tc", "actions", "add", "action", "csum", "ip"):
            pytest.skip("libvirt's nftables backend needs the kernel's module act_csum")
        found("net-start", "default")
        yield found


@pytest.fixture(name="guest")
def a_guest(client, libvirt):
    """The path of a namespace at the bridge. The client knows the way there."""
    with wire.behind() as pid:
        path = "/proc/%d/ns/net" % pid
        wire.ip("link", "add", "vnet0", "type", "veth", "peer", "name", "eth0", "netns", str(pid))
        wire.ip("link", "set", "vnet0", "master", BRIDGE, "up")
        with entered(path):
            wire.ip("link", "set", "eth0", "up")
            for family, address in GUEST.items():
                wire.ip("address", "add", address + ("/24" if family == 4 else "/64"), "dev", "eth0", *(["nodad"] if family == 6 else []))
                wire.ip("-%d" % family, "route", "add", "default", "via", GATEWAY[family])
        with entered(client.path):
            for family, address in GUEST.items():
                wire.ip("-%d" % family, "route", "add", address, "via", wire.HOST[family])
        carry("vnet0")
        until(lambda: connected(path, GATEWAY, DNS) == {4, 6}, "the guest's way")
        yield path


def connected(path, addresses, port):
    """Families in which whoever is in a namespace gets a connection."""
    found = set()
    for family, address in addresses.items():
        kind = socket.AF_INET if family == 4 else socket.AF_INET6
        with entered(path), socket.socket(kind) as knocking:
            knocking.settimeout(wire.PATIENCE)
            with contextlib.suppress(OSError):
                knocking.connect((address, port))
                found.add(family)
    return found


@contextlib.contextmanager
def listening(path, port):
    """Somebody in a namespace answers, in both families."""
    with entered(path):
        server = socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True)
    with server:
        yield


def ways(client, guest):
    """Who gets where: the guest to the outside, the guest to the host's name server, the outside to the guest."""
    with listening(client.path, OUTSIDE), listening(guest, OUTSIDE):
        return (connected(guest, wire.SOURCES["denied"], OUTSIDE), connected(guest, GATEWAY, DNS), connected(client.path, GUEST, OUTSIDE))


def arrives(client):
    return client.at_first_addresses(PUBLISHED, SERVICE)


def theirs(host):
    """Its rules, in order."""
    lines = [line for family in PROGRAMS for line in host.save(family).splitlines() if "LIBVIRT" in line]
    tables = host.sh("nft", "list", "tables")
    return lines + [host.sh("nft", "list", "table", family, "libvirt_network") for family in ("ip", "ip6") if "table %s libvirt_network" % family in tables]


def applied(host, **policy):
    return host.converge(compile_policy(parse_policy(policy), FACTS)).is_change


def who(*names, port=PUBLISHED):
    return {text for name in names for text in wire.unicast(name, port)}


def test_guests_keep_their_ways(host, client, libvirt, guest):
    everywhere, nowhere = {4, 6}, set()
    usual = everywhere, everywhere, nowhere
    before = theirs(host)
    assert ways(client, guest) == usual
    alone = who(*wire.SOURCES) | who(*wire.SOURCES, port=SERVICE)
    assert arrives(client) == alone
    assert applied(host, published_ports=ALLOWED) and theirs(host) == before
    assert ways(client, guest) == usual and arrives(client) == who("allowed") | who(*wire.SOURCES, port=SERVICE)
    # Its bridge is outside, as any interface that is not the engine's: the name server for guests is a service of the host.
    applied(host, **CLOSED)
    assert ways(client, guest) == (everywhere, nowhere, nowhere) and arrives(client) == who("allowed")
    # Two ways to say that it is not.
    applied(host, **CLOSED, external_interfaces=["host"])
    assert ways(client, guest) == usual and arrives(client) == who("allowed")
    applied(host, published_ports=ALLOWED, host_services=ACCEPTED)
    assert ways(client, guest) == usual and arrives(client) == who("allowed")
    # The network is started anew: ours stay first.
    libvirt("net-destroy", "default")
    libvirt("net-start", "default")
    wire.ip("link", "set", "vnet0", "master", BRIDGE, "up")
    carry("vnet0")
    assert theirs(host) == before and not applied(host, published_ports=ALLOWED, host_services=ACCEPTED)
    assert ways(client, guest) == usual and arrives(client) == who("allowed")
    host.converge(no_policy())
    assert theirs(host) == before and ways(client, guest) == usual and arrives(client) == alone
