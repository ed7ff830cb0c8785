# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""A policy's tests by real packets: what holds, what fails, and what packets cannot prove, from a container, the host, and another host."""
import contextlib
import json
import socket
import subprocess

import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.language.schema import parse_policy
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.proof import real_packets as policy_verify

from tests.integration.kernel.support import wire
from tests.integration.kernel.support.containers import Engine
from tests.integration.kernel.support.namespace import entered
from tests.integration.kernel.support.playbook import OWN_RUN, PROGRAM, environment, play, why_not

OPEN, DROPPED, CLOSED = 7001, 7003, 7002
PLACE = policy_verify.Place(list(wire.HOST.values()), {"web": ["192.0.2.2", "2001:db8::2"]})
SETS = {"client": ["192.0.2.2", "2001:db8::/126"], "others": ["198.51.100.0/24"]}
OUTSIDE = [
    # The test, and what it comes to in each family; nothing for a sender that it is not about.
    ({"from": "@client", "to": OPEN, "expect": "allow"}, "held"),
    ({"from": "any", "to": DROPPED, "expect": "deny"}, "held"),
    ({"from": "@client", "to": DROPPED, "expect": "allow"}, "failed"),
    ({"from": ["@client", "@others"], "to": OPEN, "expect": "deny"}, "failed"),
    ({"from": "any", "to": CLOSED, "expect": "deny"}, "undecided"),
    ({"from": "any", "to": "%d/udp" % DROPPED, "expect": "deny"}, "undecided"),
    ({"from": "any", "to": "icmp", "expect": "allow"}, "held"),
    ({"from": "@others", "to": OPEN, "expect": "deny"}, None),
    ({"from": "any", "except": "@client", "to": OPEN, "expect": "deny"}, None),
]


@pytest.fixture(name="ruled")
def host_with_a_listener(nft_host, client):
    for family in (4, 6):
        nft_host.restore("*filter\n-A INPUT -p tcp -m tcp --dport %d -j DROP\n-A INPUT -p udp -m udp --dport %d -j DROP\nCOMMIT\n" % (DROPPED, DROPPED), family)
    client.until_it_carries()
    with contextlib.ExitStack() as stack:
        for family, address in ((socket.AF_INET, wire.HOST[4]), (socket.AF_INET6, wire.HOST[6])):
            server = stack.enter_context(socket.socket(family))
            server.bind((address, OPEN))
            server.listen()
        yield nft_host


def policy_of(tests):
    return parse_policy({"address_sets": SETS, "tests": tests})


def shown(host, probes, engine=None):
    return [(item["test"], item["address"], item["result"]) for item in policy_verify.proved(host.system, engine, probes, 0.5)]


def test_from_another_host(ruled, client):
    before = ruled.everything()
    tests = [test for test, _result in OUTSIDE]
    extra = [{"from": "@elsewhere", "to": OPEN, "expect": "deny"}, {"from": "any", "interface": "eth0", "to": OPEN, "expect": "deny"},
             {"from": "any", "to": {"container": "gone", "port": 1}, "expect": "deny"}, {"container": "web", "to": OPEN, "expect": "allow"}]
    with entered(client.path):
        probes, left = policy_verify.outside_probes(policy_of(tests + extra), PLACE)
        found = shown(ruled, probes)
    expected = [("policy.tests[%d]" % place, address, result) for place, (_test, result) in enumerate(OUTSIDE) if result for address in PLACE.addresses]
    assert found == expected
    assert [item["test"].rpartition(".")[2] for item in left] == ["tests[9]", "tests[9]", "tests[10]", "tests[11]"]
    assert ruled.everything() == before
    # The Docker host itself is no other host.
    assert policy_verify.outside_probes(policy_of(tests), PLACE)[0] == []


