# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Who reaches what on hosts with the rules that real engines made: every answer is packet_verdict's own, and findings name what is wrong."""
import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.inspect.audit.look import Asked, put_together
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.inspect.survey import EngineAnswers
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.verdict.walk.asked import parse_asked
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.verdict.walk.judge import Judge

from tests.unit.support.audit_data import audited, recorded, surveyed

ENGINES = ("20.10.24", "24.0.7", "26.1.5", "27.5.1", "28.5.2", "29.1.3")
OLD = ENGINES[:4]
ZONES = {"office": ["203.0.113.0/24", "2001:db8:9::/48"], "vpn": {"sources": ["192.0.2.99"], "interface": "eth0"}}


def states(told, kind, port, name="web", family="ipv4"):
    """The state by zone of one target."""
    target, = [item for item in told["reachability"]["targets"] if (item["kind"], item["port"], item["family"], item["name"]) == (kind, port, family, name)]
    return {cell["zone"]: cell["state"] for cell in target["reach"]}


def found(told):
    return {item["id"]: item for item in told["findings"]}


@pytest.mark.parametrize("engine", ENGINES)
def test_every_cell_is_what_packet_verdict_answers(engine):
    told = audited(engine, ZONES)
    judge, reach = Judge(recorded(engine)), told["reachability"]
    cells = [cell for target in reach["targets"] for cell in target["reach"] if cell["asked"]]
    assert len(cells) > 40
    for cell in cells:
        answer = judge.judge(parse_asked([cell["asked"]])[0]).shown
        path = [reach["steps"][number] for number in reach["paths"][cell["path"]]]
        assert (cell["verdict"], cell["packet"], cell["end_point"], path) == tuple(answer[key] for key in ("verdict", "packet", "end_point", "path"))
        assert (cell["state"] == "open") == (answer["verdict"] == "accepted" and answer["end_point"]["kind"] != "nobody")


@pytest.mark.parametrize("engine", ENGINES)
def test_who_reaches_what(engine):
    told = audited(engine, ZONES)
    everywhere = dict.fromkeys(["internet", "neighbours by eth0", "office", "vpn", "containers of bridge", "containers of back"], "open")
    assert states(told, "published", 8080) == everywhere
    # Old engines let neighbours reach the loopback's ports and containers' own addresses.
    by_engine = "open" if engine in OLD else "closed"
    assert states(told, "published", 8081, "db") == {**dict.fromkeys(everywhere, "none"), "neighbours by eth0": by_engine}
    direct = states(told, "direct", 80, "db")
    assert direct["internet"] == "none" and direct["neighbours by eth0"] == direct["office"] == by_engine and direct["containers of bridge"] == "closed"
    assert states(told, "service", 22, "sshd")["internet"] == "open"
    assert not [item for item in told["reachability"]["targets"] if item["port"] == 631 or item["name"] == "docker-proxy"]


def test_packets_of_a_zone_come_by_its_interface():
    told = audited("28.5.2", {"odd": {"sources": ["172.17.0.9"], "interface": "eth0"}, "plain": ["172.17.0.9"]})
    packets = {cell["zone"]: cell["packet"] for cell in told["reachability"]["targets"][0]["reach"]}
    assert packets["odd"] == "tcp from 172.17.0.9 to 192.0.2.10:8080 by eth0, new"
    assert packets["plain"] == "tcp from 172.17.0.9 to 192.0.2.10:8080 by docker0, new"


def test_a_host_without_a_policy():
    """What a newcomer sees."""
    old, new = found(audited("20.10.24")), found(audited("28.5.2"))
    assert list(old) == ["loopback_reachable", "containers_reachable_directly", "open_to_internet", "engine_api_reachable", "unguarded_ports", "ipv6_by_proxy",
                         "served_by_proxy"]
    assert list(new) == ["open_to_internet", "engine_api_reachable", "unguarded_ports", "served_by_proxy"]
    assert [line.partition(": ")[0] for line in new["open_to_internet"]["evidence"]] == [
        "ipv4 0.0.0.0:8080/tcp (web)", "ipv4 0.0.0.0:8082/tcp (db)", "ipv6 [::]:8080/tcp (web)"]
    for item in (*old.values(), *new.values()):
        assert item["severity"] in ("high", "medium", "low") and item["evidence"] and item["remedy"] and item["message"]


def test_an_engine_that_does_not_answer():
    """What docker-proxy serves is told as a service then. What is only DNATed nobody knows of."""
    snapshot = recorded("28.5.2")
    silent = surveyed(snapshot, "28.5.2")._replace(answers=EngineAnswers({}, {}, [], [], "refused"))
    told = put_together(silent, snapshot, [], "absent", Asked("auto", [], 500))
    assert found(told)["engine_not_asked"]["evidence"] == ["refused"] and told["engine"]["reachable"] is False
    assert {(item["kind"], item["name"], item["port"]) for item in told["reachability"]["targets"]} == {
        ("service", "docker-proxy", 8080), ("service", "docker-proxy", 8082), ("service", "sshd", 22), ("service", "dockerd", 2375)}


def test_a_host_without_ipv6():
    snapshot = recorded("28.5.2")
    snapshot = snapshot._replace(texts={name: text for name, text in snapshot.texts.items() if name != "ip6tables"})
    told = put_together(surveyed(snapshot, "28.5.2"), snapshot, [], "absent", Asked("auto", [], 500))
    assert set(states(told, "published", 8080, family="ipv6").values()) == {"none"} and "not_known" not in found(told)


def test_more_targets_than_asked_for_are_told():
    told = audited("28.5.2", most_targets=2)
    assert [(item["port"], item["kind"]) for item in told["reachability"]["targets"]] == [(8080, "published"), (8081, "published")]
    assert told["reachability"]["left_out"] == 7 and found(told)["targets_left_out"]["evidence"] == ["7 were left out"]
    assert "targets_left_out" not in found(audited("28.5.2"))


def test_names_are_left_as_they_are():
    name = "{{ 1 + 1 }}</script>\n'\""
    told = audited("28.5.2", names={"web": name})
    assert states(told, "published", 8080, name)["internet"] == "open"
    assert any(name in line for line in found(told)["open_to_internet"]["evidence"])
