# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Two plays on one host at once, with different policies: what is there in the end is one of both, whole."""
import re
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.integration.lab.support import boot, policies
from tests.integration.lab.support.background import on_host
from tests.integration.lab.support.playbook import play, playbook

HARDEN = "drawbridge.docker.harden"
SERVICES = {"host_services": {"default": "deny", "allow": [{"port": 22, "sources": ["any"]}]}}
# Each has chains, rules and sets that the other has not.
ONE = boot.allowing(8080, address_sets={"friends": policies.ALLOWED}, egress={"default": "allow", "deny": [{"destination": "198.51.100.0/24"}]})
OTHER = boot.allowing(8081, **SERVICES)
FAST = {"drawbridge_prerequisites": False}


def harden(host, policy):
    return playbook([host], HARDEN, host_vars={host.name: {"host_policy__all": policy}}, extra=FAST)


def whole(host):
    """What is Drawbridge's in the kernel, whichever of its two names a set has now."""
    return re.sub(r"\b(DBP-\S+-[46])[ab]\b", r"\1", boot.in_kernel(host))


def sorted_lines(text):
    """Which table or set was made first is no part of a policy."""
    return sorted(line for line in text.splitlines() if not line.startswith("*"))


@pytest.mark.parametrize("times", [3, pytest.param(50, marks=pytest.mark.drill)])
def test_two_plays_on_one_host(one, tell, times):
    alone = {}
    for name, policy in (("one", ONE), ("other", OTHER)):
        harden(one, policy)
        alone[name] = sorted_lines(whole(one))
    assert alone["one"] != alone["other"]
    outcomes, started = [], time.monotonic()
    with ThreadPoolExecutor() as pool:
        for number in range(times):
            both = [ONE, OTHER] if number % 2 else [OTHER, ONE]
            list(pool.map(lambda policy: harden(one, policy), both))
            found = [name for name, text in alone.items() if text == sorted_lines(whole(one))]
            assert len(found) == 1, whole(one)
            outcomes += found
            assert boot.leftovers(one) == ""
    tell("%d times two plays at once on %s, %.0f s: %d times the one policy, %d times the other, whole each time"
         % (times, one.name, time.monotonic() - started, outcomes.count("one"), outcomes.count("other")))


def test_who_holds_the_lock_for_too_long_is_named(one):
    with on_host(one, ["flock", "/run/drawbridge.lock", "sh", "-c", "echo held; cat"]) as holder:
        assert holder.stdout.readline() == "held\n"
        words = play([one], [policies.task(boot.allowing(), lock_timeout=1)], fails=True).failed()[one.name]
        assert re.search(r"another run holds /run/drawbridge.lock since more than 1 s: process \d+ \(flock\)", words), words
        assert "DB" not in boot.in_kernel(one)
    assert play([one], [policies.task(boot.allowing(), lock_timeout=25)]).changed() == {one.name: True}
