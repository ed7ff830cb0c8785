# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""The summary at the end of harden, by real playbooks of both ansible-cores: which hosts are begun, what is told of them, and that nothing is rendered.

The play is harden's own, with one made-up task instead of its roles.
"""
import json
import subprocess
from collections import Counter

import pytest
import yaml

from tests.integration.kernel.support import playbook

HARDEN = playbook.ROOT / "playbooks" / "harden.yml"
# Says what its file says, as a module on a host does: what comes from the inventory would be trusted.
MADE_UP = """\
#!/usr/bin/python3
# WANT_JSON
import json, sys
with open(sys.argv[1], encoding="utf-8") as arguments, open(json.load(arguments)["path"], encoding="utf-8") as outcome:
    print(outcome.read())
"""
OFFICE = {"what": "port 8080/tcp", "before": "anybody", "after": "@office", "containers": ["api"]}
CHANGED = {"changed": True, "changes": [OFFICE], "rules": 41, "sets": 16}
FAILED = {"failed": True, "msg": "policy.egress: no such key (leave it out)"}
GONE = {"ansible_connection": "ssh", "ansible_ssh_executable": "/bin/false"}
EARLY = {"early": True}


def tasks():
    """In place of harden's one task: one that may fail ahead of the policy, and the policy."""
    return [
        {"name": "Have the packages", "ansible.builtin.fail": {"msg": "no package"}, "when": "early | default(false)", "tags": ["prerequisites"]},
        {"name": "Apply the policy", "made_up": {"path": "{{ path }}"}, "register": "host_policy_outcome", "tags": ["host_policy"],
         "notify": "Restart the engine"},
    ]


def with_made_up(items):
    """The tasks of a block, with harden's replaced."""
    real = [item for item in items if "drawbridge.docker.harden" in item]
    kept = [{key: with_made_up(value) if key in ("block", "rescue", "always") else value for key, value in item.items()}
            for item in items if item not in real]
    return (tasks() if real else []) + kept


class Fleet:
    """Playbooks of one ansible-core over made-up hosts."""

    def __init__(self, core, folder):
        self.program, self.folder = playbook.of_core(core), folder
        (folder / "library").mkdir()
        (folder / "library" / "made_up.py").write_text(MADE_UP, encoding="utf-8")
        (play,) = yaml.safe_load(HARDEN.read_text(encoding="utf-8"))
        handler = {"name": "Restart the engine", "ansible.builtin.debug": {"msg": "restarted"}}
        play.update(become=False, tasks=with_made_up(play["tasks"]), handlers=[handler])
        later = {"hosts": "all", "gather_facts": False, "tasks": [{"name": "What else the site does", "ansible.builtin.debug": {"msg": "later"}}]}
        (folder / "play.json").write_text(json.dumps([play, later]), encoding="utf-8")

    def run(self, hosts, *more, **extra):
        """→ (what was printed, the report, each host's last results by task)."""
        results, report = self.folder / "results", self.folder / "report.json"
        results.write_text("", encoding="utf-8")
        known = {}
        for name, values in hosts.items():
            path = self.folder / (name + ".json")
            path.write_text(json.dumps(values.get("outcome", {"changed": False})), encoding="utf-8")
            known[name] = {"path": str(path), **{key: value for key, value in values.items() if key != "outcome"}}
        inventory = {"docker_hosts": {"hosts": known, "vars": {"ansible_connection": "local", "ansible_python_interpreter": "/usr/bin/python3"}}}
        (self.folder / "inventory.yml").write_text(json.dumps(inventory), encoding="utf-8")
        argv = [str(self.program), "-i", "inventory.yml", "-e", json.dumps(dict({"drawbridge_report": "report.json"}, **extra)), *more, "play.json"]
        done = subprocess.run(argv, cwd=str(self.folder), env=playbook.environment(results), capture_output=True, check=False)
        lines = [json.loads(line) for line in results.read_text(encoding="utf-8").splitlines()]
        by_task = {}
        for line in lines:
            by_task.setdefault(line["task"], {}).setdefault(line["host"], line["outcome"])
        told = json.loads(report.read_text(encoding="utf-8")) if report.exists() else None
        return done.stdout.decode("utf-8"), told, by_task


@pytest.fixture(params=["newest", "oldest"])
def fleet(request, tmp_path):
    if playbook.why_not(playbook.of_core(request.param)):
        pytest.skip(playbook.why_not(playbook.of_core(request.param)))
    return Fleet(request.param, tmp_path)


def results(report):
    return {name: host["result"] for name, host in report["hosts"].items()}


HOSTS = {"web1": {"outcome": CHANGED}, "web2": {"outcome": FAILED}, "web3": EARLY, "web4": GONE, "web5": {}, "web6": {"outcome": CHANGED}}


