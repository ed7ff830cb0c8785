# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""A container whose first process left the network namespace that the engine made for it: rules go where its servers are."""
import os
import subprocess
import time

import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.containers.sandbox import NotFound, SandboxLookup, in_root
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.containers.select import every_container
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.containers.target import HOST_NETWORK
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.system.process import netns_inode
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.system.system import System
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.service.closed_until_ready import Gate

from .support.containers import containers

DROP = "-s 192.0.2.66 -j DROP"
DROPPED = "-s 192.0.2.66/32 -j DROP"


@pytest.fixture(name="engine")
def engine_in_a_host(host, monkeypatch):
    """Containers of a host without rules."""
    with containers(host.variant, monkeypatch) as found:
        found.host = host
        yield found


def told(engine, name):
    """What the engine tells of a container, to be changed."""
    return next(item for item in engine.engine.inspected.values() if item["Name"] == "/" + name)


def leave(engine, name, server):
    """``name`` calls itself in a namespace of its own, which is not the one that the engine made: that is where ``server`` is."""
    told(engine, name)["NetworkSettings"] = {"SandboxKey": "/proc/%d/ns/net" % engine.pid(server)}


def test_rules_go_into_the_namespace_that_the_engine_made(engine):
    engine.start("server")
    engine.start("decoy")
    leave(engine, "decoy", "server")
    assert engine.apply(DROP, name="decoy").values["changed"]
    assert engine.rules("server") == [DROPPED] and engine.rules("decoy") == []
    assert not engine.apply(DROP, name="decoy").values["changed"]
    look = engine.look(name="decoy")["decoy"]
    assert look["namespace"]["inode"] == netns_inode("/proc/%d/ns/net" % engine.pid("server"))
    assert look["rules"]


def test_who_joined_such_a_container_is_where_that_one_is(engine):
    engine.start("server")
    engine.start("decoy")
    leave(engine, "decoy", "server")
    engine.start("joined", network="container:decoy")
    told(engine, "joined")["HostConfig"]["NetworkMode"] = "container:" + told(engine, "decoy")["Id"]
    told(engine, "joined")["NetworkSettings"] = {"SandboxKey": ""}
    assert engine.apply(DROP, name="joined").values["changed"]
    assert engine.rules("server") == [DROPPED] and engine.rules("decoy") == []


def test_who_joined_a_container_that_ended_is_where_its_process_is(engine):
    engine.start("gone")
    engine.start("joined", network="container:gone")
    told(engine, "joined")["HostConfig"]["NetworkMode"] = "container:" + told(engine, "gone")["Id"]
    engine.stop("gone")
    assert engine.apply(DROP, name="joined").values["changed"]
    assert engine.rules("joined") == [DROPPED]


def test_a_decoy_of_the_hosts_network_is_the_hosts(engine):
    engine.start("decoy")
    told(engine, "decoy")["NetworkSettings"] = {"SandboxKey": "/proc/self/ns/net"}
    (target,) = every_container(System(), engine.engine)
    assert target.reason == HOST_NETWORK


def test_a_namespace_that_is_not_to_be_seen_is_refused(engine):
    engine.start("decoy")
    told(engine, "decoy")["NetworkSettings"] = {"SandboxKey": "/var/run/docker/netns/nowhere"}
    (target,) = every_container(System(), engine.engine)
    assert target.inode is None and "/var/run/docker/netns/nowhere" in target.reason
    assert engine.rules("decoy") == []
    # One on the host's network stays known as that.
    engine.start("plain", host=True)
    told(engine, "plain")["NetworkSettings"] = {"SandboxKey": "/var/run/docker/netns/nowhere"}
    assert {target.name: target.reason for target in every_container(System(), engine.engine)}["plain"] == HOST_NETWORK


def test_the_gate_opens_for_the_engines_namespace(engine):
    engine.start("server")
    engine.start("decoy")
    leave(engine, "decoy", "server")
    listed = engine.engine.all_containers()
    ids = {item["Names"][0].strip("/"): item["Id"] for item in listed}
    found = Gate(System()).namespaces(engine.engine, listed, [ids["decoy"]])
    assert found == {ids["decoy"]: netns_inode("/proc/%d/ns/net" % engine.pid("server"))}


def test_the_engines_file_is_looked_up_in_the_engines_mount_namespace(engine, tmp_path):
    """Where the engine has mounts of its own, nothing of its files is at their path here."""
    engine.start("server")
    engine.start("decoy")
    key = tmp_path / "var" / "netns" / "key"
    (tmp_path / "real").mkdir()
    (tmp_path / "var").symlink_to(tmp_path / "real")
    script = ("mount -t tmpfs none %s/real && mkdir %s/real/netns && touch %s && mount --bind /proc/%d/ns/net %s && echo ready && exec sleep 120"
              % (tmp_path, tmp_path, key, engine.pid("server"), key))
    argv = ["unshare", "--mount", "--propagation", "private", "sh", "-c", script]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as daemon:
        try:
            assert daemon.stdout.readline() == "ready\n"
            item = dict(told(engine, "decoy"), NetworkSettings={"SandboxKey": str(key)})
            path = SandboxLookup(System(), engine.engine, lambda: daemon.pid).path(item, engine.pid("decoy"))
            assert netns_inode(path) == netns_inode("/proc/%d/ns/net" % engine.pid("server"))
            with pytest.raises(NotFound):
                SandboxLookup(System(), engine.engine, lambda: None).path(item, os.getpid())
        finally:
            daemon.kill()


def test_links_are_the_engines(tmp_path):
    root = tmp_path / "root"
    (root / "run" / "docker").mkdir(parents=True)
    (root / "var").mkdir()
    (root / "var" / "run").symlink_to("/run")
    (root / "loop").symlink_to("/loop")
    (root / "up").symlink_to("../../../run")
    assert in_root(str(root), "/var/run/docker/netns") == str(root / "run" / "docker" / "netns")
    assert in_root(str(root), "/up/docker") == str(root / "run" / "docker")
    assert in_root(str(root), "/loop/x").startswith(str(root))
    assert in_root("/", "/proc/self") != "/proc/self"


def test_a_first_process_that_really_leaves(engine):
    """As the attack did: a server is started, then the first process unshares the network."""
    script = "sleep 300 & echo $!; exec unshare --net sleep 300"
    with subprocess.Popen(["unshare", "--net", "sh", "-c", script], stdout=subprocess.PIPE, text=True) as process:
        server = int(process.stdout.readline())
        try:
            end = time.monotonic() + 10
            while netns_inode("/proc/%d/ns/net" % process.pid) == netns_inode("/proc/%d/ns/net" % server):
                assert time.monotonic() < end
                time.sleep(0.002)
            engine.start("decoy")
            told(engine, "decoy")["State"]["Pid"] = process.pid
            told(engine, "decoy")["NetworkSettings"] = {"SandboxKey": "/proc/%d/ns/net" % server}
            assert engine.apply(DROP, name="decoy").values["changed"]
            rules = subprocess.run(["nsenter", "--net=/proc/%d/ns/net" % server, "iptables-%s-save" % engine.variant],
                                   capture_output=True, text=True, check=True).stdout
            assert "-A DB-NS-web " + DROPPED in rules
        finally:
            os.kill(server, 9)
            process.kill()
