# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""The program that loads saved rules: from any state to the saved one, and nothing of others touched."""
import itertools
import os
import shutil
import time

import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.system.paths import FOLLOW
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.kernel.iptables import path_variant
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.kernel.netfilter import Live, Netfilter
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.rules.desired import (
    AddressSet,
    Chain,
    DesiredState,
    Hook,
    Line,
    SetType,
)
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.persistence.generations import BootFiles, whole
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.blocks.owners import PortForwardingOwner

from tests.integration.kernel.support.host import Host
from tests.integration.kernel.support.listing import ENTRIES, listing
from tests.integration.kernel.support.namespace import entered
from tests.integration.kernel.support.program import BUSYBOX, DEBIAN, REDHAT, Program, in_each_shell

OWNED = [("mangle", "DB-GUARD"), ("filter", "DB-INPUT"), ("nat", "DOCKER-FILTER")]


@pytest.fixture(name="program")
def boot_program(host, tmp_path, request):
    return Program(tmp_path, host, getattr(request, "param", DEBIAN))


def ours(host):
    """Everything of Drawbridge's, and what a saved state makes beside it."""
    netfilter = Netfilter(host.system, host.variant)
    live = whole(netfilter, Live(netfilter.rulesets(), {}))
    found = BootFiles(host.system).texts(netfilter, live).files
    return {name: text for name, text in found.items() if not name.startswith("fallback")}


def policy(number):
    """One of several states: other chains, other rules, sets of other content."""
    entries = {4: frozenset("192.0.2.%d" % last for last in range(number * 3)), 6: frozenset(["2001:db8::%d" % number])}
    lines = [Line("-m set --match-set @friends src -j RETURN"), Line('-m comment --comment "it\\\'s -j DB-INPUT %d" -j DROP' % number)]
    chains = [Chain("mangle", "DB-GUARD", lines)]
    hooks = [Hook("mangle", "PREROUTING", "DB-GUARD")]
    if number % 2:
        chains.append(Chain("filter", "DB-INPUT", [Line("-p tcp -m tcp --dport %d -j DROP" % number)]))
        hooks.append(Hook("filter", "INPUT", "DB-INPUT"))
    if number == 2:
        chains.append(Chain("nat", "DOCKER-FILTER", [Line("-s 192.0.2.0/24 -j ACCEPT", (4,)), Line("-j RETURN")]))
        hooks.append(Hook("nat", "PREROUTING", "DOCKER-FILTER", ahead_of=("DOCKER",)))
    return DesiredState(chains, hooks, OWNED, "P", [], {"friends": AddressSet("friends", SetType("hash:net"), entries)})


def bring(host, number):
    """Bring a host to one of the states, or to none."""
    host.converge(policy(number) if number is not None else DesiredState([], [], OWNED, "P"))
    host.section(["-s 192.0.2.%d -j DROP" % number] if number else [], "web", present=bool(number))


@pytest.mark.parametrize("program", [DEBIAN, REDHAT, BUSYBOX], ids="-".join, indirect=True)
def test_out_of_nothing_all_comes_back(host, program):
    host.docker()
    bring(host, 2)
    host.address_set("office", ["192.0.2.0/24", "2001:db8::/32"])
    host.sh("ipset", "create", "theirs", "hash:ip")
    host.sh("ipset", "add", "theirs", "198.51.100.7")
    host.iptables("-N theirs")
    host.section(["-m set --match-set theirs src -j DROP", "-s 192.0.2.9 -j theirs", "-m set --match-set @office src -j RETURN"], "two")
    program.save()
    before = ours(host)
    with entered():
        program.run()
        assert ours(host) == before
        # Nobody but us.
        assert "DOCKER-ISOLATION" not in host.save()
        assert host.entries("theirs") == {"198.51.100.7"}
        assert host.targets("FORWARD") == ["DOCKER-USER"]
        # The engine comes later and makes its own.
        assert host.rules("DOCKER") is None


