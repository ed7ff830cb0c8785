# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""A line of the guard that somebody took away: what is open by it is really open, docker_firewall_info names it, and the next run closes it."""
import pytest

from tests.integration.lab.support.playbook import play
from tests.integration.lab.support.reach import Onlooker, v4, v6

POLICY = {"drawbridge.docker.host_policy": {"policy": {"published_ports": {"default": "deny"}}}}
LOOK = {"drawbridge.docker.docker_firewall_info": {}}
KEPT = {"drawbridge.docker.boot_restore": {}}
TAKEN = [
    ("ip6tables -t mangle -D DB-GUARD-PORTS -j DROP", v6(8080), "ipv6 mangle DB-GUARD-PORTS", "ipv6 [::]:8080/tcp"),
    ("ip6tables -t mangle -F DB-GUARD-PORTS", v6(8080), "ipv6 mangle DB-GUARD-PORTS", "ipv6 [::]:8080/tcp"),
    ("ip6tables -t mangle -F DB-GUARD-LOCAL", v6(8080), "ipv6 mangle DB-GUARD-LOCAL", "ipv6 [::]:8080/tcp"),
    ("iptables -t mangle -F DB-GUARD-PORTS", None, "ipv4 mangle DB-GUARD-PORTS", "ipv4 0.0.0.0:8080/tcp"),
]


def findings(host):
    return {item["code"]: "\n".join(item["about"]) for item in play([host], [LOOK]).last(host.name)["findings"]}


@pytest.mark.parametrize("command, way, chain, port", [
    pytest.param(*entry, id=entry[0], marks=[] if " -D " in entry[0] or entry[1] is None else pytest.mark.drill) for entry in TAKEN])
def test_what_is_open_by_a_lost_line_is_named(lab, one, command, way, chain, port):
    look = Onlooker(lab, [one])
    play([one], [POLICY])
    assert look.turns_away("denied", v4(8080)) and look.turns_away("denied", v6(8080))
    assert "guard_lost_lines" not in findings(one)
    one.run(command.split())
    assert way is None or look.serves("denied", way)
    found = findings(one)
    assert chain in found["guard_lost_lines"] and port in found["guard_lost_lines"]
    # What DNAT leads elsewhere is closed behind it.
    assert (port in found.get("unguarded_ports", "")) == (way is not None)
    assert play([one], [POLICY]).changed() == {one.name: True}
    assert look.turns_away("denied", v6(8080)) and "guard_lost_lines" not in findings(one)


def test_what_differs_from_what_a_boot_would_load_is_named(one):
    allowed = {"published_ports": {"default": "deny", "allow": [{"port": 8080, "sources": ["192.0.2.101"]}]}}
    task = {"drawbridge.docker.host_policy": {"policy": allowed}}
    play([one], [KEPT, task])
    assert "unlike_saved" not in findings(one)
    # It would take back at once what is done here.
    one.run(["systemctl", "stop", "drawbridge-watch"])
    one.run("iptables -t mangle -D DB-GUARD-PORTS -s 192.0.2.101/32 -p tcp -m tcp --dport 8080 -j RETURN".split())
    one.run("ip6tables -t mangle -I DB-GUARD 1 -p tcp -j ACCEPT".split())
    found = findings(one)["unlike_saved"]
    assert "ipv4 mangle DB-GUARD-PORTS lost: -s 192.0.2.101/32 -p tcp -m tcp --dport 8080 -j RETURN" in found
    assert "ipv6 mangle DB-GUARD got: -p tcp -j ACCEPT" in found
    play([one], [task])
    assert "unlike_saved" not in findings(one)
