# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""The nodes of a swarm, in what a manager (26.1) and a worker (20.10) of one swarm answered on the lab's hosts, and in what others might."""
import json
from pathlib import Path

import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.api.client import Engine, EngineError, EngineUnreachable
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.facts import gather
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.facts.swarm_nodes import swarm_nodes
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.system.system import System

FIXTURES = Path(__file__).resolve().parents[5] / "fixtures" / "engine"
MANAGER, WORKER = "swarm-manager-26.1.5", "swarm-worker-20.10.24"


class Recorded(Engine):
    """An engine that answers what a real one once did; what it refused is an error."""

    def __init__(self, name):
        self.answers = json.loads((FIXTURES / ("docker-%s.json" % name)).read_text(encoding="utf-8"))
        self.asked = []

    def _answer(self, path):
        self.asked.append(path)
        answer = self.answers.get(path, {"message": "no such thing"})
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, dict) and set(answer) == {"message"}:
            raise EngineError(answer["message"])
        return answer

    def version(self):
        return {}

    def info(self):
        return self._answer("/info")

    def networks(self):
        return self._answer("/networks")

    def containers(self):
        return []

    def nodes(self):
        return self._answer("/nodes")

    def network(self, network_id):
        return self._answer("/networks/" + network_id)


def nodes(engine):
    return swarm_nodes(engine, engine.info(), engine.networks())


@pytest.mark.parametrize("name, others", [(MANAGER, ["192.0.2.11"]), (WORKER, ["192.0.2.12"])])
def test_what_real_nodes_know_of_each_other(name, others):
    engine = Recorded(name)
    assert nodes(engine) == others
    assert ("/nodes" in engine.asked) is (name == MANAGER)
    facts = gather.ask(Recorded(name), System()).facts
    assert facts.swarm and facts.swarm_nodes == others


def test_a_worker_knows_its_peers_and_the_managers():
    engine = Recorded(WORKER)
    engine.answers["/info"]["Swarm"]["RemoteManagers"] += [{"Addr": "[2001:db8::7]:2377"}, {"Addr": "odd"}, {"Addr": 7}, None]
    (ingress,) = [item for item in engine.answers["/networks"] if item["Name"] == "ingress"]
    engine.answers["/networks/" + ingress["Id"]]["Peers"] += [{"IP": "192.0.2.13"}, {"IP": "0.0.0.0"}, {"IP": "127.0.0.1"}, {"IP": None}, 9]
    engine.answers["/networks"].append({"Name": "own", "Id": "o1", "Driver": "overlay", "Scope": "swarm"})
    engine.answers["/networks/o1"] = {"Peers": [{"IP": "192.0.2.14"}]}
    assert nodes(engine) == ["192.0.2.12", "192.0.2.13", "192.0.2.14", "2001:db8::7"]


def test_a_manager_knows_those_that_are_down_and_by_both_addresses():
    engine = Recorded(MANAGER)
    engine.answers["/nodes"] += [
        {"Status": {"State": "down", "Addr": "192.0.2.21"}}, {"Status": {"Addr": "0.0.0.0"}, "ManagerStatus": {"Addr": "192.0.2.22:2377"}}]
    assert nodes(engine) == ["192.0.2.11", "192.0.2.21", "192.0.2.22"]


@pytest.mark.parametrize("change", [
    lambda answers: answers.update({"/nodes": {"message": "The swarm does not have a leader."}}),
    lambda answers: answers["/info"]["Swarm"].update(LocalNodeState="locked"),
    lambda answers: answers["/info"]["Swarm"].update(LocalNodeState="pending"),
    lambda answers: answers.update({path: {"message": "gone"} for path in list(answers) if path.startswith("/networks/")}),
])
def test_who_cannot_say_says_nothing(change):
    engine = Recorded(MANAGER)
    change(engine.answers)
    assert nodes(engine) is None
    assert gather.ask(engine, System()).facts.swarm_nodes is None


def test_without_a_swarm_nobody_is_asked():
    engine = Recorded(MANAGER)
    engine.answers["/info"]["Swarm"] = {"LocalNodeState": "inactive"}
    facts = gather.ask(engine, System()).facts
    assert not facts.swarm and facts.swarm_nodes == [] and "/nodes" not in engine.asked


def test_an_engine_that_ends_in_between_is_unreachable():
    engine = Recorded(MANAGER)
    engine.answers["/nodes"] = EngineUnreachable("gone")
    assert not gather.ask(engine, System()).facts.known
