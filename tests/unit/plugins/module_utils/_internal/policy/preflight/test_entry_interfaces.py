# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Interfaces that no entry can name, and those by which nobody comes in."""
import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.facts.facts import HostFacts
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.errors import DrawbridgeError
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.language.schema import parse_policy
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.preflight import entry_interfaces

FACTS = HostFacts([], ["docker0", "br-x"], {4: [], 6: []}, [], False)
SECTIONS = ["published_ports.allow", "published_ports.routed", "host_services.allow"]


class Host:
    def interfaces(self):
        return ["lo", "eth0", "eth1", "eth2", "bond0", "slave", "docker0", "blue", "wg0"]


@pytest.fixture(autouse=True)
def links(monkeypatch):
    monkeypatch.setattr(entry_interfaces, "seen_as", lambda: {"slave": "bond0"})
    monkeypatch.setattr(entry_interfaces, "vrf_members", lambda: {"eth1": "blue", "eth2": "blue"})


def told(names, section="host_services.allow", **policy):
    head, _dot, key = section.partition(".")
    return entry_interfaces.check_entry_interfaces(Host(), parse_policy({head: {key: [{"port": 80, "interfaces": names}]}, **policy}), FACTS)


@pytest.mark.parametrize("names, warnings", [
    (["eth0", "wg+", "lo"], []), (["blue", "eth1", "eth2"], []), (["blue", "eth+"], []), (["bond0"], []),
    (["wg1"], ["policy.host_services.allow[0].interfaces[0]: there is no wg1 on this host now"]),
    (["eth0", "ppp+"], ["policy.host_services.allow[0].interfaces[1]: there is no ppp+ on this host now"]),
    (["slave"], ["policy.host_services.allow[0].interfaces[0]: what slave receives comes in by bond0, and is not let in"]),
])
def test_what_is_warned_of(names, warnings):
    found = told(names)
    assert len(found) == len(warnings) and all(text.startswith(words) for text, words in zip(found, warnings))


@pytest.mark.parametrize("names, place, words", [
    (["eth0", "docker0"], 1, "docker0 takes in docker0, a bridge of Docker's"), (["d+"], 0, "d+ takes in docker0"),
    (["eth1"], 0, "rules see what comes in by eth1, eth2 as the VRF blue's"), (["eth0", "blue"], 1, "the VRF blue's"), (["eth1", "eth2"], 0, "the VRF blue's"),
    (["eth+"], 0, "the VRF blue's"), (["eth1", "blue"], 1, "the VRF blue's"),
])
@pytest.mark.parametrize("section", SECTIONS)
def test_what_is_refused(section, names, place, words):
    with pytest.raises(DrawbridgeError) as error:
        told(names, section)
    assert words in str(error.value) and error.value.path == "policy.%s[0].interfaces[%d]" % (section, place)


def test_a_bridge_that_is_said_to_be_outside():
    assert told(["docker0"], external_interfaces=["eth0", "docker0"]) == []


def test_nothing_is_asked_where_no_entry_names_interfaces(monkeypatch):
    monkeypatch.setattr(entry_interfaces, "vrf_members", None)
    policy = parse_policy({"external_interfaces": ["eth0"], "host_services": {"allow": [{"port": 80, "sources": ["any"]}]}})
    assert entry_interfaces.check_entry_interfaces(Host(), policy, FACTS) == []
