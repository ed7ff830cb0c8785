# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""quarantine on a bridge of this namespace: who is reached, by real datagrams and connections, and what is left of it."""
import socket
import subprocess

import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.errors import DrawbridgeError
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.network.conntrack import flows
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.network.ssh import Connection
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.system.system import System
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.persistence.records.quarantine_notes import Notes
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.persistence.records.records import Records
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.chains.quarantine import PORTS_TABLE
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.tasks import quarantine
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.tasks.run import Task

from .support.bridged import Bridged, sh
from .support.containers import containers
from .support.namespace import missing

GIVEN = {"name": None, "id": None, "compose_project": None, "state": "present", "reason": "INC-1", "by": "alice", "on_missing": "fail",
         "docker_host": "unused", "lock_timeout": 5}
PROJECT = "com.docker.compose.project"


class Quarantined(Bridged):
    """Two containers, and the module's job."""

    def __init__(self, found, host):
        super().__init__(found)
        self.host = host
        self.start("a", 10, "veth000000a", {PROJECT: "shop"})
        self.start("b", 11, "veth000000b", {PROJECT: "shop"})

    def apply(self, check=False, **params):
        given = dict(GIVEN, transport=self.found.variant, **params)
        return quarantine.keep_quarantine(Task(given, check, System(), True), lambda _address: self.found.engine)

    def lift(self, **params):
        return self.apply(state="absent", reason=None, **params)

    def everything(self):
        """All rules of the host and of the containers, and the host's tables."""
        inside = [line for name in self.found.processes for program in ("iptables", "ip6tables") for line in self.found.save(name, program=program)]
        # A table that was read once stays, empty.
        return (*self.host.everything(), tables(), [line for line in inside if line.startswith("-A") or "DB" in line])

    def tell_of_networks(self, name, *addresses):
        for item in self.found.engine.inspected.values():
            if item["Name"] == "/" + name:
                item["NetworkSettings"] = {"Networks": {"n%d" % number: {"IPAddress": address, "GlobalIPv6Address": ""}
                                                        for number, address in enumerate(addresses)}}


def tables():
    return subprocess.run(["nft", "list", "tables", "bridge"], capture_output=True, text=True, check=True).stdout


@pytest.fixture(name="stage")
def bridge_with_two(host, monkeypatch):
    reason = missing("nft", "ip", "ss", "conntrack")
    if reason:
        pytest.skip(reason)
    monkeypatch.setattr(quarantine, "event_service", lambda _system: "absent")
    with containers(host.variant, monkeypatch) as found:
        yield Quarantined(found, host)


WAYS = [("a", "b"), ("b", "a"), (None, "a"), ("a", None)]


def test_cut_off_both_ways_and_all_as_before(stage):
    before = stage.everything()
    assert all(stage.reaches(*way, family=family) for way in WAYS for family in (4, 6))
    predicted = stage.apply(check=True, name="a")
    assert stage.everything() == before and Notes().all() == []
    done = stage.apply(name="a")
    (entry,) = done.values["containers"]
    assert done.values["changed"] and entry["cut_off_by"] == ["namespace", "ports"] and entry["ports"] == ["veth000000a"]
    assert predicted.values["containers"] == done.values["containers"] and predicted.values["diff"] == done.values["diff"]
    assert "cut off: nothing comes in" in done.values["diff"][0]["after"] and "INC-1" in done.values["diff"][0]["after"]
    assert not any(stage.reaches(*way, family=family) for way in WAYS for family in (4, 6))
    assert stage.reaches("b", None) and stage.reaches("a", "a") and stage.reaches("a", "a", 6)
    with stage.inside("a"), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking, pytest.raises(PermissionError):
        asking.sendto(b"a name", ("127.0.0.11", 53))
    again = stage.apply(name="a", by="bob")
    assert not again.values["changed"] and again.values["diff"] == [] and again.values["quarantine"] == done.values["quarantine"]
    assert done.values["holds"] == "until_restart" and any("until a container restarts" in text for text in done.warnings)
    assert stage.lift(name="a", check=True).values["changed"] and not stage.reaches("a", "b")
    lifted = stage.lift(name="a")
    assert lifted.values["changed"] and lifted.values["quarantine"]["by"] == "alice" and Notes().all() == []
    assert stage.everything() == before and all(stage.reaches(*way) for way in WAYS)
    assert not stage.lift(name="a").values["changed"]


@pytest.mark.parametrize("left", ["namespace", "ports"])
def test_each_of_the_two_holds_alone(stage, left):
    """What a process with NET_ADMIN does inside, and what a flush of nftables does on the host."""
    stage.apply(name="a")
    if left == "ports":
        for program in ("iptables", "ip6tables"):
            stage.found.sh("a", "%s-%s -w -t mangle -F" % (program, stage.found.variant))
    else:
        sh("nft", "delete", "table", "bridge", PORTS_TABLE)
    assert not any(stage.reaches(*way, family=family) for way in WAYS[:2] for family in (4, 6))
    # One way at a time: who knows the other's hardware address needs no answer.
    stage.know("b", "a")
    stage.know("a", "b")
    assert not stage.reaches("b", "a", flush=False) and not stage.reaches("a", "b", flush=False)
    assert stage.apply(name="a").values["changed"] and not stage.apply(name="a").values["changed"]


