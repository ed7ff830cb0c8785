# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""From the recorded rules of other firewalls to a policy: what is proposed, what differs, what is said openly. Never wider, whatever stands in the rules."""
import functools

import pytest
import yaml
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.language.schema import parse_policy
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.tasks.migration.migrate import migrated
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.tasks.migration.others import found_in, without
from ansible_collections.drawbridge.docker.plugins.modules import migration_info

from tests.unit.support.migrations import scene
from tests.unit.support.verdict_hosts import host, judged, nft, saved

OFFICE = {4: "192.0.2.101", 6: "2001:db8:1::101"}
TEMPLATE = "{{ lookup('pipe', 'touch ran') }}"
SOCKETS = "".join('tcp LISTEN 0 4096 %s 0.0.0.0:* users:(("%s",pid=1,fd=4))\n' % item for item in (
    ("0.0.0.0:22", "sshd"), ("[::]:22", "sshd"), ("0.0.0.0:8080", "docker-proxy"), ("[::]:8080", "docker-proxy")))


@functools.cache
def found(name, **changes):
    with scene(name, **{"sockets": SOCKETS, **changes}) as found_host:
        return migrated(found_host)


def allowed(values, section="published_ports"):
    """Sources by port, protocol and address."""
    policy = values["policy"]
    sets = policy.get("address_sets", {})
    return {(entry.get("port"), entry["protocol"], entry.get("address")): sorted(
        item for source in entry["sources"] for item in (sets[source[1:]] if source.startswith("@") else [source])
    ) for entry in policy.get(section, {}).get("allow", [])}


DIRECT = [("direct", ["172.17.0.2"], "open", "closed"), ("direct", ["172.18.0.2"], "open", "closed")]


def differing(values):
    return [(item["kind"], item["to"], item["today"], item["alone"]) for item in values["differences"]]


def words(values, **wanted):
    return [item["message"] for item in values["differences"] if all(item[key] == value for key, value in wanted.items())]


@pytest.mark.parametrize("name", ["", "ufw", "ufw-docker", "by-hand", "firewalld"])
def test_what_is_proposed_is_a_policy_and_the_text_says_the_same(name):
    values = found(name)
    assert yaml.safe_load(values["policy_text"]) == values["policy"]
    parse_policy(values["policy"])
    assert values["unknown"] == 0 and values["packets"] > 100
    assert not values["wider"] and not words(values, wider=True)
    assert set(values) == set(yaml.safe_load(migration_info.RETURN))
    documented = yaml.safe_load(migration_info.RETURN)["differences"]["contains"]
    assert all(set(item) == set(documented) for item in values["differences"])


def test_a_host_without_another_firewall_keeps_its_ports_open():
    values = found("")
    assert values["firewalls"] == [] and values["untranslated"] == []
    assert set(values["policy"]) == {"published_ports"} and allowed(values)[8080, "tcp", None] == ["any"]
    # This engine lets neighbours reach containers' own addresses; a policy does not.
    assert differing(values) == DIRECT


def test_ufw_does_not_see_published_ports():
    values = found("ufw")
    assert values["firewalls"] == ["ufw"]
    assert allowed(values) == {(8080, "tcp", "0.0.0.0"): ["any"], (8080, "tcp", "::"): [OFFICE[6]], (8082, "tcp", "0.0.0.0"): ["any"]}
    assert allowed(values, "host_services") == {(22, "tcp", None): ["any"], (None, "icmp", None): ["any"]}
    assert values["policy"]["egress"] == {"host": [{"port": 22, "protocol": "tcp"}, {"protocol": "icmp"}]}
    assert differing(values) == DIRECT


def test_ufw_docker_lets_private_networks_in():
    values = found("ufw-docker")
    assert values["firewalls"] == ["ufw", "ufw-docker"]
    private = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"]
    # It takes the container's port: both containers listen on 80. That docker-proxy serves IPv6 is no affair of its lines.
    assert allowed(values) == {(port, "tcp", None): sorted([*private, OFFICE[4]]) for port in (8080, 8082)}
    assert differing(values) == DIRECT


def test_lines_in_docker_user_are_for_ipv4_alone():
    values = found("by-hand")
    assert values["firewalls"] == ["DOCKER-USER"]
    assert allowed(values)[8080, "tcp", "0.0.0.0"] == [OFFICE[4]] and allowed(values)[8080, "tcp", "::"] == ["any"]
    assert (8082, "tcp", "0.0.0.0") not in allowed(values) and "host_services" not in values["policy"]
    assert [item["place"] for item in values["untranslated"]] == ["iptables filter DOCKER-USER, rule %d" % number for number in (1, 2, 3)]


