# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""A host with systemd, sshd and Python, and no engine: its rules are in force before Docker is installed and first starts."""
import contextlib
import time

import pytest

from tests.integration.lab.support import debian, firewall, late
from tests.integration.lab.support.playbook import play, playbook
from tests.lab.workload import IMAGE

HARDEN = "drawbridge.docker.harden"
# What the engine's packages bring, and what it keeps.
PACKAGED = [
    "/usr/sbin/dockerd", "/usr/sbin/docker-proxy", "/usr/bin/docker", "/usr/bin/docker-init", "/etc/docker",
    "/usr/lib/systemd/system/docker.service", "/usr/lib/systemd/system/docker.socket", "/etc/systemd/system/multi-user.target.wants/docker.service",
    "/etc/systemd/system/sockets.target.wants/docker.socket",
]
HIDE = """
cd /; mkdir -p /var/hidden
for path in "$@"; do [ ! -e "$path" ] && [ ! -L "$path" ] || { mkdir -p "/var/hidden${path%/*}"; mv "$path" "/var/hidden$path"; }; done
systemctl daemon-reload
"""
INSTALL = "cp -a /var/hidden/. / && rm -rf /var/hidden && systemctl daemon-reload && systemctl start docker.socket docker.service"
BARE = ("ipset", "conntrack")


@pytest.fixture(name="new")
def without_an_engine(one):
    """The host before Docker is installed: no program, no unit, no state, no rule."""
    one.run(["sh", "-euc", "docker save %s > /var/image.tar; systemctl stop docker.socket docker.service" % IMAGE])
    one.run(["mount", "-t", "tmpfs", "tmpfs", "/var/lib/docker"])
    one.run(["sh", "-euc", HIDE, "sh", *PACKAGED])
    one.run(["sh", "-c", "nft flush ruleset; ipset destroy; ip link delete docker0"], check=False)
    yield one
    one.run(["sh", "-euc", "[ ! -d /var/hidden ] || { %s; }; systemctl stop docker.socket docker.service" % INSTALL])
    one.run(["sh", "-euc", "umount /var/lib/docker; rm -f /var/image.tar; systemctl start docker.socket docker.service"])
    one.wait_ready()


def options(host):
    return {"host_vars": {host.name: {"host_policy__own": late.policy()}}}


def installed(host):
    """What a user does who installs Docker and runs containers right then."""
    host.run(["sh", "-euc", INSTALL])
    host.run(["docker", "load", "--input", "/var/image.tar"])
    late.publish(host)


def test_closed_from_the_first_start_on(lab, new, tell):
    assert not playbook([new], HARDEN, check=True, **options(new)).failed()
    assert not firewall.written(firewall.dump(new)) and new.run(["ls", "/etc/drawbridge"], check=False).returncode
    done = playbook([new], HARDEN, **options(new))
    assert done.changed() == {new.name: True}
    assert "-A PREROUTING -j DB-GUARD" in firewall.rules(new, "PREROUTING", "mangle")
    denied, allowed = late.flooded(lab, [new], installed)[new.name]
    tell("the denied client: %d connections of %d tries; the allowed one: %d" % (denied.count, denied.tried, allowed.count))
    assert denied.count == 0 and denied.tried > 1000, denied.opened
    assert all(allowed.opened.values())


@contextlib.contextmanager
def purged(host, names):
    """Without these packages, as a minimal installation is."""
    files = [debian.fetched(name) for name in names]
    host.run(["dpkg", "--purge", "--force-depends", *names])
    try:
        yield files
    finally:
        for file in files:
            host.run(["sh", "-euc", "cat > /tmp/again.deb; dpkg --install /tmp/again.deb; rm /tmp/again.deb"], input=file.read_bytes())


@pytest.fixture(name="bare")
def without_packages(one):
    with purged(one, BARE) as files:
        yield one, files


def test_a_bare_host_that_reaches_no_mirror(bare, tell):
    host, _files = bare
    before = firewall.dump(host)
    role = {"ansible.builtin.import_role": {"name": "drawbridge.docker.prerequisites"}}
    looked = play([host], [role], check=True)
    assert "would install conntrack, ipset" in [result.get("msg") for result in looked.of(host.name)], looked.output
    started = time.monotonic()
    failed = play([host], [role], fails=True).last(host.name)["msg"]
    tell("no package lists, no mirror: a play with the role prerequisites failed after %.1f s" % (time.monotonic() - started))
    assert failed.startswith("conntrack, ipset cannot be installed:") and "resolving" in failed and "a mirror of its distribution" in failed
    assert firewall.dump(host) == before


REPOSITORY = """
mkdir -p /var/mirror; cd /var/mirror
for file in *.deb; do
    dpkg-deb --field $file
    printf 'Filename: ./%s\\nSize: %s\\nSHA256: %s\\n\\n' $file $(stat -c %s $file) $(sha256sum <$file | cut -d ' ' -f 1)
done >Packages
mv /etc/apt/sources.list /var/mirror/sources.list
echo 'deb [trusted=yes] file:/var/mirror ./' >/etc/apt/sources.list
"""


@contextlib.contextmanager
def mirror_on(host, files):
    """A mirror with these packages, which apt has not asked yet."""
    host.run(["mkdir", "-p", "/var/mirror"])
    for file in files:
        host.run(["sh", "-euc", "cat > /var/mirror/%s" % file.name.replace("%3a", "_")], input=file.read_bytes())
    host.run(["sh", "-euc", REPOSITORY])
    try:
        yield
    finally:
        host.run(["sh", "-euc", "mv /var/mirror/sources.list /etc/apt/sources.list; rm -rf /var/mirror /var/lib/apt/lists/*"])


def test_a_bare_host_with_a_mirror(bare):
    host, files = bare
    with mirror_on(host, files):
        done = playbook([host], HARDEN, **options(host))
    assert done.changed() == {host.name: True}
    assert all(host.run(["which", name], check=False).returncode == 0 for name in BARE)
    assert "-A PREROUTING -j DB-GUARD" in firewall.rules(host, "PREROUTING", "mangle")
    assert not any(playbook([host], HARDEN, **options(host)).changed().values())
