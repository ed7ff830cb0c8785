# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""What of a policy is recorded, that it means the same when it is read again, and which record the rules name."""
import json

import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.system.system import System
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.rules.desired import Chain, DesiredState, Line
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.rules.saved_ruleset import parse
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.persistence.records import records as records_module
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.persistence.records.records import Records
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.compile.record_in_force import (
    mark,
    marked,
    record_in_force,
    record_name,
    with_own_sets,
)
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.language.masquerade import (
    masquerade_data,
    parse_masquerade,
)
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.language.open_port_entries import (
    open_port_data,
    parse_open_port,
    parse_open_ports,
)
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.language.schema import parse_policy
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy_pipeline.desired import Desired
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy_pipeline.part import Compiled
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy_pipeline.records import PolicyRecords
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.transaction.converge import Settings

MANY = ["198.51.100.%d" % number for number in range(6)]
PORTS = [
    {"name": "web", "port": 8080, "container_port": 80, "sources": ["@friends", "@kept", "10.0.0.0/8", "2001:DB8::1"]},
    {"compose_project": "shop", "compose_service": "a=b", "label": ["x", "y="], "port": "8443", "protocol": "UDP", "container_port": "443",
     "address": "::", "sources": [], "masquerade": True},
    {"query": "[?a=='\u00fc\n']", "id": "abc", "port": 1, "container_port": 1, "sources": ["any", "0.0.0.0/0"], "ip_version": "ipv4"},
    {"name": "web", "port": 2, "container_port": 2, "address": "192.0.2.7", "sources": MANY},
]
NAME = "0123456789abcdef" * 2


@pytest.mark.parametrize("given", PORTS)
def test_a_port_that_is_read_again_is_the_same(given):
    port = parse_open_port(given)
    again = parse_open_port(json.loads(json.dumps(open_port_data(port))))
    sources = [each.entry.sources._replace(sets=tuple(reference.name for reference in each.entry.sources.sets)) for each in (port, again)]
    assert sources[0] == sources[1]
    assert again._replace(entry=port.entry) == port and again.target == port.target


def test_masquerading_that_is_read_again_is_the_same():
    given = {"all": False, "networks": {"a b": True, "mail": ["192.0.2.1", "2001:db8::1"]}, "subnets": {"10.1.2.3/8": "192.0.2.2", "fd00::/64": False}}
    said = parse_masquerade(given, "")
    assert masquerade_data(parse_masquerade(json.loads(json.dumps(masquerade_data(said))), "")) == masquerade_data(said)
    assert masquerade_data(said) == dict(given, networks={"a b": True, "mail": ["192.0.2.1", "2001:db8::1"]},
                                         subnets={"10.0.0.0/8": ["192.0.2.2"], "fd00::/64": False})
    assert "all" not in masquerade_data(parse_masquerade({}, ""))


@pytest.fixture(name="kept")
def records_in_a_folder(tmp_path, monkeypatch):
    (tmp_path / "records").mkdir(mode=0o700)
    monkeypatch.setattr(records_module, "FOLDER", str(tmp_path / "records"))
    return Records()


def recorded(policy, check=False):
    """What a run of this policy wants beside the rest, and what it tells."""
    part = PolicyRecords(Desired(System(), Settings("auto", 1, check), parse_policy(policy), "unix:///run/docker.sock"))
    wanted = part.compile(Compiled(DesiredState([], [], []), []), None, None).wanted
    told = part.report()
    return wanted, dict(told.values, changed=told.changed)


POLICY = {"address_sets": {"friends": ["192.0.2.1"], "others": ["192.0.2.2"]}, "open_ports": PORTS}


def test_the_rules_name_the_record_and_every_set_that_ports_need(kept):
    assert recorded(POLICY, check=True)[1] == {"changed": True, "recorded": True} and kept.all() == []
    wanted, told = recorded(POLICY)
    assert told == {"changed": True, "recorded": True} and recorded(POLICY)[1]["changed"] is False
    (record,) = kept.all()
    (chain,) = wanted.chains
    texts = [line.text for line in chain.lines]
    assert (chain.table, chain.name, marked(texts[0])) == ("filter", "DB-LASTING-policy", record.name)
    # Not the one that address_set keeps, and not those that no port is about.
    assert record.name == record_name(record.arguments) and set(wanted.sets) - {"friends"} == {texts[2].split("@")[1].split()[0]}
    assert texts[1] == "-m set --match-set @friends src -j RETURN" and len(texts) == 3
    assert [port.target for port in parse_open_ports(record.arguments["open_ports"], "")] == [parse_open_port(port).target for port in PORTS]


def test_another_policy_is_another_record(kept):
    recorded(POLICY)
    recorded(dict(POLICY, open_ports=PORTS[:1]))
    recorded(dict(POLICY, open_ports=PORTS[:1], masquerade={}))
    assert len({record.name for record in kept.all()}) == 3


def test_where_no_records_are_kept_there_is_no_chain(tmp_path, monkeypatch):
    monkeypatch.setattr(records_module, "FOLDER", str(tmp_path / "none"))
    wanted, told = recorded(POLICY)
    assert wanted == DesiredState([], [], []) and told == {"changed": False, "recorded": False}


HELD = """*filter
:DB-LASTING-policy - [0:0]
-A DB-LASTING-policy -m comment --comment "drawbridge:record:%s" -j RETURN
-A DB-LASTING-policy -m set --match-set DBP-friends-%dB src -j RETURN
COMMIT
"""


def rulesets(generation):
    return {family: parse((HELD % (NAME, family)).replace("B src", generation + " src")) for family in (4, 6)}


def test_own_sets_are_those_of_the_generation_in_force():
    assert record_in_force(rulesets("a")) == NAME == marked(mark(NAME).text) and record_in_force({4: parse("*filter\nCOMMIT\n")}) is None
    lines = [Line("-m set --match-set @friends src -j ACCEPT"), Line("-m set --match-set @kept src -j ACCEPT"), Line("-j DROP"),
             Line("-s 1 -m set --match-set @friends src -j DROP", (6,))]
    (chain,) = with_own_sets(DesiredState([Chain("filter", "x", lines)], [], []), rulesets("b")).chains
    assert [(line.text, line.families) for line in chain.lines] == [
        ("-m set --match-set DBP-friends-4b src -j ACCEPT", (4,)), ("-m set --match-set DBP-friends-6b src -j ACCEPT", (6,)),
        ("-m set --match-set @kept src -j ACCEPT", (4, 6)), ("-j DROP", (4, 6)), ("-s 1 -m set --match-set DBP-friends-6b src -j DROP", (6,)),
    ]


def test_words_about_a_record_are_no_mark():
    for comment in ("see drawbridge:record:" + NAME, "drawbridge:record:" + NAME + " and more", "drawbridge:record:x"):
        assert marked('-A DB-X -m comment --comment "%s" -j RETURN' % comment) is None
