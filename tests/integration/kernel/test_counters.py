# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Rules that stay keep their counters when others change."""


def _with_counters(host, counted):
    host.section([rule for _counter, rule in counted])
    lines = "".join("%s -A DB-USER-web %s\n" % line for line in counted)
    host.sh("iptables-%s-restore" % host.variant, "--noflush", "--counters", text="*filter\n:DB-USER-web - [0:0]\n%sCOMMIT\n" % lines)


def test_counters_of_unchanged_rules_survive_a_change(host):
    _with_counters(host, [("[5:300]", "-s 192.0.2.1/32 -j DROP"), ("[7:420]", "-s 192.0.2.2/32 -j DROP"), ("[9:540]", "-p tcp -j RETURN")])
    host.section(["-s 192.0.2.2/32 -j DROP", "-s 192.0.2.3 -j DROP", "-p tcp -j RETURN"])
    saved = host.save(counters=True)
    assert "[7:420] -A DB-USER-web -s 192.0.2.2/32 -j DROP\n[0:0] -A DB-USER-web -s 192.0.2.3/32 -j DROP\n[9:540] -A DB-USER-web -p tcp -j RETURN\n" in saved


def test_counters_survive_a_run_that_changes_nothing_and_check_mode(host):
    _with_counters(host, [("[5:300]", "-s 192.0.2.1/32 -j DROP")])
    before = host.save(counters=True)
    host.section(["-s 192.0.2.1 -j DROP"])
    host.section(["-j DROP"], check=True)
    assert host.save(counters=True) == before


def test_counters_of_other_peoples_lines_survive(host):
    host.sh("iptables-%s-restore" % host.variant, "--counters",
            text="*filter\n:FORWARD DROP [3:4]\n:DOCKER-USER - [0:0]\n[11:22] -A FORWARD -j DOCKER-USER\n[33:44] -A DOCKER-USER -j RETURN\nCOMMIT\n")
    host.section(["-j DROP"])
    host.section(["-s 10.0.0.1 -j DROP"], priority=5)
    saved = host.save(counters=True)
    # iptables-legacy-restore itself forgets a policy's counters.
    policy = [":FORWARD DROP [3:4]"] if host.variant == "nft" else []
    for line in policy + ["[11:22] -A FORWARD -j DOCKER-USER", "[33:44] -A DOCKER-USER -j RETURN"]:
        assert line + "\n" in saved
