# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""What of a kernel's content goes into a generation."""
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.kernel.ipset import LiveSet
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.kernel.netfilter import Live
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.rules.desired import SetType
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.rules.ownership import scratch_set
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.rules.saved_ruleset import parse
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.persistence.texts import (
    generation,
    needed_sets,
    rules_text,
    sets_text,
)

SAVED = """*filter
:INPUT ACCEPT [0:0]
:FORWARD DROP [0:0]
:DB-USER-web - [0:0]
:DOCKER - [0:0]
:DOCKER-USER - [0:0]
:f2b-web - [0:0]
-A FORWARD -j DOCKER-USER
-A DB-USER-web -m set --match-set DB-office-4 src -j RETURN
-A DB-USER-web -m set --match-set theirs src -j DROP
-A DB-USER-web -j f2b-web
-A DB-USER-web -m comment --comment "-j DOCKER" -j RETURN
-A DOCKER -p tcp -j ACCEPT
-A DOCKER-USER -s 198.51.100.1/32 -j DROP
-A DOCKER-USER -m comment --comment "drawbridge:500" -j DB-USER-web
-A f2b-web -s 198.51.100.2/32 -j DROP
COMMIT
*nat
:PREROUTING ACCEPT [0:0]
-A PREROUTING -j DOCKER
COMMIT
"""
NET = SetType("hash:net")


def test_ours_and_what_it_needs_and_nothing_else():
    assert rules_text(parse(SAVED)) == """*filter
:DOCKER-USER - [0:0]
:f2b-web - [0:0]
:DB-USER-web - [0:0]
-I FORWARD 1 -j DOCKER-USER
-I DOCKER-USER 1 -m comment --comment "drawbridge:500" -j DB-USER-web
-A DB-USER-web -m set --match-set DB-office-4 src -j RETURN
-A DB-USER-web -m set --match-set theirs src -j DROP
-A DB-USER-web -j f2b-web
-A DB-USER-web -m comment --comment "-j DOCKER" -j RETURN
COMMIT
"""


def test_no_rules_of_ours_no_text():
    assert rules_text(parse("*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -j DOCKER\nCOMMIT\n")) == ""


def test_sets_are_ours_or_named_by_our_rules():
    names = ["DB-office-4", "DB-unused-6", "DBT-0badcafe", "DBP-bridges-4a", "theirs", "others", "DBX"]
    live = Live({4: parse(SAVED)}, {name: LiveSet(name, NET, 4) for name in names})
    assert needed_sets(live) == ["DB-office-4", "DB-unused-6", "DBP-bridges-4a", "theirs"]


def test_our_sets_are_swapped_in_and_others_only_made():
    sets = {"DB-a-4": LiveSet("DB-a-4", NET, 4, entries=frozenset(["192.0.2.2", "192.0.2.1"])),
            "theirs": LiveSet("theirs", SetType("bitmap:port", "range 0-65535"), None, entries=frozenset(["80"]))}
    scratch = scratch_set("DB-a-4")
    kind = "hash:net family inet hashsize 1024 maxelem 65536"
    assert sets_text(sets).splitlines() == [
        "create DB-a-4 " + kind, "create %s %s" % (scratch, kind),
        "add %s 192.0.2.1" % scratch, "add %s 192.0.2.2" % scratch,
        "swap %s DB-a-4" % scratch, "destroy %s" % scratch,
        "create theirs bitmap:port range 0-65535", "add theirs 80",
    ]


def test_the_name_follows_the_content():
    live = Live({4: parse(SAVED)}, {})
    one, same, other = generation("nft", live, [22]), generation("nft", live, [22]), generation("nft", live, [22, 2222])
    assert one.name == same.name != other.name
    assert one.digest.count("\n") == len(one.files) == 9


def test_the_fallback_names_no_set_and_lets_ssh_through():
    sets = {
        "DBP-pub-tcp-4a": LiveSet("DBP-pub-tcp-4a", NET, None, entries=frozenset(map(str, range(8000, 8020)))),
        "DBP-pub-addr-4b": LiveSet("DBP-pub-addr-4b", NET, 4, entries=frozenset(["192.0.2.7,tcp:22"])),
        "DBP-bridges-4a": LiveSet("DBP-bridges-4a", NET, 4, entries=frozenset(["0.0.0.0/0,docker0"])),
        "DBP-pub-sctp-4a": LiveSet("DBP-pub-sctp-4a", NET, 4, entries=frozenset(["0.0.0.0/1,sctp:9899", "128.0.0.0/1,sctp:9899"])),
        "DBP-pub-tcp-6a": LiveSet("DBP-pub-tcp-6a", NET, None, entries=frozenset(["9999"])),
    }
    text = generation("nft", Live({4: parse(SAVED)}, sets), [22, 2222]).files["fallback4"]
    assert "match-set" not in text and "9999" not in text
    lines = text.splitlines()
    local = [line.split(" ", 2)[2] for line in lines if line.startswith("-A DB-GUARD-LOCAL ")]
    assert local == [
        "-d 192.0.2.7 -p tcp -m tcp --dport 22 -j DROP",
        "-p tcp -m multiport --dports 22,2222 -j RETURN",
        "-p tcp -m multiport --dports %s -j DROP" % ",".join(map(str, range(8000, 8015))),
        "-p tcp -m multiport --dports 8015,8016,8017,8018,8019 -j DROP",
        "-p sctp -m multiport --dports 9899 -j DROP",
    ]
    assert "-A DB-USER-policy -m conntrack --ctstate DNAT -j DROP" in lines
    assert "-A DB-GUARD -i docker0 -j RETURN" in lines
    assert not any("INPUT" in line for line in lines)


def test_services_of_the_host_stay_closed_where_they_were():
    saved = "*filter\n:INPUT ACCEPT [0:0]\n:DB-INPUT - [0:0]\n-A INPUT -j DB-INPUT\n-A DB-INPUT -j DROP\nCOMMIT\n"
    text = generation("nft", Live({4: parse(saved)}, {}), [22]).files["fallback4"]
    assert [line for line in text.splitlines() if line.startswith("-A DB-INPUT")][-2:] == [
        "-A DB-INPUT -p tcp -m multiport --dports 22 -j RETURN", "-A DB-INPUT -j DROP"]


def test_nothing_of_ours_no_fallback():
    assert generation("nft", Live({}, {}), [22]).files["fallback4"] == ""
