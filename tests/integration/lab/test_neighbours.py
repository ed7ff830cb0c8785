# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Containers of one network that egress tells apart: one that takes another's address is stopped at its own port of the bridge."""
from pathlib import Path

from tests.integration.lab.support import following, workloads
from tests.integration.lab.support.playbook import play
from tests.integration.lab.support.reach import wait_for

FORGE = (Path(__file__).parent / "support" / "neighbour.py").read_text(encoding="utf-8")
TABLE = ["nft", "list", "table", "bridge", "drawbridge-sources"]
OPEN_PORT = 9999


def egress(**said):
    return {"drawbridge.docker.container_egress": said}


def tried(host):
    """What comes of it that peer forges peer2's address."""
    own, neighbour = host.containers()["peer"], host.containers()["peer2"]
    # The neighbour's hardware address has to be known.
    own.run(["ping", "-c", "1", "-W", "1", neighbour.v4], check=False)
    argv = ["nsenter", "--net=/proc/%d/ns/net" % own.pid, "python3", "-", own.v4, neighbour.v4, "80", str(OPEN_PORT)]
    return host.run(argv, input=FORGE).stdout.strip()


def test_a_neighbours_address(one):
    host = one
    play([host], [egress(networks={"backend": {"peers": [{"port": OPEN_PORT}, {"protocol": "icmp"}]}})])
    assert tried(host) == "connected"
    play([host], [following.service()])
    wait_for(lambda: host.run(TABLE, check=False).returncode == 0, "the service knows the ports")
    host.run(["conntrack", "-F"])
    assert tried(host).startswith("not connected")
    # A container that starts anew has another port.
    host.run(["docker", "restart", "--time", "0", "peer"])
    wait_for(lambda: tried(host).startswith("not connected"), "the service knows the new port")
    play([host], [egress(state="absent")])
    # Whatever comes to the engine has the service look.
    workloads.network(host, "later")
    wait_for(lambda: host.run(TABLE, check=False).returncode != 0, "the service takes away what nobody needs")
