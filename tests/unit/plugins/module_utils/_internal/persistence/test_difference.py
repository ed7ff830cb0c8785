# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""What going back changes, as people are shown it."""
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.persistence.difference import difference

RULES = "*filter\n:DB-A - [0:0]\n-A DB-A -m set --match-set DBP-x-4%s src -j RETURN\n%sCOMMIT\n"


def sets(name, *entries):
    lines = ["create %s hash:net family inet hashsize 1024 maxelem 65536" % name, "create DBT-1 hash:net family inet hashsize 1024 maxelem 65536"]
    return "".join(line + "\n" for line in [*lines, *("add DBT-1 " + entry for entry in entries), "swap DBT-1 " + name, "destroy DBT-1"])


def lines(before, after):
    diff = difference(before, after)
    left, right = diff["before"].splitlines(), diff["after"].splitlines()
    return [line for line in left if line not in right], [line for line in right if line not in left]


def test_only_what_differs_differs():
    now = {"ipv4": RULES % ("a", "-A DB-A -j DROP\n"), "sets": sets("DBP-x-4a", "10.0.0.1", "10.0.0.2") + sets("DB-y-6", "2001:db8::1")}
    then = {"ipv4": RULES % ("b", ""), "sets": sets("DBP-x-4b", "10.0.0.2", "10.0.0.3 timeout 5") + sets("DB-y-6", "2001:db8::1")}
    assert lines(now, then) == (["-A DB-A -j DROP", "add DBP-x-4 10.0.0.1"], ["add DBP-x-4 10.0.0.3 timeout 5"])


def test_a_set_without_entries_and_one_that_is_gone():
    assert lines({"sets": sets("DBP-x-4a") + sets("DBP-z-4a", "10.0.0.1")}, {"sets": sets("DBP-x-4a", "10.0.0.9"), "tables": "table ip drawbridge {\n}\n"}) == (
        ["create DBP-z-4", "add DBP-z-4 10.0.0.1"], ["add DBP-x-4 10.0.0.9", "table ip drawbridge {", "}"])


def test_long_sets_are_counted():
    many = ["10.0.%d.%d" % (number // 256, number % 256) for number in range(1000)]
    assert "# and 950 more entries of DBP-x-4" in difference({"sets": sets("DBP-x-4a", *many)}, {})["before"]
