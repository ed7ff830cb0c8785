# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""The playbook harden over several hosts: it stops where one fails to confirm, and says what came of each."""
import re

import pytest

from tests.integration.lab.support import boot, firewall
from tests.integration.lab.support.playbook import playbook

HARDEN = "drawbridge.docker.harden"
TIMEOUT = 5
FAST = {"drawbridge_prerequisites": False, "drawbridge_event_service": False, "drawbridge_serial": 1, "host_policy_confirm_timeout": TIMEOUT}
# Nobody at all reaches a service of the host, the controller's SSH included.
CUT = {"host_services": {"default": "deny", "allow": []}}
SUMMARY = "What came of it"


def fragments(hosts, *broken):
    """Every host's policy; that of the broken ones shuts the controller out."""
    return {host.name: {"host_policy__web": boot.allowing(), "host_policy_allow_lockout": True,
                        **({"host_policy__cut": CUT} if host in broken else {})} for host in hosts}


def summaries(run):
    """The last line of each host that has one."""
    return {name: item["result"]["msg"] for name, items in run.results.items() for item in items if item["task"] == SUMMARY}


def test_no_further_host_is_begun_when_one_fails_to_confirm(manageable):
    first, second = manageable[:2]
    before = firewall.dump(second)
    run = playbook([first, second], HARDEN, host_vars=fragments([first, second], first), extra=FAST, fails=True)
    assert set(run.failed()) == {first.name} and "took the change back" in run.failed()[first.name]
    assert run.of(second.name) == []
    told = summaries(run)
    assert set(told) == {first.name} and re.match("failed: .* took the change back", told[first.name])
    assert firewall.dump(second) == before
    assert "DB" not in firewall.dump(first)
    assert boot.leftovers(first) == ""


def test_what_came_of_each_host(manageable):
    hosts = manageable[:2]
    looked = summaries(playbook(hosts, HARDEN, host_vars=fragments(hosts), extra=FAST, check=True))
    assert all(re.match(r"would change: \d+ rules, \d+ sets, 0 connections to be cut, ", text) for text in looked.values()), looked
    told = summaries(playbook(hosts, HARDEN, host_vars=fragments(hosts), extra=FAST))
    assert set(told) == {host.name for host in hosts}
    for host in hosts:
        rules = sum(host.run([program + "-save"]).stdout.count("-A DB-") for program in ("iptables", "ip6tables"))
        sets = host.run(["ipset", "list", "-n"]).stdout.count("DBP-")
        assert re.fullmatch(r"changed: %d rules, %d sets, 0 connections cut, [\d.]+ s, [\d.]+ s to confirm" % (rules, sets), told[host.name])
    again = summaries(playbook(hosts, HARDEN, host_vars=fragments(hosts), extra=FAST))
    assert all(text.startswith("unchanged: ") and "confirm" not in text for text in again.values()), again
    # The rules from before are in force: nothing is said that sounds as if there were none.
    wrong = summaries(playbook(hosts, HARDEN, host_vars=fragments(hosts), extra=dict(FAST, host_policy_profile="egde"), fails=True))
    assert all(text.startswith("failed: profile: there is no profile 'egde'") for text in wrong.values()), wrong


def test_those_begun_together_come_to_their_end(manageable):
    hosts = manageable[:2]
    run = playbook(hosts, HARDEN, host_vars=fragments(hosts, hosts[0]), extra=dict(FAST, drawbridge_serial=2), fails=True)
    assert set(run.failed()) == {hosts[0].name}
    assert summaries(run)[hosts[1].name].startswith("changed: ")


@pytest.mark.drill
@pytest.mark.parametrize("borne", [0, 50])
def test_half_of_a_batch_may_be_borne(manageable, borne):
    if len(manageable) < 3:
        pytest.skip("the newest ansible-core here does not support the third host's Python")
    options = dict(FAST, drawbridge_serial=2, drawbridge_max_fail_percentage=borne)
    run = playbook(manageable, HARDEN, host_vars=fragments(manageable, manageable[0]), extra=options, fails=True)
    assert set(run.failed()) == {manageable[0].name}
    assert (manageable[2].name in summaries(run)) == (borne > 0)
