# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""container_netns_info in real namespaces: what containers hold, and how they can do with less."""
import subprocess

import pytest

from .support.containers import containers
from .support.namespace import missing, tools_of


@pytest.fixture(name="engine")
def engine_in_a_host(host, monkeypatch):
    """Containers of a host without rules."""
    with containers(host.variant, monkeypatch) as found:
        yield found


def codes(entry):
    return [found["code"] for found in entry["findings"]]


def lines(entry):
    return {(found["transport"], found["family"], found["table"]): found["lines"] for found in entry["rules"]}


def test_a_container_without_rules(engine):
    engine.start("app")
    engine.sh("app", "ip link add eth0 type veth peer name other", "ip address add 192.0.2.5/24 dev eth0", "ip link set lo up")
    entry = engine.look(name="app")["app"]
    assert entry["rules"] == [] and entry["addresses"] == [{"interface": "eth0", "address": "192.0.2.5/24"}]
    assert entry["pid"] == engine.pid("app") and entry["namespace"]["path"] == "/proc/%d/ns/net" % engine.pid("app")
    assert entry["engine_socket"] is False and entry["host_network"] is False and entry["privileged"] is False


def test_rules_of_both_variants_are_told(engine):
    for variant in ("nft", "legacy"):
        reason = missing(*tools_of(variant))
        if reason:
            pytest.skip(reason)
    engine.start("app")
    engine.sh("app", "iptables-nft -w -A INPUT -s 192.0.2.1 -j DROP", "ip6tables-legacy -w -t mangle -P OUTPUT DROP",
              "iptables-legacy -w -N OWN")
    assert lines(engine.look(name="app")["app"]) == {
        ("nft", "ipv4", "filter"): ["-A INPUT -s 192.0.2.1/32 -j DROP"],
        ("legacy", "ipv6", "mangle"): [":OUTPUT DROP"],
        ("legacy", "ipv4", "filter"): [":OWN -"],
    }


def test_its_own_rules_can_be_kept_from_the_host(engine):
    engine.start("app", config={"CapAdd": ["NET_ADMIN"]})
    own = "iptables-%s -w " % engine.variant
    engine.sh("app", own + "-A INPUT -s 192.0.2.1 -j DROP", own + "-P FORWARD DROP", own + "-N OWN", own + "-A OUTPUT -j OWN",
              own + "-t nat -N DOCKER_OUTPUT", own + "-t nat -A OUTPUT -d 127.0.0.11 -j DOCKER_OUTPUT")
    engine.apply("-s 192.0.2.2 -j DROP", name="app")
    (found,) = [item for item in engine.look(name="app")["app"]["findings"] if item["code"] == "net_admin"]
    assert found["rules"] == [
        {"table": "filter", "chain": "INPUT", "ip_version": "ipv4", "rules": ["-s 192.0.2.1/32 -j DROP"]},
        {"table": "filter", "chain": "FORWARD", "ip_version": "ipv4", "rules": ["-j DROP"]},
    ]
    assert "1 lines lead to chains of its own" in found["hint"]
    engine.start("less")
    for number, arguments in enumerate(found["rules"]):
        engine.apply(*arguments["rules"], name="less", section="own%d" % number, table=arguments["table"],
                     chain=arguments["chain"], ip_version=arguments["ip_version"])
    assert engine.rules("less", "DB-NS-own0") == ["-s 192.0.2.1/32 -j DROP"]
    assert engine.rules("less", "DB-NS-own1") == ["-j DROP"]


@pytest.mark.parametrize("config, mounts, expected", [
    ({"CapDrop": ["NET_RAW"]}, (), []),
    ({"CapDrop": ["ALL"]}, (), []),
    ({}, (), ["net_raw"]),
    ({"CapDrop": ["ALL"], "CapAdd": ["CAP_NET_ADMIN"]}, (), ["net_admin"]),
    ({"CapDrop": ["NET_RAW"], "CapAdd": ["ALL"]}, (), ["net_admin"]),
    ({"Privileged": True}, (), ["privileged"]),
    ({"CapDrop": ["ALL"]}, ["/var/run/docker.sock"], ["engine_socket"]),
    ({"CapDrop": ["ALL"]}, ["/run"], ["engine_socket"]),
    ({"CapDrop": ["ALL"]}, ["/srv/run"], []),
])
def test_what_a_stopped_container_would_hold(engine, config, mounts, expected):
    engine.start("app", config=config, mounts=mounts)
    engine.stop("app")
    entry = engine.look(name="app")["app"]
    assert codes(entry) == expected and entry["state"] == "exited" and entry["namespace"] == {"inode": None, "path": None}


def test_the_kernel_tells_what_a_running_one_holds(engine):
    engine.start("app")
    # The engine says that it dropped it; the process has it.
    engine.tell("app", Pid=engine.pid("app"))
    for item in engine.engine.inspected.values():
        item["HostConfig"]["CapDrop"] = ["ALL"]
    held = int(subprocess.run(["sh", "-c", "grep CapBnd /proc/%d/status | cut -f2" % engine.pid("app")], capture_output=True,
                              text=True, check=True).stdout, 16)
    entry = engine.look(name="app")["app"]
    assert (entry["net_admin"], entry["net_raw"]) == (bool(held >> 12 & 1), bool(held >> 13 & 1))


def test_on_the_hosts_network_and_shared(engine):
    engine.start("hosted", host=True)
    engine.start("app")
    engine.start("sidecar", "container:app")
    found = engine.look()
    assert codes(found["hosted"])[0] == "host_network" and found["hosted"]["rules"] == []
    assert found["app"]["shared_with"] == ["sidecar"] and found["sidecar"]["shared_with"] == ["app"]
    assert found["hosted"]["shared_with"] == []


def test_a_container_that_ends_while_it_is_looked_at(engine):
    engine.start("app")
    engine.engine.before_inspect = lambda _id, times: engine.stop("app") if times == 2 else None
    entry = engine.look()["app"]
    assert entry["state"] == "exited" and "ended" in entry["reason"] and entry["rules"] == []


def test_by_process_nobody_tells_what_the_engine_would(engine):
    engine.start("app")
    (entry,) = engine.look(pid=engine.pid("app")).values()
    assert (entry["privileged"], entry["engine_socket"]) == (None, None) and entry["net_admin"] is not None
    (entry,) = engine.look(path="/proc/%d/ns/net" % engine.pid("app")).values()
    assert (entry["net_admin"], entry["net_raw"]) == (None, None)