def test_zones_of_firewalld_are_sources():
    values = found("firewalld")
    assert values["firewalls"] == ["firewalld"]
    services = allowed(values, "host_services")
    # The trusted zone, and a rich rule that refuses one address.
    assert services["1-65535", "tcp", "0.0.0.0"] == ["198.51.100.0/24"]
    assert services[22, "tcp", "::"] == ["any"] and "203.0.113.67" in services[22, "tcp", "0.0.0.0"]
    assert any("translates addresses" in item["reason"] for item in values["untranslated"])


def test_what_depends_on_a_rate_is_closed_and_said():
    rules = "*filter\n-A INPUT -p tcp -m tcp --dport 22 -m limit --limit 5/min -j ACCEPT\n-A INPUT -p tcp -m tcp --dport 22 -j DROP\nCOMMIT\n"
    values = found("", more=(4, rules))
    assert values["policy"]["host_services"] == {
        "default": "allow", "allow": [{"port": 22, "protocol": "tcp", "address": "0.0.0.0", "sources": []}]}
    # Containers are kept from it in both families: their section knows no addresses.
    said = {(item["family"], item["today"], item["alone"]) for item in values["differences"] if item["ports"] == ["22"]}
    assert said == {("ipv4", "unknown", "closed"), ("ipv6", "open", "closed")}
    assert any("it limits how often" in item["reason"] for item in values["untranslated"]) and not values["wider"]


def test_what_is_unknown_is_closed_and_said():
    rules = "*filter\n-I DOCKER-USER 1 -p tcp -m string --algo bm --string x -j RETURN\n-I DOCKER-USER 2 -i eth0 -j DROP\nCOMMIT\n"
    values = found("", more=(4, rules))
    assert (8080, "tcp", "0.0.0.0") not in allowed(values) and allowed(values)[8080, "tcp", "::"] == ["any"]
    said = words(values, kind="published", today="unknown", alone="closed")
    assert said and all("-m string" in item for item in said)


def test_ranges_of_ports_stay_ranges_and_a_hole_in_one_stays_closed():
    hole = "*filter\n:INPUT DROP [0:0]\n-A INPUT -p tcp -m tcp --dport 8005 -j DROP\n"
    rules = hole + "-A INPUT -s 10.0.0.0/8 -p tcp -m multiport --dports 8000:8010,9999 -j ACCEPT\nCOMMIT\n"
    values = found("", more=(4, rules))
    of_ipv4 = {port: sources for (port, protocol, address), sources in allowed(values, "host_services").items() if (protocol, address) == ("tcp", "0.0.0.0")}
    assert of_ipv4 == {"8000-8004": ["10.0.0.0/8"], "8006-8010": ["10.0.0.0/8"], 9999: ["10.0.0.0/8"]}
    assert not values["wider"]


def test_text_of_the_host_is_told_and_never_repeated_as_it_is():
    rules = "*filter\n-I DOCKER-USER 1 -s 10.0.0.0/8 -m comment --comment \"%s \\\" -m limit --limit 1/s \" -j DROP\nCOMMIT\n" % TEMPLATE
    sockets = 'tcp LISTEN 0 4096 0.0.0.0:22 0.0.0.0:* users:(("%s",pid=1,fd=4))\n' % "a: {{ 1 }}\u202e"
    values = found("", more=(4, rules), sockets=sockets)
    assert "{{" not in values["policy_text"] and values["policy_text"].isascii()
    assert "10.0.0.0/8" not in allowed(values)[8080, "tcp", "0.0.0.0"] and not values["wider"]
    assert all(item["message"].isascii() and "\n" not in item["message"] for item in values["differences"])


def test_chains_that_others_put_into_tables_of_iptables_are_theirs():
    rule = [{"match": {"op": "==", "left": {"payload": {"protocol": "tcp", "field": "dport"}}, "right": 8080}}, {"drop": None}]
    snapshot = host(iptables=saved(filter__INPUT=[]), nftables=nft(("input", "filter input -10", [rule]), ("INPUT", "filter input 0", []), table="ip filter"))
    assert [line.place for line in found_in(snapshot, []).lines] == ["nftables ip filter input, rule 1"]
    asked = {"to": "192.0.2.10:8080", "source": "192.0.2.3"}
    assert (judged(snapshot, **asked).verdict, judged(without(snapshot, []), **asked).verdict) == ("dropped", "accepted")


def test_what_is_left_out_has_no_entry_and_is_counted():
    values = found("", most_targets=1)
    assert len(allowed(values)) == 1 and values["left_out"] > 5
