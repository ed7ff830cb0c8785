# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Lines of others in DOCKER-USER: kept byte for byte, even while they change; purged only as the diff shows."""
import threading

import pytest

FAIL2BAN = ":f2b-docker - [0:0]\n-A f2b-docker -s 203.0.113.5/32 -j REJECT --reject-with icmp-port-unreachable\n-A f2b-docker -j RETURN\n"
OTHERS = [
    "-p tcp -m multiport --dports 80,443 -j f2b-docker",
    "-m set --match-set crowdsec-blacklists-0 src -m comment --comment \"CrowdSec: it's \\\"theirs\\\"\" -j DROP",
    "-s 198.51.100.0/24 -i eth0 -j DROP",
    "-s 198.51.100.0/24 -i eth1 -j DROP",
    "-s 198.51.100.0/24 -j DROP",
]


@pytest.fixture(name="shared_host")
def with_others(host):
    """A Docker host with fail2ban, CrowdSec and an administrator."""
    host.docker()
    host.sh("ipset", "create", "crowdsec-blacklists-0", "hash:ip", "timeout", "300")
    lines = "".join("-I DOCKER-USER %d %s\n" % (place, line) for place, line in enumerate(OTHERS, 1))
    host.restore("*filter\n%s%sCOMMIT\n" % (FAIL2BAN, lines))
    host.theirs = host.rules("DOCKER-USER")
    assert len(host.theirs) == len(OTHERS) + 1
    return host


def _theirs(host):
    return [rule for rule in host.rules("DOCKER-USER") if "DB-USER" not in rule]


def test_lines_of_others_stay_as_they_are(shared_host):
    chain = shared_host.rules("f2b-docker")
    for rules in (["-j DROP"], ["-s 10.0.0.1 -j DROP"], []):
        shared_host.section(rules)
        assert _theirs(shared_host) == shared_host.theirs
    shared_host.section([], present=False)
    assert shared_host.rules("DOCKER-USER") == shared_host.theirs
    assert shared_host.rules("f2b-docker") == chain


class Busy(threading.Thread):
    """Somebody who bans and unbans all the time, in the namespace of who starts it."""

    def __init__(self, host):
        super().__init__()
        self.host = host
        self.done = threading.Event()
        self.rounds = 0
        self.failed = None

    def run(self):
        try:
            while not self.done.is_set():
                self.host.iptables("-I DOCKER-USER -s 203.0.113.77 -j DROP")
                self.host.iptables("-I f2b-docker -s 203.0.113.78 -j DROP")
                self.host.iptables("-D f2b-docker -s 203.0.113.78 -j DROP")
                self.host.iptables("-D DOCKER-USER -s 203.0.113.77 -j DROP")
                self.rounds += 1
        except AssertionError as error:
            self.failed = error


def test_lines_that_come_and_go_during_runs_survive_and_break_nothing(shared_host):
    chain = shared_host.rules("f2b-docker")
    busy = Busy(shared_host)
    busy.start()
    try:
        for number in range(1, 31):
            shared_host.section(["-s 10.0.0.%d -j DROP" % number, "-p tcp -j RETURN"])
    finally:
        busy.done.set()
        busy.join()
    assert busy.failed is None and busy.rounds > 0
    assert _theirs(shared_host) == shared_host.theirs
    assert shared_host.rules("f2b-docker") == chain
    assert shared_host.rules("DB-USER-web") == ["-s 10.0.0.30/32 -j DROP", "-p tcp -j RETURN"]


def test_purge_deletes_what_the_diff_shows_and_nothing_else(shared_host):
    shared_host.section(["-j DROP"], "other", priority=900)
    predicted = shared_host.section(["-j DROP"], purge=True, check=True).result()
    assert shared_host.rules("DOCKER-USER")[1:] == shared_host.theirs
    result = shared_host.section(["-j DROP"], purge=True).result()
    assert result == predicted
    shown = [line for line in result["diff"]["before"].splitlines() if line.startswith("-A DOCKER-USER") and "DB-USER" not in line]
    assert shown == ["-A DOCKER-USER " + rule for rule in shared_host.theirs[:-1]]
    assert shared_host.targets("DOCKER-USER") == ["DB-USER-web", "DB-USER-other", "RETURN"]
    assert shared_host.rules("f2b-docker") is not None
    assert not shared_host.section(["-j DROP"], purge=True).plan.is_change


@pytest.mark.parametrize("kept", ["-j RETURN"])
@pytest.mark.parametrize("foreign", [["-i eth0 -j RETURN"], ["-i eth1 -j RETURN", "-i eth0 -j RETURN", "-o eth0 -j RETURN"],
                                     ["-i eth0 -j DROP", "-i eth0 -j DROP"]])
def test_purge_tells_lines_apart_that_differ_in_their_interface_only(host, kept, foreign):
    lines = "".join("-A DOCKER-USER %s\n" % line for line in [kept] + foreign)
    host.restore("*filter\n:DOCKER-USER - [0:0]\n%sCOMMIT\n" % lines)
    host.section(["-j DROP"], purge=True)
    assert host.rules("DOCKER-USER") == ['-m comment --comment "drawbridge:500" -j DB-USER-web', kept]


def test_purge_of_nothing_is_no_change(host):
    host.docker()
    host.section(["-j DROP"], purge=True)
    before = host.everything()
    assert not host.section(["-j DROP"], purge=True).plan.is_change
    assert host.everything() == before
