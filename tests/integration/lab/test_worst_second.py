# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Drills that print their figures: how many connections a denied client gets through a host's worst seconds."""
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from tests.integration.lab.support import boot, policies
from tests.integration.lab.support.flood import flood, now, places_of
from tests.integration.lab.support.playbook import play
from tests.integration.lab.support.ways import on_all
from tests.lab.api import Probe

AFTER_BOOT = 60
APPLIES = 50


def flooded(lab, hosts, happen, pause):
    """By host: the flood of the denied client, and when the allowed one got through after what happened."""
    with ExitStack() as stack:
        denied = {host.name: stack.enter_context(flood(lab.clients["denied"], places_of(host, *boot.DENIED_PORTS))) for host in hosts}
        allowed = {host.name: stack.enter_context(flood(lab.clients["allowed"], places_of(host, 8080))) for host in hosts}
        time.sleep(1)
        begun = now()
        happen()
        time.sleep(pause)
    return {host.name: (denied[host.name], allowed[host.name], begun) for host in hosts}


@pytest.mark.drill
def test_reboot_of_every_host(lab, manageable, tell):
    boot.protect(manageable)
    seen = {}

    def reboot(host):
        host.reboot()
        seen[host.name] = now()

    def all_at_once():
        with ThreadPoolExecutor() as pool:
            list(pool.map(reboot, manageable))

    for name, (denied, allowed, begun) in flooded(lab, manageable, all_at_once, AFTER_BOOT).items():
        back = allowed.first_after(begun + 2)
        tell("%s: %d connections of %d tries of the denied client while it booted; the allowed client got through %.1f s after the reboot"
             " began, the host was ready at %.1f s" % (name, denied.count, denied.tried, max(back.values()), seen[name] - begun))
        assert denied.count == 0 and denied.tried > 10000
        assert len(back) == 2


@pytest.mark.drill
def test_a_reboot_without_boot_files_is_open(lab, manageable, tell):
    """What the other drill would show if it could not see anything."""
    host = manageable[0]
    play([host], [policies.task(boot.allowing())])
    (denied, _allowed, _begun), = flooded(lab, [host], host.reboot, 5).values()
    tell("%s without boot_restore: %d connections of %d tries" % (host.name, denied.count, denied.tried))
    assert denied.count > 100


@pytest.mark.drill
def test_changing_policies_in_a_row(lab, manageable, tell):
    boot.protect(manageable)
    several = ["192.0.2.200", "2001:db8:1::200"]
    sources = [policies.ALLOWED + several, several, [], policies.ALLOWED[:1], policies.ALLOWED]
    tasks = [policies.task({"published_ports": {"allow": [{"port": 8080, "sources": sources[number % len(sources)]}]}}, confirm_timeout=60 * (number % 2))
             for number in range(APPLIES)]
    started = time.monotonic()
    outcome = {}
    floods = flooded(lab, manageable, lambda: outcome.update(run=play(manageable, tasks)), 1)
    for name, (denied, _allowed, _begun) in floods.items():
        tell("%s: %d connections of %d tries of the denied client during %d applies, %.0f s"
             % (name, denied.count, denied.tried, APPLIES, time.monotonic() - started))
        assert denied.count == 0 and denied.tried > 10000
        assert all(result["changed"] for result in outcome["run"].of(name))


@pytest.mark.drill
def test_firewalls_that_take_the_rules(lab, manageable, tell):
    """By hand and by nftables.service, over and over."""
    boot.protect(manageable)
    on_all(manageable, lambda host: host.run(["systemctl", "unmask", "nftables"]))
    before = on_all(manageable, lambda host: sorted(boot.owned(host).splitlines()))

    def reload_them(host):
        reloads = "for i in 1 2 3 4 5 6 7 8 9 10; do systemctl reload nftables; sleep 0.2; done"
        host.run(["sh", "-c", "systemctl start nftables; %s; systemctl stop nftables" % reloads])

    floods = flooded(lab, manageable, lambda: on_all(manageable, reload_them), 1)
    for name, (denied, _allowed, _begun) in floods.items():
        tell("%s: %d connections of %d tries of the denied client during 12 flushes of nftables" % (name, denied.count, denied.tried))
        assert denied.count == 0
    on_all(manageable, lambda host: host.run(["sh", "-c", "systemctl mask nftables; systemctl restart docker"]))
    # iptables lists tables in the order in which they were made.
    assert on_all(manageable, lambda host: sorted(boot.owned(host).splitlines())) == before
    assert all(result.open for host in manageable for result in lab.clients["allowed"].probe([Probe("tcp", host.spec.v4, 8080)]))


@pytest.mark.drill
def test_reboot_with_iptables_legacy(lab, hosts, tell):
    host = next(host for host in hosts if host.name == "bookworm")
    for program in ("iptables", "ip6tables"):
        host.run(["update-alternatives", "--set", program, "/usr/sbin/%s-legacy" % program])
    host.run(["sh", "-c", "systemctl stop docker; nft flush ruleset; systemctl start docker"])
    assert boot.protect([host]).last(host.name)["transport"] == "legacy"
    # Which table was made first is another matter.
    before = sorted(boot.rules(host).replace("*nat\n", "").splitlines())
    (denied, allowed, begun), = flooded(lab, [host], host.reboot, 5).values()
    tell("%s with iptables-legacy: %d connections of %d tries of the denied client while it booted" % (host.name, denied.count, denied.tried))
    assert denied.count == 0 and denied.tried > 1000
    assert len(allowed.first_after(begun + 2)) == 2
    assert sorted(boot.rules(host).replace("*nat\n", "").splitlines()) == before
    assert "DB-" in host.run(["iptables-legacy-save"]).stdout and "DB-" not in host.run(["iptables-nft-save"]).stdout