def test_from_any_state_to_any_other(host, program):
    host.docker()
    for before, after in itertools.permutations([None, 1, 2, 3], 2):
        bring(host, after)
        program.save()
        wanted = ours(host)
        bring(host, before)
        assert ours(host) != wanted
        others = others_of(host)
        program.run()
        assert ours(host) == wanted, (before, after)
        assert others_of(host) == others


@in_each_shell
def test_a_set_that_somebody_lists_is_filled_when_he_ends(host, program):
    host.address_set("many", ENTRIES)
    bring(host, 1)
    host.section([{"source": "@many", "jump": "DROP"}], "many")
    program.save()
    host.sh("ipset", "del", "DB-many-4", ENTRIES[0])
    with listing("DB-many-4") as lister:
        # Once refused, he ends.
        (program.tools / "ipset").write_text('#!/bin/sh\n%s "$@" || { kill %d; exit 1; }\n' % (shutil.which("ipset"), lister.pid))
        (program.tools / "ipset").chmod(0o755)
        program.run("again")
        assert lister.wait(10)
    assert host.entries("DB-many-4") == set(ENTRIES)
    assert "DBT-" not in host.sh("ipset", "save")


def others_of(host):
    """The lines of others, in order."""
    text = host.save(4) + host.save(6)
    return [line for line in text.splitlines() if "DB-" not in line and "DOCKER-FILTER" not in line]


def test_a_second_load_touches_nothing(host, program):
    host.docker()
    bring(host, 3)
    program.save()
    host.iptables("-A OUTPUT -p udp -m udp --dport 9 -j ACCEPT")
    before = host.save(4, counters=True), host.save(6, counters=True)
    program.run("restore")
    assert (host.save(4, counters=True), host.save(6, counters=True)) == before


@in_each_shell
def test_a_stale_dump_does_not_win(host, program):
    """As netfilter-persistent loads one: old rules of ours, jumps twice, sets of another content and type, a chain that is gone."""
    host.docker()
    bring(host, 1)
    program.save()
    before = ours(host)
    with entered():
        host.docker()
        host.sh("ipset", "create", "DBP-friends-4a", "hash:ip")
        host.sh("ipset", "create", "DBP-friends-6a", "hash:net", "family", "inet6", "maxelem", "131072")
        host.sh("ipset", "add", "DBP-friends-6a", "2001:db8::66")
        host.sh("ipset", "create", "DBT-0badcafe", "hash:net")
        host.restore("*mangle\n:DB-GUARD - [0:0]\n:DB-GONE - [0:0]\n-A PREROUTING -j ACCEPT\n-A PREROUTING -j DB-GUARD\n"
                     "-A PREROUTING -j DB-GUARD\n-A PREROUTING -j DB-GONE\n-A DB-GUARD -j ACCEPT\nCOMMIT\n")
        host.restore("*raw\n:DB-OLD - [0:0]\n-A PREROUTING -j DB-OLD\nCOMMIT\n")
        program.run()
        assert ours(host) == before
        assert host.targets("PREROUTING", "mangle") == ["DB-GUARD", "ACCEPT"]
        assert host.rules("DB-GONE", "mangle") is None and host.rules("DB-OLD", "raw") is None
        assert host.entries("DBT-0badcafe") is None
        assert host.entries("DBP-friends-6a") == {"2001:db8::1"}


@in_each_shell
@pytest.mark.parametrize("damage", ["ipv4", "sets", "digest", "current"])
def test_damage_closes_and_says_so(host, program, damage):
    host.docker()
    bring(host, 1)
    program.save()
    place = program.folder / "saved" / "current"
    if damage == "current":
        place.unlink()
    else:
        (place / damage).write_text("damaged", encoding="utf-8")
    words = program.run(fails=True)
    assert "damaged" in words and ("closed" in words or "refused" in words)
    if damage == "current":
        # Nothing says any more which variant it was.
        host = Host(path_variant(host.system))
    else:
        assert host.rules("DB-USER-web") is None
    assert "-m conntrack --ctstate DNAT -j DROP" in host.rules("DB-USER-policy")
    assert host.rules("DB-GUARD", "mangle") is not None
    # Of what the sums do not vouch for, nothing is loaded.
    ssh = "DB-GUARD" if damage in ("digest", "current") else "DB-GUARD-LOCAL"
    for family in (4, 6):
        assert any("--dports 22 -j RETURN" in rule for rule in host.rules(ssh, "mangle", family))


