# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""A host's worst seconds: booted, the engine restarted or killed, other firewalls reloaded, files damaged, disks full."""
import time

import pytest

from tests.integration.lab.support import boot, firewall, policies
from tests.integration.lab.support.flood import flood, now, places_of
from tests.integration.lab.support.playbook import play
from tests.lab.api import Probe

# Each leaves the engine running. What nftables flushes of Docker's comes back with the engine only.
SECONDS = {
    "the engine restarted": "systemctl restart docker",
    "the engine killed": "kill -9 $(pidof dockerd); sleep 0.5; systemctl restart docker",
    "a container restarted": "docker restart --time 1 web same",
    "nftables reloaded, restarted and stopped":
        "systemctl unmask nftables; systemctl restart nftables && sleep 0.5 && systemctl reload nftables && sleep 0.5 && systemctl stop nftables;"
        " systemctl mask nftables; systemctl restart docker",
    "our unit restarted": "systemctl restart drawbridge",
}


def survives(lab, host, happen, more=1.0):
    """Let something happen while the denied client tries as fast as it can → its connections, how often it tried, and when the allowed
    client got through again, in seconds from when it had happened."""
    with flood(lab.clients["denied"], places_of(host, *boot.DENIED_PORTS)) as denied:
        with flood(lab.clients["allowed"], places_of(host, 8080)) as allowed:
            time.sleep(0.3)
            happen()
            done = now()
            time.sleep(more)
    return denied.count, denied.tried, allowed.first_after(done)


SHORT = ("the engine restarted", "nftables reloaded, restarted and stopped")


@pytest.mark.parametrize("name", [name if name in SHORT else pytest.param(name, marks=pytest.mark.drill) for name in SECONDS])
def test_nothing_opens_while(lab, one, name):
    boot.protect([one])
    before = boot.owned(one)
    opened, tried, back = survives(lab, one, lambda: one.run(["sh", "-c", SECONDS[name]]), 3.0)
    assert opened == 0 and tried > 1000
    assert set(back) == set(places_of(one, 8080))
    assert boot.owned(one) == before
    assert boot.leftovers(one) == ""


def test_nothing_opens_through_a_reboot(lab, one):
    boot.protect([one])
    before = boot.rules(one)
    opened, tried, back = survives(lab, one, one.reboot, 5.0)
    assert opened == 0 and tried > 1000
    assert set(back) == set(places_of(one, 8080))
    # Addresses of containers may be others, so that sets may; rules are the same.
    assert boot.rules(one) == before
    assert one.run(["systemctl", "is-active", "drawbridge"]).stdout.strip() == "active"


def test_the_second_run_changes_nothing_and_check_mode_tells_the_first(one):
    tasks = [boot.BOOT, policies.task(boot.allowing())]
    assert play([one], tasks, check=True).changed() == {one.name: True}
    assert one.run(["ls", "/etc/drawbridge"], check=False).returncode != 0
    assert play([one], tasks).changed() == {one.name: True}
    assert play([one], tasks, check=True).changed() == {one.name: False}
    assert play([one], tasks).changed() == {one.name: False}


@pytest.mark.drill
@pytest.mark.parametrize("damage", [
    "echo >> /etc/drawbridge/current/ipv4", "rm /etc/drawbridge/current/sets", "rm /etc/drawbridge/current", "rm -r /etc/drawbridge/generations",
])
def test_every_run_puts_damaged_files_right(one, damage):
    boot.protect([one])
    one.run(["sh", "-c", damage])
    task = [policies.task(boot.allowing())]
    assert play([one], task, check=True).changed() == {one.name: True}
    assert play([one], task).changed() == {one.name: True}
    assert play([one], task).changed() == {one.name: False}
    assert one.run(["sh", "-c", "cd /etc/drawbridge/current && sha256sum --check --strict --status digest"], check=False).returncode == 0


@pytest.mark.parametrize("damage", [
    "truncate -s 100 ipv6",
    pytest.param("sed -i 's/-j DROP/-j NOSUCH/' ipv4", marks=pytest.mark.drill), pytest.param("echo add nosuch 1 >> sets", marks=pytest.mark.drill),
])
def test_what_cannot_be_loaded_is_closed_by_the_fallback(lab, one, damage):
    boot.protect([one])
    # The first two are whole by their sums, and still nothing that the kernel takes.
    sums = "" if "truncate" in damage else " && sha256sum $(ls | grep -v digest) > digest"
    one.run(["sh", "-c", "cd /etc/drawbridge/current && %s%s" % (damage, sums)])
    opened, tried, back = survives(lab, one, one.reboot, 3.0)
    assert opened == 0 and tried > 1000
    assert back == {}
    assert "failed" in one.run(["systemctl", "is-failed", "drawbridge"], check=False).stdout
    journal = one.run(["journalctl", "--boot", "--unit", "drawbridge", "--no-pager"]).stdout
    assert ("damaged" if "truncate" in damage else "cannot load") in journal and "closed" in journal
    assert one.ssh(["true"]).returncode == 0
    # Services of the host are not the fallback's business here, and the next run brings all back.
    assert lab.clients["denied"].probe([Probe("tcp", one.spec.v4, 9000)])[0].open
    boot.protect([one])
    assert lab.clients["allowed"].probe([Probe("tcp", one.spec.v4, 8080)])[0].open
    assert not lab.clients["denied"].probe([Probe("tcp", one.spec.v4, 8080)])[0].open
    one.run(["systemctl", "restart", "drawbridge"])


