# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Somebody flushes the rules by hand, in every way, while a denied client tries as fast as it can: not one connection."""
import time

import pytest

from tests.integration.lab.support import boot, flushes
from tests.integration.lab.support.flood import flood, now, places_of
from tests.lab.api import Probe

SHORT = ("nft flush ruleset", "iptables -F", "ipset flush")
# A service of the host that the policy denies is tried as well.
DENIED = (*boot.DENIED_PORTS, 9000)
POLICY = boot.allowing(host_services={"default": "deny", "allow": [{"port": 22, "sources": ["any"]}]})


def able(host):
    """Whether the host has tables with an owner."""
    return host.run(["test", "-e", "/etc/drawbridge/sentry"], check=False).returncode == 0


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


@pytest.mark.parametrize("kind, times", [(kind, 2) for kind in SHORT] + [pytest.param(kind, 20, marks=pytest.mark.drill) for kind in flushes.KINDS])
def test_nothing_opens_when_somebody_flushes(lab, manageable, tell, kind, times):
    for host in manageable:
        if not flushes.has(host, kind):
            tell("%s: left out, %s is not there" % (host.name, flushes.KINDS[kind].needs))
            continue
        boot.protect([host], POLICY)
        flushes.until(lambda: flushes.asked(host) or not able(host))
        denied, spans = under_fire(lab, host, flushes.KINDS[kind].command, times)
        tell("%s, %s: %d connections of %d tries, rules back after %.2f s at most, open for %.3f s"
             % (host.name, kind, denied.count, denied.tried, max(spans), flushes.longest(denied)))
        assert denied.tried > 1000 and (denied.count == 0 or not able(host))


RESIDENT = {
    "the program": "kill -9 $(systemctl show --property=MainPID --value drawbridge-watch)",
    "the holder": "kill -9 $(cat /run/drawbridge/sentry.pid)",
}


@pytest.mark.parametrize("who, times", [(who, 2) for who in RESIDENT] + [pytest.param(who, 20, marks=pytest.mark.drill) for who in RESIDENT])
def test_nothing_opens_when_the_resident_process_is_killed_in_between(lab, one, tell, who, times):
    """It is there again before the next flush; a flush in the very moment is told, not promised."""
    boot.protect([one], POLICY)
    flushes.until(lambda: flushes.asked(one))
    started = "systemctl show --property=MainPID drawbridge-watch; cat /run/drawbridge/sentry.pid"
    with flood(lab.clients["denied"], places_of(one, *DENIED)) as denied:
        for _number in range(times):
            before = one.run(["sh", "-c", started], check=False).stdout
            one.run(["sh", "-c", RESIDENT[who]])
            flushes.until(lambda: one.run(["sh", "-c", started], check=False).stdout != before and flushes.held(one))
            one.run(["nft", "flush", "ruleset"])
            flushes.until(lambda: "DB-GUARD" in one.run(["ip6tables-save", "-t", "mangle"]).stdout)
    tell("%s killed: %d connections of %d tries" % (who, denied.count, denied.tried))
    assert denied.count == 0 and denied.tried > 1000
    with flood(lab.clients["denied"], places_of(one, *DENIED)) as denied:
        flushes.until(lambda: flushes.held(one))
        one.run(["sh", "-c", RESIDENT[who] + "; nft flush ruleset"])
        flushes.until(lambda: flushes.held(one) and "DB-GUARD" in one.run(["ip6tables-save", "-t", "mangle"]).stdout)
    tell("%s killed and flushed at once: %d connections of %d tries, open for %.3f s" % (who, denied.count, denied.tried, flushes.longest(denied)))


ENGINES = {
    "nft flush ruleset": "nft flush ruleset",
    "iptables -F and -t nat -F": "for p in iptables ip6tables; do $p -w 5 -F; $p -w 5 -t nat -F; done",
}


@pytest.mark.parametrize("kind", ENGINES)
def test_the_engines_own_rules_come_back_with_its_containers_untouched(lab, one, kind):
    boot.protect([one], POLICY)
    flushes.until(lambda: one.run(["test", "-s", "/run/drawbridge/engine/ipv4"], check=False).returncode == 0)
    before, containers = flushes.of_engine(one), one.run(["docker", "ps", "--no-trunc", "--format", "{{.ID}} {{.Status}}"]).stdout.count("Up")
    one.run(["sh", "-c", ENGINES[kind]])
    flushes.until(lambda: flushes.of_engine(one) == before)
    assert one.run(["docker", "ps", "--format", "{{.Status}}"]).stdout.count("Up") == containers
    assert all(result.open for result in lab.clients["allowed"].probe([Probe("tcp", one.spec.v4, 8080)]))


def test_no_rule_leads_to_where_a_container_was(lab, one):
    """Containers came and went while nobody looked: nothing is put back, and the journal says what to do."""
    boot.protect([one], POLICY)
    flushes.until(lambda: one.run(["test", "-s", "/run/drawbridge/engine/ipv4"], check=False).returncode == 0)
    # The watch looks under the lock: not between the two.
    one.run(["flock", "/run/drawbridge.lock", "sh", "-c", "echo another >>/run/drawbridge/engine/state; nft flush ruleset"])
    flushes.until(lambda: "systemctl restart docker" in one.run(["journalctl", "--unit", "drawbridge-watch", "--since=-1min"]).stdout)
    assert "-j DNAT" not in one.run(["iptables-save", "-t", "nat"]).stdout
    one.run(["systemctl", "restart", "docker"])
    flushes.until(lambda: "-j DNAT" in one.run(["iptables-save", "-t", "nat"]).stdout)
