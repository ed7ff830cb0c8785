# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""The playbook harden over several hosts: it stops where one fails to confirm, and says what came of each."""
import json

import pytest

from tests.integration.lab.support import boot, firewall
from tests.integration.lab.support.playbook import playbook

HARDEN = "drawbridge.docker.harden"
TIMEOUT = 5
FAST = {"drawbridge_prerequisites": False, "drawbridge_event_service": False, "drawbridge_serial": 1, "host_policy_confirm_timeout": TIMEOUT}
# Nobody at all reaches a service of the host, the controller's SSH included.
CUT = {"host_services": {"default": "deny", "allow": []}}


def fragments(hosts, *broken):
    """Every host's policy; that of the broken ones shuts the controller out."""
    return {host.name: {"host_policy__web": boot.allowing(), "host_policy_allow_lockout": True,
                        **({"host_policy__cut": CUT} if host in broken else {})} for host in hosts}


@pytest.fixture(name="harden")
def harden_with_report(tmp_path):
    """Runs harden → the run, and what its report says of each host."""
    def harden(hosts, extra=None, **options):
        path = tmp_path / "report.json"
        run = playbook(hosts, HARDEN, extra={**FAST, "drawbridge_report": str(path), **(extra or {})}, **options)
        return run, json.loads(path.read_text(encoding="utf-8"))["hosts"]
    return harden


def results(report):
    return {name: told["result"] for name, told in report.items()}


def test_no_further_host_is_begun_when_one_fails_to_confirm(manageable, harden):
    first, second = manageable[:2]
    before = firewall.dump(second)
    run, report = harden([first, second], host_vars=fragments([first, second], first), fails=True)
    assert set(run.failed()) == {first.name} and "took the change back" in run.failed()[first.name]
    assert run.of(second.name) == []
    assert results(report) == {first.name: "failed", second.name: "not reached"} and "took the change back" in report[first.name]["message"]
    assert firewall.dump(second) == before
    assert "DB" not in firewall.dump(first)
    assert boot.leftovers(first) == ""


def test_what_came_of_each_host(manageable, harden):
    hosts = manageable[:2]
    names = [host.name for host in hosts]
    _run, looked = harden(hosts, host_vars=fragments(hosts), check=True)
    assert results(looked) == dict.fromkeys(names, "would change")
    run, told = harden(hosts, host_vars=fragments(hosts))
    assert results(told) == dict.fromkeys(names, "changed")
    for host in hosts:
        rules = sum(host.run([program + "-save"]).stdout.count("-A DB-") for program in ("iptables", "ip6tables"))
        sets = host.run(["ipset", "list", "-n"]).stdout.count("DBP-")
        found = told[host.name]
        assert (found["rules"], found["sets"], found["connections_closed"]) == (rules, sets, 0) and found["confirm_seconds"] > 0
        assert found["changes"] == looked[host.name]["changes"]
        assert {"what": "every other published port", "before": "anybody", "after": "nobody"} in found["changes"]
    assert "every other published port: anybody → nobody" in run.output
    _run, again = harden(hosts, host_vars=fragments(hosts))
    assert results(again) == dict.fromkeys(names, "unchanged") and not any("changes" in found or "confirm_seconds" in found for found in again.values())
    # The rules from before are in force: nothing is said that sounds as if there were none.
    _run, wrong = harden(hosts, {"host_policy_profile": "egde"}, host_vars=fragments(hosts), fails=True)
    assert results(wrong)[names[0]] == "failed" and wrong[names[0]]["message"].startswith("profile: there is no profile 'egde'")


def test_those_begun_together_come_to_their_end(manageable, harden):
    hosts = manageable[:2]
    run, report = harden(hosts, {"drawbridge_serial": 2}, host_vars=fragments(hosts, hosts[0]), fails=True)
    assert set(run.failed()) == {hosts[0].name}
    assert results(report)[hosts[1].name] == "changed"


@pytest.mark.drill
@pytest.mark.parametrize("borne", [0, 50])
def test_half_of_a_batch_may_be_borne(manageable, harden, borne):
    if len(manageable) < 3:
        pytest.skip("the newest ansible-core here does not support the third host's Python")
    options = {"drawbridge_serial": 2, "drawbridge_max_fail_percentage": borne}
    run, report = harden(manageable, options, host_vars=fragments(manageable, manageable[0]), fails=True)
    assert set(run.failed()) == {manageable[0].name}
    assert (results(report)[manageable[2].name] != "not reached") == (borne > 0)
