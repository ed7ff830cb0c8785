# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""The boot program's awk programs: each awk that a host may have makes the same of them."""
import re
import shutil
import subprocess

import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.kernel.state import RESTRICTING
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.rules.timed_entries import seconds_of

from tests.tools.boot_program import SOURCES

AWK = SOURCES / "awk"
LIVE = """*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:DB-GONE - [0:0]
:DB-INPUT - [0:0]
:DB-USER-web - [0:0]
:DOCKER-USER - [0:0]
:theirs - [0:0]
-A INPUT -j DB-INPUT
-A FORWARD -i wg0 -j ACCEPT
-A FORWARD -j DOCKER-USER
-A DB-INPUT -p tcp -m tcp --dport 1 -j DROP
-A DB-USER-web -j RETURN
-A DOCKER-USER -m comment --comment "it's \\"-j DB-INPUT" -j theirs
-A DOCKER-USER -j DB-GONE
-A DOCKER-USER -j DB-USER-web
-A theirs -j LOG
COMMIT
"""
WANTED = """*filter
:DOCKER-USER - [0:0]
:DB-INPUT - [0:0]
:DB-USER-web - [0:0]
-I FORWARD 1 -j DOCKER-USER
-I DOCKER-USER 1 -j DB-USER-web
-I INPUT 1 -j DB-INPUT
-A DB-INPUT -p tcp -m tcp --dport 2 -j DROP
-A DB-USER-web -j RETURN
COMMIT
*nat
:DOCKER-FILTER - [0:0]
-I PREROUTING 1 -j DOCKER-FILTER
-A DOCKER-FILTER -j RETURN
COMMIT
"""
FROM_LIVE_TO_WANTED = """*filter
:DB-INPUT - [0:0]
:DB-GONE - [0:0]
-D FORWARD -j DOCKER-USER
-I FORWARD 1 -j DOCKER-USER
-D DOCKER-USER -j DB-GONE
-D DOCKER-USER -j DB-USER-web
-I DOCKER-USER 1 -j DB-USER-web
-A DB-INPUT -p tcp -m tcp --dport 2 -j DROP
-X DB-GONE
COMMIT
*nat
:DOCKER-FILTER - [0:0]
-I PREROUTING 1 -j DOCKER-FILTER
-A DOCKER-FILTER -j RETURN
COMMIT
"""
SETS_LIVE = """Name: DBP-friends-4a
Type: hash:ip
Header: family inet hashsize 1024 maxelem 65536

Name: office
Type: hash:net
Header: family inet hashsize 1024 maxelem 65536

Name: DBT-0badcafe
Type: hash:net
Header: family inet hashsize 1024 maxelem 65536
"""
SETS_WANTED = """create DBP-friends-4a hash:net family inet
create DBT-0badcafe hash:net family inet
add DBT-0badcafe 192.0.2.0/24
swap DBT-0badcafe DBP-friends-4a
destroy DBT-0badcafe
create office hash:net family inet
add office 198.51.100.0/24
"""
SETS_MADE_ANEW = """destroy DBP-friends-4a
create DBP-friends-4a hash:net family inet
flush DBT-0badcafe
add DBT-0badcafe 192.0.2.0/24
swap DBT-0badcafe DBP-friends-4a
destroy DBT-0badcafe
"""
ANSWERS = """*mangle
-A PREROUTING -j DB-SOURCE
-A DB-SOURCE -m conntrack --ctstate NEW -m connlabel --label "127" --set
COMMIT
*filter
-A INPUT -i wg0 -j ACCEPT
-A INPUT -j DB-INPUT
-A FORWARD -j DOCKER-USER
-A DOCKER-USER -j theirs
-A DOCKER-USER -j DB-USER-policy
-A theirs -j RETURN
-A DB-INPUT -m conntrack --ctstate NEW -m connlabel --label 126 --set
-A DB-USER-policy -m conntrack --ctstate NEW -m connlabel --label 125 --set
COMMIT
"""
ENGINE = """*nat
:PREROUTING ACCEPT [0:0]
:DOCKER - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A PREROUTING -j DOCKER-FILTER
-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE
-A POSTROUTING -s 172.17.0.2/32 -d 172.17.0.2/32 -p tcp -m tcp --dport 80 -j MASQUERADE
-A POSTROUTING -s 192.0.2.0/24 -j MASQUERADE
-A DOCKER ! -i docker0 -p tcp -m tcp --dport 80 -j DNAT --to-destination 172.17.0.2:80
COMMIT
*filter
:FORWARD DROP [0:0]
:DOCKER - [0:0]
:DOCKER-USER - [0:0]
-A FORWARD -i wg0 -j ACCEPT
-A FORWARD -j DOCKER-USER
-A FORWARD -o docker0 -j DOCKER
-A DOCKER-USER -j DB-USER-web
COMMIT
"""
ENGINES_PART = """*nat
:DOCKER - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE
-A POSTROUTING -s 172.17.0.2/32 -d 172.17.0.2/32 -p tcp -m tcp --dport 80 -j MASQUERADE
-A DOCKER ! -i docker0 -p tcp -m tcp --dport 80 -j DNAT --to-destination 172.17.0.2:80
COMMIT
*filter
:FORWARD DROP [0:0]
:DOCKER - [0:0]
-A FORWARD -j DOCKER-USER
-A FORWARD -o docker0 -j DOCKER
COMMIT
"""
FILTER_LEFT = "*filter\n:FORWARD DROP [0:0]\n:DOCKER - [0:0]\n-A FORWARD -o docker0 -j DOCKER\nCOMMIT\n"
NAT_LOST = ENGINES_PART.partition("*filter")[0]


