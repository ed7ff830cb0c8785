# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Logged packets as sentences, with containers' names."""
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.api.answers import PublishedPort
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.facts.facts import ContainerFacts
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.inspect.denied.log_lines import Denial
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.inspect.denied.who import Names, as_value, grouped, in_words

HOSTILE = "{{ 1 }}\n'web"
NAMES = Names(
    [PublishedPort(4, None, 8080, "tcp", "web", "id", 80, False), PublishedPort(4, "192.0.2.8", 8081, "tcp", HOSTILE, "id", 81, False)],
    [ContainerFacts("web", {}, [("docker0", "172.17.0.2"), ("docker0", "fd00::2")]), ContainerFacts("db", {}, [("docker0", "172.17.0.3")])],
)


def denial(chain="DB-GUARD-PORTS", source="203.0.113.9", destination="192.0.2.7", port=8080, stamp="t1"):
    return Denial(None, stamp, chain, "eth0", "", 6 if ":" in source else 4, source, destination, "tcp" if port else "icmp", port)


def words(*denials, names=NAMES):
    return [in_words(group) for group in grouped(denials, names)]


def test_packets_of_one_subject_are_counted_together():
    assert words(denial(), denial(source="203.0.113.8"), denial(stamp="t2")) == [
        "203.0.113.9 was denied 8080/tcp at 192.0.2.7 (container 'web'), 2 times, last at t2: no entry of published_ports lets it in",
        "203.0.113.8 was denied 8080/tcp at 192.0.2.7 (container 'web'), once, last at t1: no entry of published_ports lets it in",
    ]


def test_behind_dnat_the_port_of_the_host_is_found():
    (group,) = grouped([denial("DB-USER-policy-DNAT", destination="172.17.0.2", port=80)], NAMES)
    assert (group.subject.container, group.subject.port, group.subject.host_port) == ("web", 80, 8080)
    assert "80/tcp at 172.17.0.2 (container 'web', the host's port 8080)" in in_words(group)


def test_a_container_that_sends_is_named():
    assert words(denial("DB-EGP-all", source="172.17.0.3", destination="169.254.169.254", port=80)) == [
        "172.17.0.3 (container 'db') was denied 80/tcp at 169.254.169.254, once, last at t1: egress does not let it out"]


def test_a_port_published_on_another_address_is_not_the_container_s():
    assert "container" not in words(denial(port=8081))[0]
    assert ascii(HOSTILE) in words(denial(port=8081, destination="192.0.2.8"))[0]


def test_each_chain_has_its_reason():
    reasons = {chain: words(denial(chain, stamp=""))[0].partition(": ")[2] for chain in (
        "DB-GUARD-PORTS", "DB-GUARD", "DB-GUARD-OUT", "DB-GUARD-ROUTED", "DB-USER-policy", "DB-USER-policy-DNAT", "DB-LATE", "DB-INPUT-OUT", "DB-SOURCE",
        "DB-EGP-n-web", "DB-EGP-hn-web", "DB-OTHER", "DB-GUARD-DENIED", "DB-USER-policy-DENIED", "DB-LATE-DENIED", "DB-INPUT-DENIED")}
    assert len(set(reasons.values())) == 10
    assert reasons["DB-GUARD-DENIED"] == reasons["DB-USER-policy-DENIED"] == reasons["DB-LATE-DENIED"] == "published_ports.deny has its source"
    assert reasons["DB-INPUT-DENIED"] == "host_services.deny has its source"
    assert reasons["DB-GUARD-OUT"] == reasons["DB-GUARD"] == reasons["DB-USER-policy"] == "containers' own addresses are closed"
    assert reasons["DB-OTHER"] == "the chain DB-OTHER denies it"


def test_values_and_no_names():
    (group,) = grouped([denial(port=None, stamp="")], Names())
    value = as_value(group)
    assert value["container"] is None and value["port"] is None and value["last"] is None and value["packets"] == 1
    assert value["words"] == "203.0.113.9 was denied icmp at 192.0.2.7, once: no entry of published_ports lets it in"


def test_order_does_not_depend_on_the_log_s():
    found = [denial(source="203.0.113.%d" % number, port=port) for number in (3, 1, 2) for port in (80, None)]
    assert [group.subject for group in grouped(found, NAMES)] == [group.subject for group in grouped(reversed(found), NAMES)]
