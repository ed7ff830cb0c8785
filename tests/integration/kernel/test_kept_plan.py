# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""A plan that is kept: what was reviewed is what is applied, and a host or a policy that changed since is left alone."""
import json
import subprocess

import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.errors import DrawbridgeError
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.system.system import System
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy_pipeline import pipeline
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy_pipeline.pipeline import keep_policy
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.tasks import kept_plan
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.tasks.harden.steps import harden
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.tasks.task import Task

from tests.integration.kernel.support import playbook
from tests.integration.kernel.support.wire_engine import OnTheWire

OFFICE = ["192.0.2.0/24", "2001:db8::/48"]


def policy(*ports, sets=None, **more):
    entries = [{"port": port, "sources": ["@office"]} for port in ports]
    services = {"default": "deny", "allow": [{"port": 22, "sources": ["any"]}]}
    return {"address_sets": {"office": sets or OFFICE}, "published_ports": {"allow": entries}, "host_services": services, **more}


def params(host, wanted, **changes):
    return {
        "steps": ["policy"], "install": True, "packages": None, "state": "present", "policy": json.dumps(wanted), "fragments": None,
        "profile": None, "docker_host": "unix:///run/nothing.sock", "revoke": "end", "allow_lockout": True, "transport": host.variant, "lock_timeout": 5,
        "confirm_timeout": 0, "plan_dir": None, "boot_restore": {"state": "present"}, "event_service": {"state": "present"}, **changes,
    }


class Kept:
    """A host with a policy, and the plan of the next one."""

    def __init__(self, host, job=harden):
        self.host, self.job = host, job
        self.run(policy(80))

    def run(self, wanted, check=False, **changes):
        return self.job(Task(params(self.host, wanted, **changes), check, System()))

    def plan(self, wanted, **changes):
        before = self.host.everything()
        plan = self.run(wanted, True, plan_dir="", **changes).values["plan"]
        assert self.host.everything() == before and plan.isascii()
        return plan

    def refused(self, plan, wanted, words, **changes):
        """The run that keeps the plan is refused with these words, and changes nothing."""
        before = self.host.everything()
        with pytest.raises(DrawbridgeError, match="nothing was changed: .*" + words) as error:
            self.run(wanted, plan_dir=plan, **changes)
        assert "--check" in error.value.hint and self.host.everything() == before


@pytest.fixture(name="kept")
def a_host_with_a_policy(nft_host):
    return Kept(nft_host)


@pytest.mark.parametrize("job", [harden, keep_policy])
def test_what_was_reviewed_is_applied_once(host, job):
    kept = Kept(host, job)
    plan = kept.plan(policy(80, 443))
    assert [change["what"] for change in json.loads(plan)["changes"]] == ["port 443/tcp"]
    assert kept.run(policy(80, 443), plan_dir=plan).values["changed"]
    applied = host.everything()
    # A play that is run again finds hosts that are done.
    assert not kept.run(policy(80, 443), plan_dir=plan).values["changed"] and host.everything() == applied
    assert not kept.run(policy(80, 443)).values["changed"]
    kept.refused(plan, policy(80), "asked for is another: policy")
    gone = kept.plan({}, state="absent", fragments="host_policy__", policy=None)
    assert kept.run({}, state="absent", fragments="host_policy__", policy=None, plan_dir=gone).values["changed"] and "DB-GUARD" not in host.save()


@pytest.mark.parametrize("wanted, changes, words", [
    (policy(80, 444), {}, "asked for is another: policy;.* not in the plan: port 444/tcp: nobody, then @office; is in the plan, but.*: port 443/tcp"),
    (policy(80, 443, sets=["192.0.2.0/25"]), {}, r"asked for is another: policy;.*is to become something else: set DB"),
    (policy(80, 443), {"revoke": "keep", "allow_lockout": False}, "asked for is another: allow_lockout, revoke;"),
    (policy(80, 443), {"state": "absent", "policy": None}, "asked for is another: policy, state;"),
])
def test_a_policy_that_is_another(kept, wanted, changes, words):
    kept.refused(kept.plan(policy(80, 443)), wanted, words, **changes)


def guard(host):
    return "-t mangle -D DB-GUARD " + next(line for line in host.save().splitlines() if line.startswith("-A DB-GUARD ")).partition("DB-GUARD ")[2]


def jump(host):
    return "-t mangle -D " + next(line for line in host.save().splitlines() if line.startswith("-A PREROUTING ") and "DB-GUARD" in line)[3:]


@pytest.mark.parametrize("taken, words", [(guard, "is not as it was: iptables mangle DB-GUARD"), (jump, "is not as it was: .*PREROUTING")])
def test_a_host_whose_rules_are_others(kept, taken, words):
    plan = kept.plan(policy(80, 443))
    # iptables-save quotes what a shell would need quoted.
    kept.host.iptables(taken(kept.host).replace('"', ""))
    kept.refused(plan, policy(80, 443), words)


def test_a_set_of_the_policy_that_somebody_filled(kept):
    plan = kept.plan(policy(80, 443))
    name = next(line.split()[1] for line in kept.host.sh("ipset", "save").splitlines() if "192.0.2.0/24" in line)
    kept.host.sh("ipset", "add", name, "203.0.113.0/24")
    kept.refused(plan, policy(80, 443), "is not as it was: set DB")


