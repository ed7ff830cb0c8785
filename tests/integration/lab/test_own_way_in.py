# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""SSH that comes in a tunnel, or by a container that passes it on: a policy that would not let that in anew is refused."""
from contextlib import contextmanager

import pytest

from tests.integration.lab.support import boot, policies
from tests.integration.lab.support.playbook import play
from tests.lab import layout
from tests.lab.api import Probe
from tests.lab.layout import CLIENTS
from tests.lab.sh import in_netns, run
from tests.lab.workload import IMAGE

CONTROLLER = CLIENTS["controller"]
INSIDE = {"host": "10.77.0.1", "controller": "10.77.0.2"}
HARDWARE = {"host": "02:77:00:00:00:01", "controller": "02:77:00:00:00:02"}
SSH = {"port": 22, "sources": ["any"]}
RELAY = """
import socket, threading
def carry(one, other):
    while True:
        data = one.recv(65536)
        if not data:
            other.shutdown(socket.SHUT_WR)
            return
        other.sendall(data)
with socket.create_server(("", 22)) as listener:
    while True:
        taken = listener.accept()[0]
        made = socket.create_connection(("172.17.0.1", 22))
        for pair in ((taken, made), (made, taken)):
            threading.Thread(target=carry, args=pair, daemon=True).start()
"""


def by(host, address, port=22):
    """A host's variables by which Ansible comes another way."""
    other = "-o HostName=%s -o Port=%d -o HostKeyAlias=%s" % (address, port, host.spec.v4)
    return {"host_vars": {host.name: {
        # No connection of the usual way is shared.
        "ansible_ssh_args": "", "ansible_ssh_common_args": "%s -F %s" % (other, layout.SSH_CONFIG)}}}


@contextmanager
def tunnel(host):
    """A VXLAN between the controller and the host, whose packets of both directions are one flow, and of which neither end sends by itself."""
    ends = {"host": (host.run, host.spec.v4, CONTROLLER.v4), "controller": (
        lambda argv: run(in_netns(CONTROLLER.netns, argv)), CONTROLLER.v4, host.spec.v4)}
    try:
        for name, (at, mine, other) in ends.items():
            far = "controller" if name == "host" else "host"
            for words in (
                ["add", "vx77", "address", HARDWARE[name], "type", "vxlan", "id", "77", "local", mine, "remote", other, "dstport", "4789",
                 "srcport", "4789", "4790"], ["set", "vx77", "addrgenmode", "none", "mtu", "1400", "up"]):
                at(["ip", "link", *words])
            at(["ip", "address", "add", INSIDE[name] + "/24", "dev", "vx77"])
            at(["ip", "neighbour", "replace", INSIDE[far], "lladdr", HARDWARE[far], "dev", "vx77"])
        yield
    finally:
        for at, _mine, _other in ends.values():
            at(["ip", "link", "delete", "vx77"])


def is_reached(lab, address):
    return lab.clients["controller"].probe([Probe("tcp", address, 22, timeout=3)])[0].open


def test_a_tunnel_that_would_die_is_refused_and_dies_where_it_is_not(lab, one):
    closed = {"host_services": {"default": "deny", "allow": [SSH]}}
    opened = {"host_services": {"default": "deny", "allow": [SSH, {"port": 4789, "protocol": "udp", "sources": [CONTROLLER.v4]}]}}
    with tunnel(one):
        inside = by(one, INSIDE["host"])
        before = boot.owned(one)
        for check in (True, False):
            words = play([one], [policies.task(closed)], fails=True, check=check, **inside).failed()[one.name]
            assert "the tunnel vx77 (port 4789/udp from %s)" % CONTROLLER.v4 in words and "host_services.default" in words
        assert boot.owned(one) == before
        # The confirmation comes by the tunnel's open flow.
        forced = play([one], [policies.task(closed, allow_lockout=True)], **inside).last(one.name)
        assert forced["changed"] and forced["confirm_seconds"] > 0
        assert is_reached(lab, INSIDE["host"])
        one.run(["conntrack", "-F"])
        assert not is_reached(lab, INSIDE["host"]) and is_reached(lab, one.spec.v4)
        play([one], [policies.task({}, state="absent")])
        done = play([one], [policies.task(opened)], **inside).last(one.name)
        assert done["changed"] and not done.get("warnings")
        one.run(["conntrack", "-F"])
        assert is_reached(lab, INSIDE["host"])


@pytest.mark.parametrize("family", ["IPv4", "IPv6"])
def test_a_bastion_in_a_container(lab, one, family):
    """IPv4 by DNAT, IPv6 by docker-proxy."""
    one.run(["docker", "run", "--detach", "--name", "bastion", "--publish", "2222:22", "--entrypoint", "python3", IMAGE, "-c", RELAY])
    controller, address = (CONTROLLER.v4, one.spec.v4) if family == "IPv4" else (CONTROLLER.v6, one.spec.v6)
    passed_on = by(one, address, 2222)
    before = boot.owned(one)
    for policy, place in (
        ({"published_ports": {"default": "deny"}}, "published_ports.default"),
        ({"published_ports": {"allow": [{"port": 2222, "sources": ["198.51.100.0/24"]}]}}, "published_ports.allow[0]"),
    ):
        words = play([one], [policies.task(policy)], fails=True, **passed_on).failed()[one.name]
        assert place in words and "port 2222/tcp from %s" % controller in words
    assert boot.owned(one) == before
    done = play([one], [policies.task({"published_ports": {"allow": [{"port": 2222, "sources": [controller]}]}})], **passed_on).last(one.name)
    assert done["changed"] and done["confirm_seconds"] > 0 and not done.get("warnings")
