# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Policies that change while others insert and delete lines of their own, as fail2ban and the engine do: no line is lost on either side."""
import re
import subprocess
import threading

import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.errors import DrawbridgeError

from tests.integration.kernel.support.host import PROGRAMS
from tests.integration.kernel.support.policies import policy

NAMES = ("deny", "services", "other set", "allow")
PLACES = [("filter", "DOCKER-USER"), ("filter", "INPUT"), ("mangle", "PREROUTING")]


class Others(threading.Thread):
    """Inserts a line, deletes the one before it, and so on, keeping every fifth, until it is told to end."""

    def __init__(self, variant, family, table, chain):
        super().__init__()
        self.base = ["%s-%s" % (PROGRAMS[family], variant), "--wait", "30", "-t", table]
        self.chain, self.kept, self.errors, self.ended = chain, [], [], threading.Event()
        self.network = "198.18.%d.%d" if family == 4 else "2001:db8:2:1%x::%x"
        self.number = 0

    def run(self):
        while not self.ended.is_set():
            self.number += 1
            line = ["-s", self._address(), "-j", "DROP"]
            self._do("-I", line)
            if self.number % 5:
                self._do("-D", line)
            else:
                self.kept.append(line[1])

    def _address(self):
        high, low = divmod(self.number, 250)
        return self.network % (high, low + 1)

    def _do(self, verb, line):
        done = subprocess.run([*self.base, verb, self.chain, *line], capture_output=True, text=True, check=False)
        if done.returncode:
            self.errors.append("%s %s: %s" % (verb, line[1], done.stderr))


def _changes(host, count):
    """Change the policy so often while others are at work → what those did."""
    host.converge(policy(NAMES[0]))
    others = [Others(host.variant, family, *place) for family in (4, 6) for place in PLACES]
    for other in others:
        other.start()
    try:
        for number in range(1, count + 1):
            host.converge(policy(NAMES[number % len(NAMES)]))
    finally:
        for other in others:
            other.ended.set()
        for other in others:
            other.join()
    return others


def _ours(host):
    """Chains and jumps of ours, whatever generation their sets are."""
    text = host.save(4) + host.save(6)
    return sorted(re.sub(r"-([46])[ab] ", r"-\1 ", line) for line in text.splitlines() if "DB-" in line)


@pytest.mark.parametrize("count", [8, pytest.param(100, marks=pytest.mark.drill)])
def test_lines_of_others_and_ours_are_all_there(host, count):
    host.docker()
    others = _changes(host, count)
    for other, (family, (table, chain)) in zip(others, [(family, place) for family in (4, 6) for place in PLACES]):
        assert other.errors == []
        assert other.number > count / 2
        found = [line.split()[1].split("/")[0] for line in host.rules(chain, table, family) if "198.18." in line or "2001:db8:2:" in line]
        assert found == list(reversed(other.kept))
    print("%s: %d changes while others made %d" % (host.variant, count, sum(other.number for other in others)))
    held = _ours(host)
    for name in ("services", NAMES[count % len(NAMES)]):
        host.converge(policy(name))
    assert _ours(host) == held


def test_two_that_change_the_same_policy(host):
    """Each in turn, never a mixture: what is there at the end is what one of both wants."""
    errors = []

    def work(name):
        try:
            for _number in range(4):
                host.converge(policy(name))
        except DrawbridgeError as error:
            errors.append(error)

    wanted = []
    for name in ("services", "other set"):
        host.converge(policy(name))
        wanted.append(_ours(host))
    threads = [threading.Thread(target=work, args=(name,)) for name in ("services", "other set")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert _ours(host) in wanted and wanted[0] != wanted[1]