def test_a_run_in_between(kept):
    plan = kept.plan(policy(80, 443))
    kept.run(policy(80, 8080))
    kept.refused(plan, policy(80, 443), r"is in the plan|would change now, but is not in the plan: port 8080/tcp")


def test_what_others_hold_is_no_part_of_a_plan(kept):
    plan = kept.plan(policy(80, 443))
    kept.host.iptables("-A INPUT -p tcp --dport 9 -j DROP")
    kept.host.sh("ipset", "create", "bans", "hash:ip")
    assert kept.run(policy(80, 443), plan_dir=plan).values["changed"]


def test_a_setting_beside_the_rules(kept):
    wanted = policy(80, forwarding={"ipv4": True})
    kept.host.sh("sysctl", "-qw", "net.ipv4.ip_forward=0")
    plan = kept.plan(wanted)
    kept.host.sh("sysctl", "-qw", "net.ipv4.ip_forward=1")
    kept.refused(plan, wanted, "part 1 of the policy")


def test_a_host_that_changes_in_this_very_moment(kept):
    plan = kept.plan(policy(80, 443))
    runs = []

    def job(task):
        runs.append(task.check_mode)
        if not task.check_mode:
            kept.host.iptables(guard(kept.host).replace('"', ""))
            runs.append(kept.host.everything())
        return harden(task)

    with pytest.raises(DrawbridgeError, match="the host changed in this moment, so nothing was changed: is not as it was: iptables mangle DB-GUARD"):
        kept_plan.kept(Task(params(kept.host, policy(80, 443), plan_dir=plan), False, System()), job)
    assert runs == [True, False, kept.host.everything()]


def test_no_plan_of_a_host_that_lacks_something_else_first(kept, monkeypatch):
    found = System.which
    monkeypatch.setattr(System, "which", lambda self, name: None if name == "ipset" else found(self, name))
    with pytest.raises(DrawbridgeError, match="needs prerequisites before its policy"):
        kept.plan(policy(80, 443), steps=["prerequisites", "policy"])


class Publishing(OnTheWire):
    """An engine of containers that publish a port each, by name."""

    def __init__(self, **ports):
        self.ports = ports

    def containers(self):
        return [{
            "Id": name.ljust(64, "0"), "Names": ["/" + name], "State": "running", "HostConfig": {"NetworkMode": "lan"},
            "Ports": [{"IP": "0.0.0.0", "PrivatePort": 80, "PublicPort": port, "Type": "tcp"}],
            "NetworkSettings": {"Networks": {"lan": {"NetworkID": "1" * 64, "IPAddress": "192.0.2.%d" % (port % 200)}}},
        } for name, port in self.ports.items()]


@pytest.mark.parametrize("published, words", [
    ({"api": 443}, None), ({"db": 443}, r"but is not in the plan: port 443/tcp \('db'\): .*; is in the plan, .*\('api'\)"),
    ({"api": 443, "db": 5432}, "set DBP-"), ({}, r"port 443/tcp \('api'\)"),
])
def test_a_port_that_another_container_publishes(kept, monkeypatch, published, words):
    engine = Publishing(api=443)
    monkeypatch.setattr(pipeline, "connect", lambda _address: engine)
    kept.run(policy(80))
    plan = kept.plan(policy(80, 443))
    engine.ports = published
    if words is None:
        assert kept.run(policy(80, 443), plan_dir=plan).values["changed"]
    else:
        kept.refused(plan, policy(80, 443), words)


@pytest.mark.skipif(bool(playbook.why_not()), reason=playbook.why_not())
def test_the_playbook(nft_host, tmp_path):
    """By ansible-playbook: a plan is made, kept, and refused once the file was changed; what a CI job is told each time."""
    given = {
        "drawbridge_hosts": "all", "drawbridge_plan_dir": "plans", "drawbridge_report": "report.json", "host_policy__web": policy(443),
        "host_policy_transport": "nft", "host_policy_docker_host": "unix:///run/nothing.sock", "host_policy_allow_lockout": True,
        "ansible_become": False, "ansible_python_interpreter": "/usr/bin/python3",
    }
    harden_yml = str(playbook.ROOT / "playbooks" / "harden.yml")
    argv = [str(playbook.PROGRAM), "-i", "here,", "-c", "local", "-e", json.dumps(given), "--tags", "host_policy", harden_yml]

    def told(*more):
        done = subprocess.run(
            playbook.OWN_RUN + argv + list(more), cwd=tmp_path, env=playbook.environment(tmp_path / "results"), capture_output=True, text=True, check=False)
        report = json.loads((tmp_path / "report.json").read_text(encoding="ascii"))
        return done.returncode, report["result"], report["hosts"]["here"].get("message", "")

    path = tmp_path / "plans" / "here.json"
    assert told("--check") == (0, "would change", "") and path.stat().st_mode & 0o777 == 0o600
    made = path.read_text(encoding="ascii")
    assert told() == (0, "changed", "") and nft_host.save().count("-j DB-GUARD") and path.read_text(encoding="ascii") == made
    path.write_text(made.replace("port 443/tcp", "port 444/tcp"), encoding="ascii")
    code, result, message = told()
    assert (code, result) == (2, "failed") and message.startswith("drawbridge_plan_dir: %s was changed after it was made" % path)
