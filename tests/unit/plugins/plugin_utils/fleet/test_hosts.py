# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""What came of a host, from what its tasks left."""
import pytest
from ansible_collections.drawbridge.docker.plugins.plugin_utils.fleet.hosts import Change, Host, Left, Play, batch_of, overall, read, totals

OURS = {"name": "Have the packages"}
TOLD = {"what": "port 80/tcp", "before": None, "after": "anybody", "containers": ["web"]}
NAMES = ["web%d" % number for number in range(1, 6)]


def told(outcome=None, failure=None, task=None, *, alive=("web",), batch=("web",), check=False):
    (host,) = read(Play(["web"], set(alive), set(batch), check), lambda _name: Left(outcome, failure, task), {"Have the packages"})
    return host


@pytest.mark.parametrize("outcome, check, result", [
    ({"changed": True}, False, "changed"), ({"changed": True}, True, "would change"), ({"changed": False}, False, "unchanged"),
    ({"failed": True, "changed": True, "msg": "no"}, True, "failed"), ({"unreachable": True, "changed": False, "msg": "no"}, False, "unreachable"),
    ({"skipped": True, "changed": False}, False, "not reached"), (None, False, "not reached"), ("nonsense", False, "not reached"),
])
def test_results_of_the_policy(outcome, check, result):
    host = told(outcome, check=check)
    assert (host.result, totals([host])) == (result, {result: 1})
    assert host.message == {"failed": "no", "unreachable": "no", "not reached": "The policy was not applied."}.get(result, "")


def test_a_task_around_the_policy_that_failed():
    failure = {"failed": True, "msg": "no package"}
    for outcome in (None, {"changed": True}):
        assert told(outcome, failure, OURS)[:3] == ("web", "failed", "Have the packages: no package")
    # A rescue of an earlier play left it.
    assert told({"changed": True}, failure, {"name": "Something else"}).result == "changed"
    assert told(None, failure, None, batch=()).result == "not reached"


def test_a_host_that_ansible_has_lost():
    for outcome in (None, {"changed": True}):
        assert told(outcome, alive=()).result == "unreachable"
    assert told(alive=(), batch=()).message and not told(batch=()).message


def test_changes_and_figures_are_taken_as_far_as_they_are_some():
    outcome = {"changed": True, "changes": [TOLD, 5, {"what": 1, "containers": "x"}], "rules": 41, "sets": "many", "seconds": 0.5, "invocation": {}}
    host = told(outcome)
    assert host.changes == (Change("port 80/tcp", ("web",), None, "anybody"), Change("1", (), None, None))
    assert host.facts == {"rules": 41, "seconds": 0.5}
    assert told({"changed": True, "changes": "nonsense"}).changes == ()


@pytest.mark.parametrize("sizes, name, batch", [
    ([], "web3", NAMES), ([0], "web3", NAMES), ([2], "web1", NAMES[:2]), ([2], "web4", NAMES[2:4]), ([2], "web5", NAMES[4:]), ([1, 3], "web3", NAMES[1:4]),
    ([1, -1], "web5", NAMES[1:]), ([2], "elsewhere", NAMES),
])
def test_the_batch_of_a_host(sizes, name, batch):
    assert batch_of(NAMES, sizes, name) == batch


@pytest.mark.parametrize("results, whole", [
    ([], "unchanged"), (["unchanged", "unchanged"], "unchanged"), (["unchanged", "changed"], "changed"), (["would change", "unchanged"], "would change"),
    (["changed", "failed"], "failed"), (["unchanged", "unreachable"], "failed"), (["changed", "not reached"], "failed"),
])
def test_one_result_for_all(results, whole):
    assert overall([Host(str(number), result) for number, result in enumerate(results)]) == whole
