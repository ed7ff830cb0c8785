# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""The event service itself, as systemd runs it, with an engine that tells what a test says and containers that are namespaces."""
import contextlib
import itertools
import os
import signal
import subprocess
import time

import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.system.system import System
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.persistence.records import records
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.persistence.records.records import Records
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.service.archive import archive
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.tasks.quarantine import keep_quarantine
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.tasks.run import Task

from .support.bridged import Bridged
from .support.containers import containers
from .support.engine_socket import EngineSocket
from .support.policies import policy

DROP, DROPPED = "-s 192.0.2.66 -j DROP", "-s 192.0.2.66/32 -j DROP"
# The machine's own lock, records and boot files are none of the tests' business.
OWN_PLACES = [
    "unshare", "--mount", "--propagation", "private", "sh", "-euc",
    'mount -t tmpfs tmpfs /run; mount -t tmpfs tmpfs /var/lib; mkdir -p /var/lib/drawbridge/records;'
    ' mount --bind "$1" /var/lib/drawbridge/records; shift; exec "$@"', "sh",
]


class Served:
    """Containers of a host whose engine is followed."""

    def __init__(self, host, folder, monkeypatch, found):
        (folder / "records").mkdir(mode=0o700)
        monkeypatch.setattr(records, "FOLDER", str(folder / "records"))
        self.host = host
        self.folder = folder
        self.containers = found
        self.engine = EngineSocket(folder / "engine.sock", found.engine)
        self.journal = folder / "journal"
        self.process = None
        (folder / "events.pyz").write_bytes(archive("service.program"))

    def ask(self, *rules, **selector):
        """What the module does where nothing runs yet: a record, and no container that is changed."""
        self.containers.apply(*rules, on_missing="ignore", **dict({"docker_host": self.engine.address}, **selector))

    @contextlib.contextmanager
    def running(self):
        argv = [str(self.folder / "records"), "/usr/bin/python3", "-I", str(self.folder / "events.pyz"), "--docker-host", self.engine.address]
        with open(self.journal, "wb") as out, subprocess.Popen(OWN_PLACES + argv, stderr=out) as self.process:
            try:
                self.wait(lambda: self.engine.is_heard, "the engine is heard")
                yield
            finally:
                self.process.send_signal(signal.SIGTERM)
                try:
                    self.ended = self.process.wait(30)
                finally:
                    self.process.kill()

    def start(self, name, **options):
        """A container starts, and the engine tells it."""
        identity = self.containers.start(name, **options)
        self.engine.happen(("network", "connect", identity), ("container", "start", identity))
        return identity

    def end(self, name):
        """A container ends, and the engine knows and tells it."""
        self.containers.stop(name)
        (identity,) = [item["Id"] for item in self.containers.engine.inspected.values() if item["Name"] == "/" + name]
        self.engine.happen(("container", "die", identity), ("network", "disconnect", identity))

    def has(self, name, chain="DB-NS-web"):
        return self.containers.rules(name, chain) == [DROPPED]

    def wait(self, condition, what):
        end = time.monotonic() + 60
        while not condition():
            assert self.process.poll() is None, self.journal.read_text()
            assert time.monotonic() < end, "%s: %s" % (what, self.journal.read_text())
            time.sleep(0.01)

    def wait_for_rules(self, *names, **options):
        self.wait(lambda: all(self.has(name, **options) for name in names), "rules of %s" % (names,))

    def size(self):
        """Memory in KiB, files and threads of the service."""
        place = "/proc/%d/" % self.process.pid
        status = dict(line.split(":", 1) for line in open(place + "status", encoding="ascii"))
        return int(status["VmRSS"].split()[0]), len(os.listdir(place + "fd")), int(status["Threads"])


@pytest.fixture(name="served")
def served_host(nft_host, tmp_path, monkeypatch):
    with containers(nft_host.variant, monkeypatch) as found:
        served = Served(nft_host, tmp_path, monkeypatch, found)
        try:
            yield served
        finally:
            served.engine.stop()


def test_those_that_run_and_those_that_start(served):
    served.ask(DROP, label=["tier=web"])
    served.containers.start("before", labels={"tier": "web"})
    with served.running():
        served.wait_for_rules("before")
        served.start("other")
        served.start("after", labels={"tier": "web"})
        served.wait_for_rules("after")
        assert not served.has("other")
        before = served.host.everything()
        served.end("after")
        served.containers.engine.inspected.popitem()
        served.start("after", labels={"tier": "web"})
        served.wait_for_rules("after")
        assert served.host.everything() == before
    assert served.ended == 0


def test_what_happened_while_the_engine_was_away(served):
    served.ask(DROP, name="web")
    with served.running():
        served.engine.stop()
        served.containers.start("web")
        served.engine.start()
        served.wait_for_rules("web")
        served.wait(lambda: "the engine tells its events again" in served.journal.read_text(), "it says so")
    assert "connecting again until it answers" in served.journal.read_text()


def test_a_task_while_it_runs(served):
    with served.running():
        served.ask(DROP, name="later")
        (record,) = Records().all()
        Records().remove(record.module, record.name)
        # One that starts after the module has looked for containers, and before it leaves its record.
        served.start("later")
        served.start("another")
        Records().put(record)
        served.wait_for_rules("later")
        served.ask(name="later", state="absent")
        assert not served.has("later")
        served.end("later")
        served.start("later2")
        served.ask(DROP, name="later2", section="b")
        served.wait_for_rules("later2", chain="DB-NS-b")
        assert not served.has("later2")