def test_from_inside(ruled, client):
    engine = Engine()
    engine.inspected["ab"] = {
        "Id": "ab", "Name": "/web", "State": {"Status": "running", "Running": True, "Pid": int(client.path.split("/")[2]), "StartedAt": "now"},
        "Config": {"Labels": {}, "Image": "x"}, "HostConfig": {"NetworkMode": "bridge"}, "Mounts": [],
    }
    tests = [{"container": "web", "to": OPEN, "expect": "allow"}, {"container": "web", "to": DROPPED, "expect": "deny"},
             {"container": "web", "to": OPEN, "expect": "deny"},
             {"from": "host", "to": {"container": "web"}, "expect": "allow"}, {"container": "gone", "to": OPEN, "expect": "deny"}]
    probes, left = policy_verify.inside_probes(policy_of(tests), PLACE)
    results = policy_verify.proved(ruled.system, engine, probes, 0.5)
    assert [item["result"] for item in results] == ["held", "held", "held", "held", "failed", "failed", "held", "held"], results
    assert "gone" in left[0]["reason"]
    words = policy_verify.failure_of(results)
    assert words.startswith("policy.tests[2]: from 'web' to %d/tcp" % OPEN) and "expected deny: the connection was made" in words
    assert policy_verify.failure_of(results[:4]) is None


def test_as_ansible_runs_it(ruled, client, tmp_path):
    """With fragments, whose names its words have."""
    if why_not():
        pytest.skip(why_not())
    tests = {"tests": [{"from": "host", "to": "%s:%d" % (wire.HOST[4], port), "expect": "allow"} for port in (OPEN, DROPPED)]}
    arguments = {"fragments": "rules__", "docker_host": "unix:///nowhere", "addresses": list(wire.HOST.values()), "timeout": 0.5}
    here, there, *wrong = play(tmp_path, [
        {"drawbridge.docker.policy_verify": arguments},
        {"drawbridge.docker.policy_verify": {"fragments": "rules__", "target": {"addresses": ["203.0.113.1"], "containers": {}}}, "check_mode": True},
        {"drawbridge.docker.policy_verify": dict(arguments, timeout=0)}, {"drawbridge.docker.policy_verify": dict(arguments, addresses=["example.com"])},
        {"drawbridge.docker.policy_verify": {"fragments": "rules__", "target": {"addresses": ["example.com"], "containers": {}}}},
    ], rules__web=tests)
    assert here["failed"] and here["msg"].startswith("rules__web.tests[1]: from 'the host'") and here["target"]["addresses"] == list(wire.HOST.values())
    assert not there["failed"] and there["tests"] == []
    assert all(result["failed"] and place in result["msg"] for result, place in zip(wrong, ("timeout", "addresses", "target.addresses"))), wrong


@pytest.mark.parametrize("expect, code", [("deny", 0), ("allow", 2)])
def test_the_playbook(ruled, client, tmp_path, expect, code):
    """A Docker host, and a client in a namespace of its own: whoever is meant sends, whatever comes of the others."""
    if why_not():
        pytest.skip(why_not())
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\nexec nsenter --net=%s /usr/bin/python3 \"$@\"\n" % client.path, encoding="utf-8")
    python.chmod(0o755)
    tests = [{"from": "192.0.2.0/24", "to": DROPPED, "expect": expect}, {"from": "any", "to": OPEN, "expect": "allow"}]
    common = {"ansible_connection": "local", "ansible_become": False}
    docker = {"ansible_python_interpreter": "/usr/bin/python3", "host_policy__web": {"tests": tests}, "host_policy_docker_host": "unix:///nowhere",
              "drawbridge_verify_addresses": list(wire.HOST.values()), "drawbridge_verify_timeout": 0.5}
    inventory = tmp_path / "inventory.json"
    inventory.write_text(json.dumps({"all": {"vars": common, "hosts": {"client": {"ansible_python_interpreter": str(python)}},
                                             "children": {"docker_hosts": {"hosts": {"here": docker}}}}}), encoding="utf-8")
    results = tmp_path / "results"
    results.write_text("", encoding="utf-8")
    done = subprocess.run([*OWN_RUN, str(PROGRAM), "-i", str(inventory), "drawbridge.docker.verify"], capture_output=True, text=True, check=False,
                          cwd=str(tmp_path), env=environment(results))
    assert done.returncode == code, done.stdout + done.stderr
    assert ("expected allow: nothing came back" in done.stdout) == (code == 2), done.stdout
