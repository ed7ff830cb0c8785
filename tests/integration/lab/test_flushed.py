# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Somebody flushes the rules by hand, in every way, while a denied client tries as fast as it can: not one connection."""
import time

import pytest

from tests.integration.lab.support import boot, flushes
from tests.integration.lab.support.flood import flood, now, places_of

SHORT = ("nft flush ruleset", "iptables -F", "iptables -t mangle -F", "ipset flush")
# A service of the host that the policy denies is tried as well.
DENIED = (*boot.DENIED_PORTS, 9000)
POLICY = boot.allowing(host_services={"default": "deny", "allow": [{"port": 22, "sources": ["any"]}]})


def under_fire(lab, host, happen, times):
    """Let it happen again and again → connections of the denied client, its tries, and for each time the seconds until all rules were back."""
    wanted = flushes.rules(host)
    spans = []
    with flood(lab.clients["denied"], places_of(host, *DENIED)) as denied:
        time.sleep(0.3)
        for _number in range(times):
            started = now()
            host.run(["sh", "-c", happen])
            flushes.until(lambda: flushes.rules(host) == wanted)
            spans.append(now() - started)
        time.sleep(0.3)
    return denied, spans


@pytest.mark.parametrize("kind", [kind if kind in SHORT else pytest.param(kind, marks=pytest.mark.drill) for kind in flushes.KINDS])
def test_nothing_opens_when_somebody_flushes(lab, hosts, request, tell, kind):
    times = 20 if request.config.getoption("-m") == "drill" else 2
    for host in hosts:
        if not flushes.has(host, kind):
            tell("%s: left out, %s is not there" % (host.name, flushes.KINDS[kind].needs))
            continue
        boot.protect([host], POLICY)
        flushes.until(lambda: flushes.asked(host))
        denied, spans = under_fire(lab, host, flushes.KINDS[kind].command, times)
        tell("%s, %s: %d connections of %d tries, rules back after %.2f s at most, open for %.3f s"
             % (host.name, kind, denied.count, denied.tried, max(spans), flushes.longest(denied)))
        assert denied.count == 0 and denied.tried > 1000
