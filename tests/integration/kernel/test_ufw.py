# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Beside the real ufw: who gets in has to be let in by both, and neither takes anything from the other."""
import shutil
import subprocess

import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.compile.compile import compile_policy
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.language.schema import parse_policy

from tests.integration.kernel.support import wire
from tests.integration.kernel.support.host import PROGRAMS
from tests.integration.kernel.support.policies import no_policy
from tests.integration.kernel.test_denied_sources import FACTS, PORTS, PUBLISHED, SERVICE
from tests.integration.lab.support import debian

# It is fetched from a mirror.
pytestmark = pytest.mark.drill
ALLOWED = {"published_ports": {"allow": [{"port": PUBLISHED, "protocol": "udp", "sources": list(wire.SOURCES["allowed"].values())}]}}


class Ufw:
    """The program with its files in a folder of its own; its rules are those of the namespace."""

    def __init__(self, package, folder):
        self._root = folder / "root"
        subprocess.run(["dpkg-deb", "-x", str(package), str(self._root)], check=True)
        # What installing the package would do.
        settings = self._root / "etc/ufw"
        for rules in (self._root / "usr/share/ufw/iptables").iterdir():
            shutil.copy(rules, settings)
        shutil.copy(self._root / "usr/share/ufw/ufw.conf", settings)
        (self._root / "lib").symlink_to("usr/lib")

    def __call__(self, *words):
        argv = ["/usr/bin/python3", str(self._root / "usr/sbin/ufw"), "--rootdir=%s" % self._root, "--datadir=%s" % self._root, *words]
        done = subprocess.run(argv, capture_output=True, text=True, check=False, env={
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "PYTHONPATH": str(self._root / "usr/lib/python3/dist-packages"), "LC_ALL": "C"})
        assert done.returncode == 0, (words, done.stdout, done.stderr)
        return done.stdout


@pytest.fixture(name="package", scope="module")
def fetched_from_outside_the_namespace():
    return debian.fetched("ufw")


def of_ufw(host):
    """Its rules, in order, and the policies that it set: all are in the table filter."""
    tables = [host.save(family).partition("*filter\n")[2].partition("COMMIT\n")[0] for family in PROGRAMS]
    return [line for table in tables for line in table.splitlines() if "ufw" in line or line.startswith((":INPUT ", ":FORWARD ", ":OUTPUT "))]


def arrives(client):
    return client.at_first_addresses(*PORTS)


def applied(host, **policy):
    return host.converge(compile_policy(parse_policy(policy), FACTS)).is_change


def test_a_policy_beside_ufw(package, host, client, tmp_path):
    version = subprocess.run(["iptables", "--version"], capture_output=True, text=True, check=True).stdout
    if {"nft": "nf_tables", "legacy": "legacy"}[host.variant] not in version:
        pytest.skip("ufw writes the machine's default variant of iptables, which is another")
    ufw = Ufw(package, tmp_path)
    ufw("allow", "proto", "udp", "from", "any", "to", "any", "port", str(PUBLISHED))
    for address in wire.SOURCES["denied"].values():
        ufw("allow", "proto", "udp", "from", address, "to", "any", "port", str(SERVICE))
    ufw("--force", "enable")
    alone = arrives(client)
    assert alone == wire.unicast("allowed", PUBLISHED) | wire.unicast("denied", PUBLISHED) | wire.unicast("denied", SERVICE)
    before = of_ufw(host)
    assert applied(host, **ALLOWED)
    both = wire.unicast("allowed", PUBLISHED) | wire.unicast("denied", SERVICE)
    assert arrives(client) == both and of_ufw(host) == before
    # It writes its rules anew, and more of them.
    ufw("reload")
    assert arrives(client) == both and not applied(host, **ALLOWED)
    ufw("allow", "proto", "udp", "from", "any", "to", "any", "port", str(SERVICE))
    assert arrives(client) == both | wire.unicast("allowed", SERVICE) and not applied(host, **ALLOWED)
    ufw("disable")
    assert not applied(host, **ALLOWED)
    assert arrives(client) == wire.unicast("allowed", PUBLISHED) | wire.unicast("allowed", SERVICE) | wire.unicast("denied", SERVICE)
    ufw("--force", "enable")
    assert arrives(client) == both | wire.unicast("allowed", SERVICE) and not applied(host, **ALLOWED)
    with_both = of_ufw(host)
    host.converge(no_policy())
    assert of_ufw(host) == with_both
    assert arrives(client) == alone | wire.unicast("allowed", SERVICE)
