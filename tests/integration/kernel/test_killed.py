# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""kill -9 at any moment of a change, with packets coming in all the time that neither policy passes: none passes, each table is at one of
the change's own steps, and the next run completes it, with its files."""
import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import time

import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.system import paths
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.system.lock import HostLock

from tests.integration.kernel.support import wire
from tests.integration.kernel.support.namespace import entered
from tests.integration.kernel.support.program import Program
from tests.integration.kernel.support.steps import steps
from tests.integration.kernel.test_never_wider import PUBLISHED, SECOND, STATES

pytestmark = pytest.mark.attack
OLD, NEW = STATES["one port each"], STATES["swapped"]
# (client, port): what neither lets pass, and what one of them does: packets come.
NEITHER = [("denied", PUBLISHED), ("allowed", SECOND)]
ONE = [("allowed", PUBLISHED)]
# SEND: say what this is to each place, over and over, until the input ends; then print how often.
_SEND = """
import json, select, socket, sys, time
places = [(socket.AF_INET6 if ":" in source else socket.AF_INET, source, address, port, text.encode())
          for source, address, port, text in json.loads(sys.argv[1])]
sockets = []
for family, source, address, port, text in places:
    sender = socket.socket(family, socket.SOCK_DGRAM)
    sender.bind((source, 0))
    sockets.append((sender, (address, port), text))
count = 0
print("ready", flush=True)
while not select.select([sys.stdin], [], [], 0.002)[0]:
    for sender, place, text in sockets:
        try:
            sender.sendto(text, place)
        except OSError:
            pass
    count += 1
print(count * len(sockets), flush=True)
"""


class Rain:
    """Packets that come all the time, and what of them arrives."""

    def __init__(self, client):
        places = [(wire.SOURCES[who][family], wire.HOST[family], port, "%s %d" % (who, port))
                  for who, port in NEITHER + ONE for family in (4, 6)]
        self.listeners = [self._listener(family, port) for family in (socket.AF_INET, socket.AF_INET6) for port in (PUBLISHED, SECOND)]
        self.arrived = dict.fromkeys(("%s %d" % pair for pair in NEITHER + ONE), 0)
        with entered(client.path):
            self.process = subprocess.Popen([sys.executable, "-c", _SEND, json.dumps(places)], stdin=subprocess.PIPE,
                                            stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == "ready\n"

    @staticmethod
    def _listener(family, port):
        listener = socket.socket(family, socket.SOCK_DGRAM)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind(("", port))
        listener.setblocking(False)
        return listener

    def look(self):
        """Count what has arrived since."""
        for listener in self.listeners:
            while True:
                try:
                    self.arrived[listener.recv(100).decode()] += 1
                except BlockingIOError:
                    break

    def end(self):
        """How many were sent."""
        sent = int(self.process.communicate("\n", timeout=10)[0])
        self.look()
        return sent


@pytest.fixture(name="rain")
def packets(host):
    with wire.wired() as client:
        found = Rain(client)
        yield found
        found.process.kill()
        found.process.wait()
        for listener in found.listeners:
            listener.close()


@pytest.fixture(name="program")
def boot_files(host, tmp_path, monkeypatch):
    """A host that keeps its boot files."""
    monkeypatch.setattr(paths, "ETC", str(tmp_path / "saved"))
    return Program(tmp_path, host)


def tables(host):
    """Ours in each table of each family, whatever generation sets are."""
    found = {}
    for family in (4, 6):
        for block in host.save(family).split("\n*"):
            lines = [re.sub(r"(DBP-\S+-[46])[ab]\b", r"\1", line) for line in block.splitlines() if "DB-" in line or "DBX-" in line]
            found[family, block.lstrip("*").split("\n")[0]] = "\n".join(lines)
    return {key: text for key, text in found.items() if text}


def moments(host, old, new):
    """What each table may hold in the course of a change."""
    host.converge(old)
    seen = [tables(host)]
    for _step in steps(*host.planned(new)):
        seen.append(tables(host))
    host.converge(new)
    seen.append(tables(host))
    return {key: {moment.get(key, "") for moment in seen} for moment in seen for key in moment}


def start(host, wanted):
    """The change, in a process and a session of its own."""
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        os.setsid()
        host.converge(wanted)
        status = 0
    finally:
        os._exit(status)


def kill(child, after, everything):
    """kill -9 the process, or it and what it started → whether it was still running; then wait until nothing of it runs."""
    time.sleep(after)
    running = os.waitpid(child, os.WNOHANG) == (0, 0)
    if running:
        try:
            (os.killpg if everything else os.kill)(child, signal.SIGKILL)
        except ProcessLookupError:  # not its own session yet
            os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    deadline = time.monotonic() + 10
    while True:
        try:
            os.killpg(child, 0)
        except ProcessLookupError:
            return running
        assert time.monotonic() < deadline
        time.sleep(0.002)


def is_clean(host, program, tmp_path):
    assert "DBX-" not in host.save(4) + host.save(6)
    names = host.sh("ipset", "list", "-n").split()
    assert not [name for name in names if name.startswith("DBT-")]
    assert len({name[:-1] for name in names}) == len(names), "two generations of a set"
    files = sorted(os.listdir(tmp_path / "saved"))
    assert "dirty" not in files and "next" not in files and not [name for name in files if name.endswith(".new")], files
    assert len(os.listdir(tmp_path / "saved" / "generations")) <= 2
    with HostLock(0, str(tmp_path / "drawbridge.lock")):
        pass
    # What would be booted is what is in force.
    before = tables(host)
    program.run("restore")
    assert tables(host) == before


@pytest.mark.parametrize("times", [12, pytest.param(250, marks=pytest.mark.drill)])
def test_killed_at_any_moment(host, rain, program, tmp_path, capsys, times):
    legal = {key: texts | moments(host, NEW, OLD).get(key, set()) for key, texts in moments(host, OLD, NEW).items()}
    host.converge(OLD)
    whole = {}
    for name, policy in (("new", NEW), ("old", OLD)):
        begun = time.monotonic()
        assert os.waitpid(start(host, policy), 0)[1] == 0
        took = time.monotonic() - begun
        whole[name] = tables(host)
    # From here on one of both is in force at least.
    rain.look()
    rain.arrived = dict.fromkeys(rain.arrived, 0)
    chance, number, killed, halves = random.Random(times), 0, 0, 0
    while killed < times:
        assert number < 4 * times
        name, policy = (("new", NEW), ("old", OLD))[number % 2]
        number += 1
        in_time = kill(start(host, policy), chance.uniform(0, took), number % 4 > 1)
        # As long as a change takes now: the machine may be busier, or less so, than a moment ago.
        took *= 1.05 if in_time else 0.9
        killed += in_time
        found = tables(host)
        for key in legal:
            assert found.get(key, "") in legal[key], (number, key)
        halves += found not in whole.values()
        outcome = host.converge(policy)
        assert tables(host) == whole[name], number
        assert not host.converge(policy).is_change, (number, outcome)
        is_clean(host, program, tmp_path)
        rain.look()
    sent = rain.end()
    with capsys.disabled():
        print("    %s: %d changes, %d killed within %.0f ms, %d of them between two steps; %d packets sent, that neither policy passes arrived: %d"
              % (host.variant, number, killed, took * 1000, halves, sent, sum(rain.arrived["%s %d" % pair] for pair in NEITHER)))
    assert [rain.arrived["%s %d" % pair] for pair in NEITHER] == [0] * len(NEITHER)
    assert rain.arrived["%s %d" % ONE[0]] > 100
