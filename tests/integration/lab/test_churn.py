# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Containers that come and go while policies change: no rule of Docker's is lost, every container is reached."""
import itertools
import threading
import time

import pytest

from tests.integration.lab.support import boot, policies
from tests.integration.lab.support.playbook import play
from tests.integration.lab.support.reach import wait_for
from tests.integration.lab.support.ways import on_all
from tests.lab.api import Probe
from tests.lab.workload import IMAGE

PORTS = range(8500, 8504)
# Applies in one play.
AT_ONCE = 8
# What no policy of these changes: containers that come, and one that stays. Not a range: that opens no port of docker-proxy's which is published
# after the play, where services of the host are denied.
ALWAYS = [{"port": port, "sources": policies.ALLOWED} for port in (*PORTS, 8080)]
SEVERAL = [[], [{"port": 8081, "sources": policies.ALLOWED}], [{"port": 8083, "sources": ["192.0.2.200", "2001:db8:1::200"]}]]


def task(number):
    ports = {"default": "deny", "allow": ALWAYS + SEVERAL[number % len(SEVERAL)]}
    services = {"default": "deny", "allow": [{"port": 22, "sources": ["any"]}]}
    return policies.task({"published_ports": ports, **({"host_services": services} if number % 2 else {})})


def dockers(host):
    """The engine's lines, of every table and family."""
    text = "".join(host.run([program + "-save"]).stdout for program in ("iptables", "ip6tables"))
    return sorted(line for line in text.splitlines() if line.startswith(("-A", ":DOCKER")) and "DB-" not in line and "DOCKER-USER" not in line)


class Churn(threading.Thread):
    """Containers of a host that are made, reached, stopped, started again, reached and removed, one after another."""

    def __init__(self, lab, host):
        super().__init__()
        self.lab, self.host, self.ended = lab, host, threading.Event()
        self.count, self.errors = 0, []

    def run(self):
        for port in itertools.cycle(PORTS):
            if self.ended.is_set():
                break
            try:
                self._one("churn-%d" % port, port)
                self.count += 1
            except Exception as error:  # pylint: disable=broad-exception-caught
                self.errors.append("%d: %s" % (port, error))
                break

    def _one(self, name, port):
        self.host.run(["docker", "run", "--detach", "--name", name, "--publish", "%d:80" % port, IMAGE, "answer", name, "tcp,0.0.0.0,80"])
        self._reached(name, port)
        self.host.run(["docker", "stop", "--time", "0", name])
        self.host.run(["docker", "start", name])
        self._reached(name, port)
        self.host.run(["docker", "rm", "--force", name])

    def _reached(self, name, port):
        probes = [Probe("tcp", address, port) for address in (self.host.spec.v4, self.host.spec.v6)]
        wait_for(lambda: [result.server for result in self.lab.clients["allowed"].probe(probes)] == [name, name], "%s answers on %d" % (name, port))


@pytest.mark.parametrize("times", [5, pytest.param(100, marks=pytest.mark.drill)])
def test_no_rule_is_lost_and_every_container_is_reached(lab, outermost, tell, times):
    boot.protect(outermost)
    play(outermost, [task(2)])
    before = on_all(outermost, dockers)
    churns = [Churn(lab, host) for host in outermost]
    started = time.monotonic()
    for churn in churns:
        churn.start()
    try:
        runs = [play(outermost, [task(number) for number in range(first, min(first + AT_ONCE, times))]) for first in range(0, times, AT_ONCE)]
        # Some that came while rules were changed, whatever the machine is busy with.
        wait_for(lambda: all(churn.count >= 2 or churn.errors for churn in churns), "two containers on each host", 60)
    finally:
        for churn in churns:
            churn.ended.set()
        for churn in churns:
            churn.join()
    for churn in churns:
        name = churn.host.name
        tell("%s: %d containers came and went during %d applies, %.0f s; %d were not reached"
             % (name, churn.count, times, time.monotonic() - started, len(churn.errors)))
        assert churn.errors == []
        assert sum(result["changed"] for run in runs for result in run.of(name)) >= times - 1
        assert dockers(churn.host) == before[name]
    answers = lab.clients["allowed"].probe([Probe("tcp", host.spec.v4, 8080) for host in outermost])
    assert all(result.open for result in answers)