def test_what_another_took_is_noticed(host, program):
    bring(host, 3)
    program.save()
    assert program.run("settle") == ""
    host.iptables("-t mangle -D PREROUTING -j DB-GUARD", 6)
    before = ours(host)
    program.run("settle")
    assert ours(host) != before
    assert host.targets("PREROUTING", "mangle", 6) == ["DB-GUARD"]


@in_each_shell
def test_previous_goes_back_and_forth(host, program):
    bring(host, 1)
    program.save()
    one = ours(host)
    bring(host, 2)
    program.save()
    two = ours(host)
    for expected in (one, two, one):
        program.run("previous")
        assert ours(host) == expected
    assert len(list((program.folder / "saved" / "generations").iterdir())) == 2


def test_what_only_follows_the_engine_is_nothing_to_go_back_from(host, program):
    bring(host, 1)
    program.save()
    one = ours(host)
    bring(host, 2)
    program.save()
    bring(host, 3)
    program.save(FOLLOW)
    three = ours(host)
    for expected in (one, three):
        program.run("previous")
        assert ours(host) == expected
    assert len(list((program.folder / "saved" / "generations").iterdir())) == 2


def opened(host):
    """A port opened for a container, beside one of the states."""
    names = PortForwardingOwner("tcp-8080")
    led = Line("-p tcp -m tcp --dport 8080 -m addrtype --dst-type LOCAL -j DNAT --to-destination 172.17.0.2:80", (4,))
    let = Line("-d 172.17.0.2/32 -j ACCEPT", (4,))
    chains = [Chain("nat", names.publish, [led], (4,)), Chain("nat", names.hairpin, [], (4,)), Chain("filter", names.publish, [let], (4,))]
    hooks = [
        Hook("nat", "PREROUTING", names.publish, ahead_of=("DOCKER",), families=(4,)),
        Hook("nat", "POSTROUTING", names.hairpin, families=(4,)),
        Hook("filter", "DOCKER-USER", names.publish, 50, families=(4,)),
    ]
    host.converge(DesiredState(chains, hooks, names.owned))


def test_ports_opened_before_a_boot_lead_to_nobody(host, program, tmp_path):
    """Who has the address now, nobody knows; ports opened since the boot come back with the rest."""
    host.docker()
    bring(host, 1)
    host.section(["-s 192.0.2.9 -j DROP"], "two")
    before = ours(host)
    opened(host)
    program.save()
    everything = ours(host)
    assert everything != before
    for place in (tmp_path / "saved" / "generations").iterdir():
        (place / "boot").write_text("another boot\n", encoding="ascii")
        # A clock that is behind: what was written before the boot seems to be of tomorrow.
        for file in place.iterdir():
            os.utime(file, (time.time() + 2 * 86400,) * 2)
    with entered():
        host.docker()
        for verb in ("boot", "again", "restore", "settle"):
            program.run(verb)
            assert ours(host) == before
    program.save()
    with entered():
        host.docker()
        program.run("again")
        assert ours(host) == everything


def test_a_generation_of_an_older_release_says_no_boot(host, program, tmp_path):
    host.docker()
    bring(host, 1)
    before = ours(host)
    opened(host)
    program.save()
    for place in (tmp_path / "saved" / "generations").iterdir():
        (place / "boot").unlink()
    with entered():
        host.docker()
        program.run("boot")
        assert ours(host) == before
