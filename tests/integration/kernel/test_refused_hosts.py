# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Hosts on which a module can do nothing: without root, without systemd, with file systems that cannot be written. Said in a sentence, and nothing is
half done."""
import pytest

from tests.integration.kernel.support.module import run_module
from tests.integration.kernel.support.playbook import why_not

MODULES = {
    "host_policy": {"policy": {"published_ports": {"default": "deny"}}, "docker_host": "unix:///nowhere", "confirm_timeout": 0},
    "boot_restore": {},
    "event_service": {},
    "docker_daemon_config": {"userland_proxy": False},
}
PLACES = ("/etc", "/usr", "/run", "/var/lib")
# Copies of what modules write to, in mounts of their own; systemctl says yes to everything.
HOST = """
folder=$1; shift
mkdir -p $folder/etc $folder/run $folder/lib $folder/local $folder/bin
cp -a /etc/alternatives $folder/etc/ 2>/dev/null || true
mkdir -p $folder/etc/systemd/system
for pair in etc:/etc run:/run lib:/var/lib local:/usr/local; do mount --bind $folder/${pair%:*} ${pair#*:}; done
printf '#!/bin/sh\nexit 0\n' >$folder/bin/systemctl; chmod +x $folder/bin/systemctl
PATH=$folder/bin:$PATH
[ $1 = without-systemd ] || mkdir -p /run/systemd/system
case $1 in
    /usr) mount -o remount,bind,ro /usr/local;;
    /*) mount -o remount,bind,ro $1;;
esac
wanted=$1; shift
if [ "$wanted" = without-root ]; then exec setpriv --reuid 65534 --regid 65534 --clear-groups "$@"; fi
exec "$@"
"""
READ_ONLY = "Read-only file system (mount it for writing while the task runs, or have the files in the image that the host boots)"
ROOT = "run the task as root: become: true"


@pytest.fixture(name="refused")
def run_on_a_host(nft_host, tmp_path):
    """Runs a module on a host of this kind → its message, or None where it did its work."""
    if why_not():
        pytest.skip(why_not())
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)

    def refused(kind, name):
        around = ["unshare", "--mount", "--propagation", "private", "sh", "-euc", HOST, "sh", str(tmp_path / "host"), kind]
        result = run_module(around, name, **MODULES[name])
        assert "internal error" not in result.get("msg", "") and "exception" not in result, result
        return result["msg"] if result.get("failed") else None

    refused.files = lambda: sorted(str(path.relative_to(tmp_path)) for path in (tmp_path / "host").rglob("*drawbridge*"))
    return refused


@pytest.mark.parametrize("place, name, path", [
    ("/run", "host_policy", "/run/drawbridge.lock"),
    ("/run", "boot_restore", "/run/drawbridge.lock"),
    ("/run", "docker_daemon_config", "/run/drawbridge.lock"),
    ("/etc", "boot_restore", "/etc/drawbridge"),
    ("/etc", "event_service", "/etc/systemd/system/drawbridge-events.service"),
    ("/etc", "docker_daemon_config", "/etc/docker/daemon.json"),
    ("/usr", "event_service", "/usr/local/lib/drawbridge/events.pyz"),
    ("/var/lib", "event_service", "/var/lib/drawbridge/records"),
])
def test_a_place_that_cannot_be_written(nft_host, refused, place, name, path):
    before = nft_host.everything()
    message = refused(place, name)
    assert path in message and message.endswith(READ_ONLY), message
    assert nft_host.everything() == before
    assert not [item for item in refused.files() if not item.endswith(".lock")]


@pytest.mark.parametrize("name", ["boot_restore", "event_service"])
def test_a_host_that_systemd_did_not_boot(refused, name):
    message = refused("without-systemd", name)
    assert message.startswith("this host was not booted by systemd") and "out here" in message
    assert not [item for item in refused.files() if not item.endswith(".lock")]


def test_a_policy_needs_no_systemd(nft_host, refused):
    assert refused("without-systemd", "host_policy") is None
    assert nft_host.rules("DB-GUARD", "mangle")


@pytest.mark.parametrize("name", MODULES)
def test_a_task_without_root(refused, name):
    assert ROOT in refused("without-root", name)