@pytest.fixture(name="awk", params=["mawk", "gawk", "busybox"])
def each_awk(request):
    """Runs programs on a text → what it printed."""
    if shutil.which(request.param) is None:
        pytest.skip("%s is not installed" % request.param)

    def run(text, *names, **values):
        words = [word for name, value in values.items() for word in ("-v", "%s=%s" % (name, value))]
        words += [word for name in names for word in ("-f", str(AWK / (name + ".awk")))]
        return subprocess.run(["awk", *words], executable=shutil.which(request.param), input=text, capture_output=True, text=True, check=True).stdout

    return run


def beside(live, other):
    return "%s%%%%\n%s" % (live, other)


@pytest.mark.parametrize("keep", [0, 1])
def test_rules_are_brought_to_what_is_wanted(awk, keep):
    assert awk(beside(LIVE, WANTED), "target", "rules", keep=keep) == FROM_LIVE_TO_WANTED


def test_jumps_that_others_passed_come_to_the_top_unless_they_are_to_stay(awk):
    live = LIVE.replace("-A INPUT -j DB-INPUT", "-A INPUT -p tcp -j ACCEPT\n-A INPUT -j DB-INPUT")
    moved = FROM_LIVE_TO_WANTED.replace("-A DB-INPUT", "-D INPUT -j DB-INPUT\n-I INPUT 1 -j DB-INPUT\n-A DB-INPUT", 1)
    assert sorted(awk(beside(live, WANTED), "target", "rules", keep=0).splitlines()) == sorted(moved.splitlines())
    assert awk(beside(live, WANTED), "target", "rules", keep=1) == FROM_LIVE_TO_WANTED


def test_what_is_as_wanted_is_not_loaded(awk):
    live = ":INPUT ACCEPT [0:0]\n:DB-INPUT - [0:0]\n-A INPUT -j DB-INPUT\n-A DB-INPUT -j DROP\nCOMMIT\n"
    wanted = ":DB-INPUT - [0:0]\n-I INPUT 1 -j DB-INPUT\n-A DB-INPUT -j DROP\nCOMMIT\n"
    assert awk(beside("*filter\n" + live, "*filter\n" + wanted), "target", "rules", keep=0) == ""


def test_sets_of_another_type_are_made_anew_and_those_of_others_stay(awk):
    assert awk(beside(SETS_LIVE, SETS_WANTED), "sets") == SETS_MADE_ANEW


def test_answers_are_told_with_what_passes_them_by(awk):
    assert awk(ANSWERS, "target", "answers", family=4) == "4 127 stands\n4 126 passed\n4 125 stands\n"


def test_of_the_engine_s_rules_its_own_are_kept(awk):
    assert awk(beside("", ENGINE), "target", "engine_rules", only="kept", bridges="docker0") == ENGINES_PART


def test_a_table_that_lost_its_jumps_is_lost(awk):
    assert awk(beside(ENGINES_PART, FILTER_LEFT), "target", "engine_rules", only="lost", bridges="docker0") == NAT_LOST
    assert awk(beside(ENGINES_PART, ENGINE), "target", "engine_rules", only="lost", bridges="docker0") == ""


def test_entries_have_what_is_left_of_them():
    days = ["%d-%02d-%02dT12:34:56Z" % (year, month, day) for year in (1970, 2000, 2026, 2028, 2100, 2399) for month in range(1, 13) for day in (1, 15, 28)]
    now = seconds_of("2026-12-01T12:34:50Z")
    text = "%%\ncreate a hash:net timeout 0 comment\n" + "".join("add a ::1/64 until %s\n" % day for day in days) + "add a 192.0.2.1\n"
    entries = [(min(seconds_of(day) - now, 2147483), day) for day in days]
    lines = ['add a ::1/64 timeout %d comment "until %s"' % (left, day) for left, day in entries if left > 0]
    for program in filter(None, map(shutil.which, ("mawk", "gawk", "busybox"))):
        argv = ["awk", "-v", "now=%d" % now, "-f", str(AWK / "sets.awk")]
        done = subprocess.run(argv, executable=program, input=text, capture_output=True, text=True, check=True)
        assert done.stdout.splitlines() == ["create a hash:net timeout 0 comment", *lines, "add a 192.0.2.1"], program
    assert 10 < len(lines) < len(days)


@pytest.mark.parametrize("entries, timed, empty", [(0, "", True), (0, " timeout 60", False), (1, "", False)])
def test_a_set_that_somebody_emptied_is_noticed(tmp_path, entries, timed, empty):
    saved = tmp_path / "sets"
    saved.write_text("create office hash:net%s\nadd office 192.0.2.0/24\ncreate none hash:net\n" % timed, encoding="utf-8")
    listed = "Name: none\nNumber of entries: 0\nName: office\nNumber of entries: %d\n" % entries
    for program in filter(None, map(shutil.which, ("mawk", "gawk", "busybox"))):
        argv = ["awk", "-f", str(AWK / "empty_sets.awk"), "-", str(saved)]
        done = subprocess.run(argv, executable=program, input=listed, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0 if empty else 1, ""), program


def test_what_only_stops_packets_is_the_same_as_in_a_plan():
    listed, = re.findall(r"name ~ /\^\(([A-Z|]+)\)\$/\) return 1", (AWK / "rules.awk").read_text(encoding="utf-8"))
    assert set(listed.split("|")) == RESTRICTING
