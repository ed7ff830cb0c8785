# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""What packet_trace sees of real packets is what the verdict says about them, and no probe stays, whatever ends the trace."""
import contextlib
import itertools
import json
import os
import select
import signal

import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.errors import DrawbridgeError
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.system.lock import HostLock
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.trace import nft_probes, packet_log, trace
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.trace.result import traced_values

from tests.integration.kernel.support import forge
from tests.integration.kernel.support.forge_rules import DNATED, SERVICE
from tests.integration.kernel.support.forge_stage import ADDRESS, OUTSIDE, WAN, mark
from tests.integration.kernel.support.namespace import missing

NUMBERS = itertools.count(1)
METHODS = {"nft": "trace", "legacy": "nflog"}
BOUNDS = {"seconds": 20, "packets": 1, "rate": 50, "method": "auto", "lock_timeout": 5}
LABEL = "drawbridge-trace-"
# Between the engine's rules: who is dropped on the way to a container, who on the way to the host, and a detour for everybody.
RULES = """*filter
:DETOUR - [0:0]
-I INPUT -p udp -m udp --dport 9001 -j DROP
-I INPUT -p udp -m udp --dport 9002 -j REJECT
-I DOCKER-USER -s {attacker} -j DROP
-I DOCKER-USER -j DETOUR
-A DETOUR -p udp -m comment --comment "a \\"b\\" {{{{ 1 + 1 }}}} # handle 7" -j RETURN
COMMIT
"""


@pytest.fixture(name="watched")
def stage_with_rules(host, stage, tmp_path, monkeypatch):
    monkeypatch.setattr(trace, "HostLock", lambda timeout: HostLock(timeout, str(tmp_path / "drawbridge.lock")))
    reason = missing("nft")
    if reason:
        pytest.skip(reason)
    for family in (4, 6):
        host.restore(RULES.format(attacker=ADDRESS["attacker"][family]), family)
    return stage


def until(what):
    """Wait until something is so."""
    for _attempt in range(3000):
        found = what()
        if found:
            return found
        select.select([], [], [], 0.01)
    raise AssertionError("it did not come to be")


def probes(host):
    """All that a trace may leave."""
    return [line for text in (host.save(4), host.save(6), host.sh("nft", "list", "ruleset")) for line in text.splitlines() if LABEL in line]


def is_set(host):
    tables = [["*" + table for table in ("\n" + host.save(family)).split("\n*")[1:]] for family in (4, 6)]
    return any(found and all(LABEL in table for table in found) for found in tables) or "nftrace set 1" in host.sh("nft", "list", "ruleset")


class Watch:
    """A trace in a process of its own."""

    def __init__(self, host, packet, **changes):
        params = {**BOUNDS, "packet": packet, "method": METHODS[host.variant], **changes}
        self.host = host
        self._read, write = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            with contextlib.suppress(BaseException):
                os.write(write, self._result(host, params))
            os._exit(0)
        os.close(write)
        until(lambda: is_set(host) or select.select([self._read], [], [], 0)[0])

    @staticmethod
    def _result(host, params):
        try:
            values, warnings = traced_values(host.system, params, False)
            return json.dumps(dict(values, warnings=warnings)).encode()
        except Exception as error:
            return json.dumps({"error": "%s: %s" % (type(error).__name__, error)}).encode()

    def result(self):
        text = b"".join(iter(lambda: os.read(self._read, 65536), b""))
        self.end()
        found = json.loads(text)
        assert "error" not in found, found
        return found

    def end(self):
        os.close(self._read)
        os.waitpid(self.pid, 0)


def send(stage, family, source, destination, port, protocol=forge.UDP, sport=40000):
    number = next(NUMBERS)
    packet = forge.Packet(family, protocol, ADDRESS[source][family], ADDRESS[destination][family], (sport, port), mark(number, 1))
    stage.send(OUTSIDE, (family, forge.packed(packet)))


def asked(family, source, destination, port, **more):
    return dict({"from": ADDRESS[source][family], "to": ADDRESS[destination][family], "port": port, "protocol": "udp"}, **more)


# Who sends, to which port of the host; the verdict, and what the seen packet's reason or end point has.
CASES = {
    "DNATed": ("client", DNATED, "accepted", "leaves by docker0"),
    "dropped": ("attacker", DNATED, "dropped", "DOCKER-USER"),
    "accepted": ("client", SERVICE, "accepted", "comes to the host"),
    "dropped by the host": ("client", 9001, "dropped", "INPUT"),
    "rejected": ("client", 9002, "rejected", "INPUT"),
}


def test_the_path_is_the_verdicts(host, watched):
    before = host.everything()
    for family, (name, (source, port, verdict, words)) in itertools.product((4, 6), CASES.items()):
        watch = Watch(host, asked(family, source, "host", port))
        # Another flow meanwhile, and a later packet of no interest.
        send(watched, family, source, "second", port)
        send(watched, family, source, "host", port, sport=41000 + port % 100)
        found = watch.result()
        assert not probes(host) and host.everything() == before, name
        seen, = found["seen"]
        assert found["agrees"] is True and found["difference"] is None, (name, found["difference"])
        # Chains do not tell a drop from a reject.
        sees = "dropped" if host.variant == "legacy" and verdict == "rejected" else verdict
        assert (seen["said"]["verdict"], seen["verdict"]) == (verdict, sees), (name, found)
        assert words in (seen["reason"] if host.variant == "nft" else seen["said"]["reason"] + seen["reason"]), (name, found)
        assert ":%d" % (41000 + port % 100) in seen["packet"]
        if host.variant == "nft":
            assert [step for step in seen["said"]["path"] if step["table"]] == seen["path"], name
        elif name == "DNATed":
            changes = [step["change"] for step in seen["path"] if step["change"]]
            assert changes == [step["change"] for step in seen["said"]["path"] if step["change"]] and len(changes) == 1
            assert ["filter", "DETOUR"] in [[step["table"], step["chain"]] for step in seen["path"]]