def test_all_at_once(fleet):
    printed, report, by_task = fleet.run(HOSTS, drawbridge_max_fail_percentage=50)
    assert results(report) == {"web1": "changed", "web2": "failed", "web3": "failed", "web4": "unreachable", "web5": "unchanged", "web6": "changed"}
    assert report["finished"] and report["version"] == 1 and not report["check_mode"]
    assert report["hosts"]["web1"] == {"result": "changed", "rules": 41, "sets": 16, "changes": [OFFICE]}
    assert report["hosts"]["web2"]["message"] == FAILED["msg"] and report["hosts"]["web3"]["message"] == "Have the packages: no package"
    table = printed[printed.index("web1  changed"):].splitlines()
    assert table[:3] == ["web1  changed      port 8080/tcp ('api'): anybody → @office", "web2  failed       policy.egress: no such key (leave it out)",
                         "web3  failed       Have the packages: no package"]
    assert table[4:8] == ["web5  unchanged", "web6  changed      port 8080/tcp ('api'): anybody → @office", "",
                          "6 hosts: 2 changed, 1 unchanged, 2 failed, 1 unreachable"]
    assert printed.count("6 hosts: ") == 1
    # The task runs once; whoever did not fail goes on, whoever failed does not.
    assert list(by_task["What came of it"]) == ["web1"] and by_task["Count the host as failed"] == {"web2": "failed", "web3": "failed"}
    assert set(by_task["Restart the engine"]) == {"web1", "web6"}
    assert set(by_task["What else the site does"]) == {"web1", "web5", "web6"}
    assert (fleet.folder / "report.json").stat().st_mode & 0o7777 == 0o600


@pytest.mark.parametrize("hosts, serial, borne, begun", [
    # None may fail: the batch comes to its end, and no other is begun.
    ({"web1": {}, "web2": {"outcome": FAILED}, "web3": {}, "web4": {}}, 2, 0, ["web1", "web2"]),
    ({"web1": EARLY, "web2": {}, "web3": {}}, 2, 0, ["web1", "web2"]),
    # One of three may fail, and an unreachable host is none that failed.
    ({"web1": {}, "web2": {"outcome": FAILED}, "web3": GONE, "web4": {}}, 3, 34, ["web1", "web2", "web3", "web4"]),
])
def test_batches(fleet, hosts, serial, borne, begun):
    printed, report, by_task = fleet.run(hosts, drawbridge_serial=serial, drawbridge_max_fail_percentage=borne)
    assert [name for name, result in results(report).items() if result != "not reached"] == begun
    assert set(by_task["Have the packages"]) == set(begun)
    goes_on = begun == list(hosts)
    assert report["finished"] and ("What else the site does" in by_task) == goes_on
    # Brief until the end, and the whole there.
    whole = "%d hosts: " % len(hosts)
    assert printed.count(whole) == 1
    assert ("; %d to go" % (len(hosts) - serial) in printed) == goes_on


def test_many_hosts_in_check_mode(fleet):
    hosts = {"web%d" % number: {"outcome": CHANGED} for number in range(1, 12)}
    hosts.update(db1={"outcome": FAILED}, db2={}, db3={})
    printed, report, _by_task = fleet.run(hosts, "--check", "--forks", "20")
    assert report["check_mode"] and Counter(results(report).values()) == {"would change": 11, "unchanged": 2, "failed": 1}
    lines = printed[printed.index("would change: "):].splitlines()
    assert lines[:6] == ["would change: 11 hosts, web1 … web11", "  port 8080/tcp: anybody → @office  on all 11", "unchanged: db2, db3",
                         "failed: db1: policy.egress: no such key (leave it out)", "", "14 hosts: 11 would change, 2 unchanged, 1 failed"]


def test_what_hosts_tell_is_neither_rendered_nor_obeyed(fleet):
    text = "{{ lookup('pipe', 'touch ran') }}\x1b[2J"
    hostile = {"changed": True, "changes": [{"what": text, "before": text, "after": text, "containers": [text]}], "transport": text}
    printed, report, _by_task = fleet.run({"web1": {"outcome": hostile}, "web2": {"outcome": {"failed": True, "msg": text}}})
    assert not (fleet.folder / "ran").exists()
    assert report["hosts"]["web1"]["changes"] == hostile["changes"] and report["hosts"]["web2"]["message"] == text
    told = printed[printed.index("web1  changed"):printed.index("2 hosts: ")]
    assert "\x1b" not in told and "lookup('pipe', 'touch ran')" in told


def test_a_report_that_cannot_be_written_stops_nobody(fleet):
    printed, _report, by_task = fleet.run({"web1": {}}, drawbridge_report="nowhere/report.json")
    assert by_task["What came of it"] == {"web1": "ok"} and "1 host: 1 unchanged" in printed
