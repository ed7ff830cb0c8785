# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""A container whose first process starts a server and then leaves for a network namespace of its own: the server is closed all the same."""
from tests.integration.lab.support.playbook import play
from tests.integration.lab.support.reach import Onlooker, v4, wait_for
from tests.lab.layout import CLIENTS
from tests.lab.workload import IMAGE

RULE = {"drawbridge.docker.container_netns_rule": {
    "name": "decoy", "section": "blocked", "rules": [{"source": CLIENTS["denied"].v4, "jump": "DROP"}]}}
LOOK = {"drawbridge.docker.container_netns_info": {"name": "decoy"}}
SCRIPT = "answer decoy tcp,0.0.0.0,80 & exec unshare --user --map-root-user --net sleep 300"


def test_a_decoy_is_no_way_out_of_the_rules(lab, one):
    look = Onlooker(lab, [one])
    one.run(["docker", "run", "--detach", "--name", "decoy", "--security-opt", "seccomp=unconfined", "--security-opt", "apparmor=unconfined",
             "--publish", "8991:80", IMAGE, "sh", "-c", SCRIPT])
    pid = one.run(["docker", "inspect", "--format", "{{.State.Pid}}", "decoy"]).stdout.strip()
    key = one.run(["docker", "inspect", "--format", "{{.NetworkSettings.SandboxKey}}", "decoy"]).stdout.strip()
    network = "stat --dereference --format %i"

    def is_away():
        mine, engines = one.run(["sh", "-c", "%s /proc/%s/ns/net %s" % (network, pid, key)]).stdout.split()
        return mine != engines

    wait_for(is_away, "the first process is in a namespace of its own", 20)
    wait_for(lambda: look.serves("denied", v4(8991)), "its server answers", 20)
    done = play([one], [RULE])
    assert done.changed() == {one.name: True}
    assert look.serves("allowed", v4(8991)) and look.turns_away("denied", v4(8991))
    assert not play([one], [RULE]).changed()[one.name]
    (entry,) = play([one], [LOOK]).last(one.name)["containers"]
    assert entry["namespace"]["path"].endswith(key.rsplit("/", 1)[1])


def test_who_shares_a_network_is_found_with_it(one):
    for name, network in (("owner", "bridge"), ("joined", "container:owner"), ("hosted", "host"), ("none", "none")):
        one.run(["docker", "run", "--detach", "--name", name, "--network", network, IMAGE, "sleep", "300"])
    found = {item["name"]: item for item in play([one], [{"drawbridge.docker.container_netns_info": {}}]).last(one.name)["containers"]}
    assert found["joined"]["namespace"] == found["owner"]["namespace"] and found["joined"]["shared_with"] == ["owner"]
    assert found["hosted"]["host_network"] and found["hosted"]["reason"] and found["none"]["reason"] is None
    assert all(item["reason"] is None for name, item in found.items() if name not in ("hosted",))