def test_a_verdict_that_is_wrong_is_told(host, watched):
    """The rules change behind the snapshot's back: the packet meets what the verdict does not know of."""
    watch = Watch(host, asked(4, "client", "host", DNATED))
    host.restore("*filter\n-I DETOUR 1 -j DROP\nCOMMIT\n")
    send(watched, 4, "client", "host", DNATED)
    found = watch.result()
    assert found["agrees"] is False and not probes(host)
    # The new rule is in the list of rules that the trace begins with, or it is not: the difference is at this rule, or at the next one.
    assert "DETOUR" in found["difference"] or "DOCKER-USER" in found["difference"]


def test_later_packets_of_connections(host, watched):
    """Those of the state that is not asked for are not taken for those that are."""
    send(watched, 4, "client", "host", SERVICE, sport=43000)
    watched.heard()
    watched.send_from_host(4, "host", "client", (SERVICE, 43000), b"answer")
    for state, expected in (("new", 0), ("established", 1)):
        watch = Watch(host, asked(4, "client", "host", SERVICE, state=state, source_port=43000), seconds=1)
        send(watched, 4, "client", "host", SERVICE, sport=43000)
        found = watch.result()
        assert len(found["seen"]) == expected and found["agrees"] is (True if expected else None), (state, found)
        assert not probes(host)


def test_no_probe_outlives_the_trace(host, watched, monkeypatch):
    """Of nftables neither a table that its process owns, nor one that a guard looks after."""
    before = host.everything()
    for owned in (True, False) if host.variant == "nft" else (False,):
        if not owned:
            monkeypatch.setattr(nft_probes, "has_owners", lambda _system: False)
        for number in (signal.SIGTERM, signal.SIGKILL, signal.SIGINT):
            watch = Watch(host, asked(4, "client", "host", DNATED))
            assert probes(host)
            os.kill(watch.pid, number)
            watch.end()
            until(lambda: not probes(host))
            assert host.everything() == before


def test_the_next_trace_removes_what_is_left(host, watched, monkeypatch):
    """The process and its guard are both killed."""
    monkeypatch.setattr(nft_probes, "has_owners", lambda _system: False)
    before = host.everything()
    watch = Watch(host, asked(4, "client", "host", DNATED))
    guard, = until(lambda: [pid for pid in children(watch.pid) if os.getsid(pid) == pid])
    os.kill(guard, signal.SIGKILL)
    os.kill(watch.pid, signal.SIGKILL)
    watch.end()
    assert probes(host)
    second = Watch(host, asked(4, "client", "second", SERVICE), seconds=1)
    assert second.result()["seen"] == [] and not probes(host) and host.everything() == before


def children(pid):
    with open("/proc/%d/task/%d/children" % (pid, pid), encoding="utf-8") as stream:
        return [int(pid) for pid in stream.read().split()]


def test_an_error_leaves_nothing(host, watched, monkeypatch):
    before = host.everything()

    def fails(*_arguments):
        raise DrawbridgeError("on purpose")

    monkeypatch.setattr(trace, "_listened", fails)
    watch = Watch(host, asked(4, "client", "host", DNATED))
    with pytest.raises(AssertionError, match="on purpose"):
        watch.result()
    assert not probes(host) and host.everything() == before


def test_probes_of_the_kernels_log(host, watched, monkeypatch):
    """Nothing is put where the kernel would say nothing. Elsewhere rules are put, whose lines would go to the machine's own log, and taken away again."""
    before = host.everything()
    for value in ("0", None):
        monkeypatch.setattr(packet_log, "_first_setting", lambda _system, value=value: value)
        with pytest.raises(DrawbridgeError, match="nf_log_all_netns") as caught:
            traced_values(host.system, dict(BOUNDS, packet=asked(4, "client", "host", DNATED), method="log"), False)
        assert "sysctl -w net.netfilter.nf_log_all_netns=1" in caught.value.hint and host.everything() == before
    monkeypatch.setattr(packet_log, "_first_setting", lambda _system: "1")
    before = host.everything()
    watch = Watch(host, asked(4, "client", "host", DNATED), method="log", seconds=1)
    rules = [line for line in host.save().splitlines() if LABEL in line]
    assert len(rules) > 10 and all("-j LOG --log-prefix" in line for line in rules)
    assert watch.result()["seen"] == [] and not probes(host) and host.everything() == before


def test_the_hosts_own_packets_and_bad_words(host, watched):
    watch = Watch(host, {"from": "host", "to": ADDRESS["client"][4], "port": 53, "protocol": "udp"})
    watched.send_from_host(4, "host", "client", (44000, 53), b"x")
    found = watch.result()
    assert found["agrees"] is True and found["seen"][0]["reason"] == "leaves by %s" % WAN, found
    for wrong, place in (({"from": "host"}, "packet.to"), (asked(4, "client", "host", 1, state="reply"), "packet.state"),
                         (asked(4, "client", "host", 1, interface="a\"; b"), "packet.interface")):
        with pytest.raises(DrawbridgeError) as caught:
            traced_values(host.system, dict(BOUNDS, packet=wrong), False)
        assert caught.value.path.startswith(place)
    assert not probes(host)
