# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""A host whose clock was ahead before its boot: ports that were opened for containers then lead to nobody, as after every boot."""
from tests.integration.lab.support.boot import BOOT
from tests.integration.lab.support.playbook import play

OPEN = {"drawbridge.docker.container_port": {"name": "web", "port": 8095, "container_port": 80, "sources": ["any"]}}
IN_TWO_DAYS = "touch -d '2 days' /etc/drawbridge/generations/*/*"


def lines(host):
    """What of ours leads to containers."""
    return [line for line in host.run(["iptables-save"]).stdout.splitlines() if "DB-PUBLISH" in line]


def test_a_clock_behind_at_boot_brings_no_opened_port_back(one):
    play([one], [BOOT, OPEN])
    assert lines(one) and one.run(["sh", "/etc/drawbridge/boot.sh", "restore"]).returncode == 0 and lines(one)
    one.run(["sh", "-c", IN_TWO_DAYS])
    one.reboot()
    assert not lines(one)
    one.run(["sh", "/etc/drawbridge/boot.sh", "restore"])
    assert not lines(one)
    # Written since this boot it comes back with the rest.
    play([one], [OPEN])
    assert lines(one)
    one.run(["iptables", "-t", "nat", "-F"])
    one.run(["sh", "/etc/drawbridge/boot.sh", "restore"])
    assert lines(one)