def test_a_project_and_who_shares_a_namespace(stage):
    stage.found.start("sidecar", "container:a")
    stage.start("c", 12, "veth000000c")
    done = stage.apply(compose_project="shop")
    assert done.values["also_cut_off"] == ["sidecar"] and any("'sidecar' cut off as well" in text for text in done.warnings)
    assert not stage.reaches("a", "b") and not stage.reaches("a", "c") and stage.reaches("c", None)
    # Each of two quarantines holds until it is lifted, by name, project or a shared namespace.
    assert stage.apply(name="sidecar").values["changed"]
    with pytest.raises(DrawbridgeError, match="'b' stays cut off by another quarantine .compose_project 'shop', by 'alice'."):
        stage.lift(name="b")
    lifted = stage.lift(compose_project="shop")
    assert [entry["name"] for entry in lifted.values["containers"]] == ["b"] and "'a' stays cut off by another" in lifted.warnings[-1]
    assert stage.reaches("b", "c") and not stage.reaches("a", "c")
    stage.lift(name="sidecar")
    assert stage.reaches("a", "c") and PORTS_TABLE not in tables()


def test_a_host_network_is_refused_and_so_is_the_way_in(stage, monkeypatch):
    stage.found.start("hosted", host=True, labels={PROJECT: "shop"})
    before = stage.everything()
    for selector in ({"name": "hosted"}, {"compose_project": "shop"}):
        with pytest.raises(DrawbridgeError, match="'hosted'.*host's network"):
            stage.apply(**selector)
    stage.tell_of_networks("a", "192.0.2.10")
    monkeypatch.setattr(quarantine, "controlling_connection", lambda _system: Connection("192.0.2.1", 22, "192.0.2.10"))
    with pytest.raises(DrawbridgeError, match="SSH connection"):
        stage.apply(name="a")
    assert stage.everything() == before and Notes().all() == []


def test_open_connections_end(stage):
    stage.tell_of_networks("a", "192.0.2.10", "203.0.113.9")
    stage.host.restore("*filter\n-A INPUT -m conntrack --ctstate NEW -j ACCEPT\nCOMMIT\n")
    with stage.inside("a"):
        server, local = socket.create_server(("192.0.2.10", 80)), socket.create_server(("127.0.0.1", 80))
        own = socket.create_connection(("127.0.0.1", 80), 5)
    with server, local, own, socket.create_connection(("192.0.2.10", 80), 5) as client:
        inner, _address = server.accept()
        done = stage.apply(name="a")
        assert done.values["connections_closed"] == 1 and not [flow for flow in flows(System()) if flow.destination == "192.0.2.10"]
        assert any("1 of 2 networks have no port" in text for text in done.warnings)
        for end in (client, inner):
            end.settimeout(5)
            with pytest.raises(ConnectionAbortedError):
                end.recv(1)
        inner.close()
        with local.accept()[0] as kept:
            own.sendall(b"x")
            assert kept.recv(1) == b"x"


def test_those_that_are_gone(stage):
    identity = stage.found.engine.all_containers()[0]["Id"]
    for wrong, words in (({"name": "nobody"}, "no container matches"), ({"name": "a", "reason": " "}, "has a reason"),
                         ({"name": ""}, "chooses nothing"), ({}, "no container is chosen")):
        with pytest.raises(DrawbridgeError, match=words):
            stage.apply(**wrong)
    stage.apply(id=identity[:12])
    assert Notes().all()[0].selector == {"id": identity}
    stage.found.stop("a")
    assert [entry["state"] for entry in stage.apply(id=identity[:12]).values["containers"]] == ["exited"]
    del stage.found.engine.inspected[identity]
    lifted = stage.lift(id=identity[:12])
    assert lifted.values["changed"] and Notes().all() == []
    with pytest.raises(DrawbridgeError, match="no container matches"):
        stage.lift(id=identity[:12])
    assert not stage.lift(id=identity[:12], on_missing="ignore").values["changed"]


HOSTILE = ["a\nb", 'x"; drop # ', "{{ lookup('pipe', 'id') }}", "-A INPUT -j ACCEPT", "\u202e\x1b[2J"]


def test_hostile_names_and_reasons_do_no_harm(stage):
    for number, text in enumerate(HOSTILE):
        stage.start(text, 20 + number, "veth00000%02d" % number)
        done = stage.apply(name=text, reason=text, by=text)
        shown = "".join(done.warnings) + done.values["diff"][0]["after"].replace("\n", "")
        assert shown.isascii() and shown.isprintable()
        assert done.values["quarantine"]["reason"] == text and not stage.reaches(text, "a")
        assert stage.lift(name=text).values["changed"] and stage.reaches(text, "a")


def test_without_nft_rules_inside_hold_and_a_warning_says_so(stage, monkeypatch):
    monkeypatch.setattr(System, "which", lambda self, name, real=System.which: None if name == "nft" else real(self, name))
    done = stage.apply(name="a")
    assert done.values["containers"][0]["cut_off_by"] == ["namespace"]
    assert any("nft is not installed" in text for text in done.warnings)
    assert not any(stage.reaches(*way) for way in WAYS[:2])


def test_recorded_where_records_are_kept(stage, monkeypatch, tmp_path):
    (tmp_path / "records").mkdir(mode=0o700)
    monkeypatch.setattr(quarantine, "event_service", lambda _system: "running")
    done = stage.apply(name="a")
    assert done.values["recorded"] and done.values["holds"] == "over_restarts"
    # The test's containers are the test's own processes, which may do everything.
    assert len(done.warnings) == 1 and "'a': processes with NET_ADMIN can remove the rules inside" in done.warnings[0]
    (record,) = Records().all()
    assert record.module == "quarantine" and record.arguments["name"] == "a" and record.arguments["by"] is None
    assert not stage.apply(name="a").values["changed"]
    stage.lift(name="a")
    assert Records().all() == []