@pytest.mark.drill
def test_without_any_file_all_but_ssh_is_closed(lab, one):
    boot.protect([one])
    one.run(["sh", "-c", "rm -r /etc/drawbridge/generations"])
    one.run(["systemctl", "restart", "drawbridge"], check=False)
    results = lab.clients["denied"].probe([Probe("tcp", address, port) for address in (one.spec.v4, one.spec.v6) for port in (8080, 9000)])
    assert not any(result.open for result in results)
    assert one.ssh(["true"]).returncode == 0


FULL = "cp -a /etc/drawbridge /tmp/kept && mount -t tmpfs -o size=256k,mode=700 full /etc/drawbridge && cp -a /tmp/kept/. /etc/drawbridge/" \
       " && { dd if=/dev/zero of=/etc/drawbridge/fill bs=1k count=300 2>/dev/null; true; }"
READ_ONLY = "mount --bind /etc/drawbridge /etc/drawbridge && mount -o remount,bind,ro /etc/drawbridge"


@pytest.mark.parametrize("how, words", [(FULL, "No space left"), (READ_ONLY, "Read-only file system")])
def test_files_that_cannot_be_written_leave_the_old_policy_in_force(lab, one, how, words):
    boot.protect([one])
    before = boot.in_kernel(one)
    one.run(["sh", "-c", how])
    try:
        run = play([one], [policies.task(boot.allowing(8081))], fails=True)
        message = run.failed()[one.name]
        assert words in message and "/etc/drawbridge" in message, message
        assert boot.in_kernel(one) == before
        assert not lab.clients["allowed"].probe([Probe("tcp", one.spec.v4, 8081)])[0].open
    finally:
        one.run(["sh", "-c", "umount /etc/drawbridge; rm -rf /tmp/kept"])


@pytest.mark.drill
def test_a_folder_that_others_may_write_to_is_refused(one):
    boot.protect([one])
    one.run(["chmod", "777", "/etc/drawbridge"])
    assert "only root" in play([one], [policies.task(boot.allowing(8081))], fails=True).failed()[one.name]


@pytest.mark.drill
def test_all_modules_keep_the_files_in_step(one):
    boot.protect([one])
    tasks = [
        {"drawbridge.docker.address_set": {"name": "office", "entries": ["192.0.2.0/24"]}},
        {"drawbridge.docker.docker_user_chain": {"section": "web", "rules": [{"source": "@office", "jump": "RETURN"}]}},
        {"drawbridge.docker.nat_filter_chain": {"default": "allow"}},
        {"drawbridge.docker.masquerade": {"networks": {"backend": False}}},
    ]
    play([one], tasks)
    before = boot.in_kernel(one)
    one.run(["sh", "-c", "nft flush ruleset; for i in 1 2 3 4 5; do for s in $(ipset list -n); do ipset destroy $s; done; sleep 0.2; done 2>/dev/null;"
                         " systemctl restart drawbridge; systemctl restart docker"])
    assert sorted(boot.in_kernel(one).splitlines()) == sorted(before.splitlines())
    assert play([one], tasks).changed() == {one.name: False}


@pytest.mark.drill
def test_the_watcher_brings_back_what_was_flushed(lab, one):
    """As firewalld's own reload does it, which no unit sees."""
    boot.protect([one])
    before = boot.rules(one)
    flush = "for p in iptables ip6tables; do for t in mangle filter; do $p -t $t -F PREROUTING; $p -t $t -F INPUT; done 2>/dev/null;" \
            " for c in $($p -S | grep -o '^-N DB-.*' | cut -c4-); do $p -F $c; done; $p -F DOCKER-USER; done; true"
    one.run(["sh", "-c", flush])
    deadline = time.monotonic() + 60
    while boot.rules(one).replace("-A DOCKER-USER -j RETURN\n", "") != before.replace("-A DOCKER-USER -j RETURN\n", ""):
        assert time.monotonic() < deadline, boot.owned(one)
        time.sleep(0.2)
    while boot.leftovers(one):
        assert time.monotonic() < deadline, boot.leftovers(one)
        time.sleep(0.2)
    assert lab.clients["allowed"].probe([Probe("tcp", one.spec.v4, 8080)])[0].open


@pytest.mark.drill
def test_removed_it_leaves_the_rules_and_nothing_else(one):
    boot.protect([one])
    rules = firewall.dump(one)
    absent = {"drawbridge.docker.boot_restore": {"state": "absent"}}
    assert play([one], [absent]).changed() == {one.name: True}
    assert play([one], [absent]).changed() == {one.name: False}
    assert firewall.dump(one) == rules
    assert "drawbridge" not in one.run(["nft", "list", "tables"]).stdout
    places = "/etc/drawbridge /etc/xtables/connlabel.conf /etc/systemd/system/*drawbridge* /etc/systemd/system/*/*drawbridge*"
    found = one.run(["sh", "-c", "ls -d " + places], check=False)
    assert found.stdout == ""
