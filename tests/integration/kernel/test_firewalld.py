# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Beside the real firewalld, on a D-Bus of its own: who gets in has to be let in by both, through every reload."""
import contextlib

import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.compile.compile import compile_policy
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.language.schema import parse_policy

from tests.integration.kernel.support import rooted, wire
from tests.integration.kernel.support.behind_bridge import INNER
from tests.integration.kernel.support.policies import no_policy
from tests.integration.kernel.support.watching import until
from tests.integration.kernel.test_denied_sources import (
    ALL,
    DIALLED,
    FACTS,
    NOBODY_KNOWN,
    PUBLISHED,
    SERVED,
    SERVICE,
    THEY,
    reach,
)

# It is fetched from a mirror.
pytestmark = pytest.mark.drill
ALLOWED = list(wire.SOURCES["allowed"].values())
POLICY = {"published_ports": {"allow": [{"port": PUBLISHED, "protocol": "udp", "sources": ALLOWED}]}}
DNATED = {"published_ports": {"allow": [{"port": DIALLED, "sources": ALLOWED}]}}
BUS = """<busconfig><type>system</type><listen>unix:path=/run/dbus/system_bus_socket</listen><auth>EXTERNAL</auth><policy context="default">
<allow send_destination="*"/><allow receive_sender="*"/><allow own="*"/><allow user="*"/></policy></busconfig>
"""
RICH = "rule family=%s source address=%s port port=%d protocol=udp accept"


@pytest.fixture(name="packages", scope="module")
def fetched_from_outside_the_namespace():
    return rooted.fetched("firewalld", "dbus-daemon")


class Firewalld:
    """The daemon, and firewall-cmd."""

    def __init__(self, root):
        self.root = root
        root.write("/etc/bus.conf", BUS)
        (root.folder / "run/dbus").mkdir()
        (root.folder / "var/log").mkdir(exist_ok=True)

    def __call__(self, *words):
        return self.root.run("firewall-cmd", *words).stdout

    @contextlib.contextmanager
    def running(self):
        with self.root.running("dbus-daemon", "--config-file=/etc/bus.conf", "--nofork", "--nopidfile"):
            until((self.root.folder / "run/dbus/system_bus_socket").is_socket, "the bus")
            with self.root.running("python3", "/usr/sbin/firewalld", "--nofork", "--nopid"):
                until(lambda: self.root.succeeds("firewall-cmd", "--state"), "firewalld")
                yield

    def setting(self, name, value):
        path = "/etc/firewalld/firewalld.conf"
        text = (self.root.folder / path.lstrip("/")).read_text(encoding="utf-8")
        assert "\n%s=" % name in text
        self.root.write(path, "".join(line if not line.startswith(name + "=") else "%s=%s\n" % (name, value) for line in text.splitlines(keepends=True)))


@pytest.fixture(name="firewalld")
def its_program(packages, host, tmp_path):
    return Firewalld(rooted.Root(packages, tmp_path / "root", host.variant))


def arrives(client):
    return client.at_first_addresses(PUBLISHED, SERVICE)


def theirs(host):
    """Its table. The order of its chains is another one after a reload."""
    return sorted(host.sh("nft", "list", "table", "inet", "firewalld").splitlines())


def applied(host, policy, facts=FACTS):
    return host.converge(compile_policy(parse_policy(policy), facts)).is_change


def test_reloads(host, client, firewalld):
    with firewalld.running():
        firewalld("--permanent", "--add-port=%d/udp" % PUBLISHED)
        for family, address in wire.SOURCES["denied"].items():
            firewalld("--permanent", "--add-rich-rule=" + RICH % ("ipv%d" % family, address, SERVICE))
        firewalld("--reload")
        alone = arrives(client)
        assert alone == wire.unicast("allowed", PUBLISHED) | wire.unicast("denied", PUBLISHED) | wire.unicast("denied", SERVICE)
        before = theirs(host)
        assert applied(host, POLICY) and theirs(host) == before
        both = wire.unicast("allowed", PUBLISHED) | wire.unicast("denied", SERVICE)
        assert arrives(client) == both
        for verb in ("--reload", "--complete-reload"):
            firewalld(verb)
            assert arrives(client) == both and theirs(host) == before and not applied(host, POLICY), verb
        host.converge(no_policy())
        assert arrives(client) == alone and theirs(host) == before


@pytest.mark.parametrize("strict, everybody, allowed", [("no", ALL, THEY), ("yes", set(), set())])
def test_what_an_engine_publishes(host, client, inner, firewalld, strict, everybody, allowed):
    """With StrictForwardPorts firewalld takes nobody's word but its own for what is forwarded."""
    for family, address in INNER.items():
        to = "%s:%d" % (address if family == 4 else "[%s]" % address, SERVED)
        host.iptables("-t nat -A PREROUTING -d %s -p tcp --dport %d -j DNAT --to-destination %s" % (wire.HOST[family], DIALLED, to), family)
    firewalld.setting("StrictForwardPorts", strict)
    with firewalld.running():
        before = theirs(host)
        assert reach(client, inner, wire.HOST, DIALLED) == everybody
        assert applied(host, DNATED, NOBODY_KNOWN) and theirs(host) == before
        assert reach(client, inner, wire.HOST, DIALLED) == allowed
        firewalld("--complete-reload")
        assert reach(client, inner, wire.HOST, DIALLED) == allowed
        assert theirs(host) == before and not applied(host, DNATED, NOBODY_KNOWN)
