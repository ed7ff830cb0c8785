# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Which way packets take on hosts with the rules that seven real engines made, as it was measured with those engines."""
import re

import pytest

from tests.unit.support.verdict_hosts import captured, judged, places

OLD, MIDDLE, NEW = ("20.10.24", "24.0.7", "26.1.5", "27.5.1"), ("28.5.2",), ("29.1.3",)
NFTABLES = "29.7.2-nftables"
ENGINES = (*OLD, *MIDDLE, *NEW, NFTABLES)
SOCKETS = "\n".join("tcp LISTEN 0 4096 %s 0.0.0.0:* users:((\"docker-proxy\",pid=1,fd=4))" % place
                    for place in ("0.0.0.0:8080", "[::]:8080", "127.0.0.1:8081", "0.0.0.0:8082", "[::]:8082")) + "\n"
WEB = ("accepted", "interface", "172.17.0.2:80, by docker0")
BY_PROXY = ("accepted", "listener", "docker-proxy, which listens at 0.0.0.0:8080/tcp")
BY_PROXY_6 = ("accepted", "listener", "docker-proxy, which listens at [::]:8080/tcp")
DROPPED = ("dropped", "none", "")
# Path, packet, and what becomes of it by engine.
PATHS = {
    "outside, published port": ({"to": "192.0.2.10:8080"}, dict.fromkeys(ENGINES, WEB)),
    "outside, IPv6": ({"source": "2001:db8:9::9", "to": "[2001:db8::10]:8080"}, dict.fromkeys(ENGINES, BY_PROXY_6)),
    "host, loopback": ({"source": "host", "to": "127.0.0.1:8080"}, dict.fromkeys(ENGINES, BY_PROXY)),
    "host, its own address": ({"source": "host", "to": "192.0.2.10:8080"}, dict.fromkeys(ENGINES, WEB)),
    "container, same bridge": ({"source": "172.17.0.3", "to": "192.0.2.10:8080"}, dict.fromkeys(ENGINES, BY_PROXY)),
    "container, other bridge": ({"source": "172.18.0.9", "to": "192.0.2.10:8080"},
                                {**dict.fromkeys((*OLD, *MIDDLE), BY_PROXY), **dict.fromkeys((*NEW, NFTABLES), WEB)}),
    "outside, container's address": ({"to": "172.17.0.2:80"}, {**dict.fromkeys(OLD, WEB), **dict.fromkeys((*MIDDLE, *NEW, NFTABLES), DROPPED)}),
    "outside, container's other port": ({"to": "172.17.0.2:5432"}, dict.fromkeys(ENGINES, DROPPED)),
    "outside, published on loopback": ({"to": "192.0.2.10:8081"}, dict.fromkeys(ENGINES, ("accepted", "nobody", "nobody listens at 192.0.2.10:8081/tcp"))),
    "outside, loopback's address": ({"to": "127.0.0.1:8081", "interface": "eth0"}, {
        **dict.fromkeys(OLD, ("accepted", "interface", "172.18.0.2:80, by br-")), **dict.fromkeys((*MIDDLE, *NEW, NFTABLES), DROPPED),
    }),
    "container, outside": ({"source": "172.17.0.2", "to": "203.0.113.9:443"}, dict.fromkeys(ENGINES, ("accepted", "interface", "203.0.113.9:443, by eth0"))),
    "container, other network": ({"source": "172.17.0.2", "to": "172.18.0.2:80"}, dict.fromkeys(ENGINES, DROPPED)),
    "container, its neighbour": ({"source": "172.17.0.2", "to": "172.17.0.3:80"},
                                 dict.fromkeys(ENGINES, ("accepted", "bridge", "172.17.0.3:80, by the bridge docker0"))),
    "the container's answer": ({"to": "192.0.2.10:8080", "source_port": 40000, "state": "reply"},
                               dict.fromkeys(ENGINES, ("accepted", "interface", "203.0.113.9:40000, by eth0"))),
}


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("engine", ENGINES)
def test_the_way_is_the_measured_one(engine, path):
    packet, ends = PATHS[path]
    answer = judged(captured(engine, sockets=SOCKETS), **packet)
    # Each host's second bridge has a name of its own.
    assert (answer.verdict, answer.end.kind, re.sub("by br-.*", "by br-", answer.end.words)) == ends[engine], answer.path


def test_the_path_of_a_published_port():
    answer = judged(captured("28.5.2", sockets=SOCKETS), to="192.0.2.10:8080")
    assert places(answer) == [
        ("nat", "PREROUTING", 1), ("nat", "DOCKER", 3), ("filter", "FORWARD", 1), ("filter", "FORWARD", 2), ("filter", "DOCKER-FORWARD", 1),
        ("filter", "DOCKER-FORWARD", 2), ("filter", "DOCKER-FORWARD", 3), ("filter", "DOCKER-BRIDGE", 1), ("filter", "DOCKER", 2)]
    assert [step.change for step in answer.path if step.change] == ["destination is 172.17.0.2:80"]


def test_masquerading_is_told():
    answer = judged(captured("26.1.5"), source="172.17.0.2", to="203.0.113.9:443")
    assert [step.change for step in answer.path if step.change] == ["source is 192.0.2.10"]


def test_the_path_through_the_engines_own_tables():
    """They are the recorded tables of an engine with the backend nftables, loaded and printed as JSON."""
    answer = judged(captured(NFTABLES, sockets=SOCKETS), to="192.0.2.10:8080")
    assert places(answer) == [
        ("ip docker-bridges", "nat-PREROUTING", 1), ("ip docker-bridges", "nat-prerouting-and-output", 1), ("ip docker-bridges", "filter-FORWARD", 1),
        ("ip docker-bridges", "filter-forward-in__docker0", 3), ("ip docker-bridges", "nat-POSTROUTING", 2)]
    assert answer.path[1].text == "iifname != docker0 tcp dport 8080 dnat to 172.17.0.2:80 comment \"DNAT\""
    assert [step.change for step in answer.path if step.change] == ["destination is 172.17.0.2:80"]
    dropped = judged(captured(NFTABLES), to="172.17.0.2:5432")
    assert dropped.reason == ("rule 1 of chain raw-PREROUTING in table ip docker-bridges: ip daddr 172.17.0.2 iifname != docker0 drop comment "
                              "\"DROP DIRECT ACCESS\"")


def test_no_question_is_open_with_the_engines_tables():
    told = [judged(captured(engine, sockets=SOCKETS), **packet) for engine in ENGINES for packet, _ends in PATHS.values()]
    assert [str(item) for answer in told for item in answer.decided] == []