def test_the_later_of_two_holds_and_one_that_fails_keeps_no_other_back(served):
    served.ask("-s 192.0.2.1 -j DROP", label=["tier=web"])
    served.ask(DROP, name="one")
    served.ask("-m set --match-set nothere src -j DROP", name="two", section="b")
    with served.running():
        served.start("two", labels={"tier": "web"})
        served.start("one", labels={"tier": "web"})
        served.wait_for_rules("one")
        served.wait(lambda: served.containers.rules("two") == ["-s 192.0.2.1/32 -j DROP"], "the other record")
        served.wait(lambda: "not put into" in served.journal.read_text(), "the failure")
    assert served.ended == 0


def test_a_record_goes_with_the_container_whose_id_it_names(served):
    identity = served.containers.start("web")
    served.ask(DROP, id=identity[:12])
    with served.running():
        served.wait_for_rules("web")
        served.containers.kill("web")
        del served.containers.engine.inspected[identity]
        served.engine.stop()
        served.engine.start()
        served.wait(lambda: Records().all() == [], "the record is forgotten")


def test_a_hosts_network_is_never_entered(served):
    served.ask(DROP, label=["tier=web"])
    before = served.host.everything()
    with served.running():
        served.start("hosted", host=True, labels={"tier": "web"})
        served.start("web", labels={"tier": "web"})
        served.wait_for_rules("web")
        assert served.host.everything() == before
    assert "it is on the host's network" in served.journal.read_text()


def test_a_quarantine_comes_back_with_its_container(served):
    """Inside the namespace, and at the bridge port that the start made."""
    params = {"name": "web", "id": None, "compose_project": None, "state": "present", "reason": "INC-1", "by": None, "on_missing": "ignore",
              "docker_host": served.engine.address, "lock_timeout": 5, "transport": served.containers.variant}
    bridged = Bridged(served.containers)

    def ask(**changed):
        return keep_quarantine(Task(dict(params, **changed), False, System()), lambda _address: served.containers.engine)

    def starts(port):
        identity = bridged.start("web", 10, port)
        served.engine.happen(("network", "connect", identity), ("container", "start", identity))
        served.wait(lambda: [port in ports() and served.containers.rules("web", "DB-QUARANTINE") != []] == [True], "%s is closed" % port)

    def ports():
        return subprocess.run(["nft", "list", "ruleset"], capture_output=True, text=True, check=True).stdout

    assert ask().values["recorded"]
    with served.running():
        starts("veth000000a")
        served.end("web")
        starts("veth000001a")
        assert not bridged.reaches("web", None) and not ask().values["changed"]
        lifted = ask(state="absent", reason=None)
        assert lifted.values["changed"] and Records().all() == [] and bridged.reaches("web", None)
    assert "drawbridge-quarantine" not in ports()


def test_sets_follow_though_a_record_is_damaged(served):
    served.host.converge(policy("deny"))
    assert served.host.entries("DBP-pub-tcp-4a") == {"80", "443", "8080"}
    (served.folder / "records" / "container_netns_rule-0.json").write_text("{")
    with served.running():
        # The engine publishes nothing.
        served.wait(lambda: served.host.entries("DBP-pub-tcp-4a") == set(), "the set")
        served.wait(lambda: "container_netns_rule-0.json is not a record" in served.journal.read_text(), "it says so")
    assert served.ended == 0


EVENTS, AT_ONCE = 10_000, 50
# Files and threads while nothing is done: one listens, one closes, one works.
IDLE = (4, 3)


def test_it_does_not_grow(served, capsys):
    for number in range(5):
        served.ask(DROP, label=["tier=web"], section="s%d" % number)
    served.containers.start("still", labels={"tier": "web"})
    kinds = itertools.cycle([("container", "start"), ("container", "die"), ("network", "connect"), ("network", "disconnect"),
                             ("network", "create"), ("container", "rename")])
    (still,) = served.containers.engine.inspected

    def flood(count, first):
        for start in range(first, first + count, AT_ONCE):
            served.engine.happen(*((*next(kinds), still if number % 7 == 0 else "%064x" % number)
                                   for number in range(start, start + AT_ONCE)))

    def settled(name):
        # All that was told before this start has been taken.
        served.start(name, labels={"tier": "web"})
        served.wait_for_rules(name, chain="DB-NS-s4")

    with served.running():
        flood(EVENTS // 10, 0)
        settled("first")
        served.wait(lambda: served.size()[1:] == IDLE, "nothing is done")
        before = served.size()
        flood(EVENTS, EVENTS)
        settled("last")
        served.wait(lambda: served.size()[1:] == before[1:], "as many files and threads as before: %s" % (before,))
        after = served.size()
    with capsys.disabled():
        print("\n%d events: %d → %d KiB, %d files, %d threads, %d records" % (EVENTS, before[0], after[0], after[1], after[2], len(Records().all())))
    assert after[0] - before[0] < 4096
    assert len(Records().all()) == 5
    assert served.ended == 0
