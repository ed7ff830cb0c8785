# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""docs/schema says of a policy what the parser says of it, as far as a schema can say it."""
import json
import re
from collections import Counter
from copy import deepcopy

import pytest
import yaml
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.errors import DrawbridgeError
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.language import schema as language
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.merge.merge import parse_fragment, parse_profile
from hypothesis import given, settings

from tests.tools.policy_schema import build
from tests.tools.policy_schema.beyond import BEYOND
from tests.tools.policy_schema.words import Words
from tests.unit.support.schemas import places, policies, schema, validator
from tests.unit.support.strategies import several

POLICIES = policies(schema("policy.json"), "policy")
FRAGMENTS = policies(schema("fragment.json"), "fragment")


def refusal(policy, parse=language.parse_policy):
    """The parser's error, or nothing."""
    try:
        parse(deepcopy(policy))
    except DrawbridgeError as error:
        return str(error)
    return None


def reason(error):
    return next((reason for reason in BEYOND if re.search(reason.error, error)), None)


def agree(name, policy, parse=language.parse_policy):
    """How the two agree: valid, refused, or refused by the parser for what no schema can say."""
    error = refusal(policy, parse)
    wrong = [mistake.message for mistake in validator(name).iter_errors(policy)]
    told = json.dumps(policy)
    if error is None:
        assert not wrong, "valid, but the schema refuses %s: %s" % (told, wrong)
        return "valid"
    assert wrong or reason(error), "the schema takes %s, but: %s" % (told, error)
    return "refused" if wrong else "beyond"


def test_files_are_what_the_parser_s_tables_give():
    for path, text in build.texts().items():
        assert path.read_text(encoding="utf-8") == text, "run make schema"
    assert {path.name for path in build.FOLDER.iterdir()} == {path.name for path in build.texts()}


@pytest.mark.parametrize("name", [path.name for path in build.texts()])
def test_patterns_are_javascript_s_too(name):
    """Escapes that JavaScript knows with its flag for Unicode, and nothing that is Python's alone."""
    patterns = re.findall(r'"(?:pattern": "|)(\^.*\$)"', (build.FOLDER / name).read_text(encoding="utf-8"))
    assert len(patterns) > 30
    for pattern in map(json.loads, map('"{}"'.format, patterns)):
        assert set(re.findall(r"\\(.)", pattern)) <= set("^$\\.*+?()[]{}|/sx1"), pattern
        assert not re.search(r"\(\?(?![:=!])", pattern), pattern


@settings(max_examples=30)
@given(several(POLICIES))
def test_policies(made):
    for policy, _spoilt in made:
        agree("policy.json", policy)


@settings(max_examples=4)
@given(several(FRAGMENTS))
def test_fragments(made):
    for fragment, _spoilt in made:
        agree("fragment.json", fragment, lambda raw: parse_fragment("f", raw))


@pytest.mark.drill
def test_ten_thousand_policies():
    found = Counter()

    @settings(max_examples=10_000)
    @given(POLICIES)
    def ask(made):
        found[agree("policy.json", made[0]), bool(made[1])] += 1

    ask()
    print(found)
    assert all(sum(count for (told, _spoilt), count in found.items() if told == how) > 1000 for how in ("valid", "refused"))


@pytest.mark.parametrize("known", BEYOND, ids=lambda known: known.what)
def test_what_no_schema_can_say(known):
    """The parser refuses it for this reason and no other that stands ahead of it; the schema takes it."""
    assert reason(refusal(known.example)) == known
    assert validator("policy.json").is_valid(known.example)
    assert known.what in schema("policy.json")["description"]


def published(**entry):
    return {"published_ports": {"allow": [{"port": 80, "sources": ["any"], **entry}]}}


@pytest.mark.parametrize("policy", [
    {"published_port": {}}, {"weight": 5}, {"published_ports": {"default": "drop"}}, {"published_ports": None}, {"external_interfaces": []},
    published(souces=[]), published(port="80:8080"), published(port=0), published(port="65536"), published(port=True), published(protocol="icmp"),
    published(sources="any"), published(sources=["example.org"]), published(sources=["10.0.0.256"]), published(sources=["10.0.0.0/33"]),
    published(sources=["@pub-tcp"]), published(sources=["@a b"]), published(sources=["@office\n"]), published(address="10.0.0.0/8"), published(comment='a "'),
    published(limit={}), published(limit={"burst": 5}), published(limit={"burst": 5, "connections": 1}), published(limit={"rate": "10/day"}),
    published(limit={"rate": "1001/second"}), published(limit={"connections": 0}), published(limit={"rate": 10}), published(limit="10/second"),
    published(limit={"connections": 1, "per": {"ipv4": 33}}), published(limit={"connections": 1, "per": {"ipv6": 129}}),
    published(limit={"connections": 1, "per": 24}), {"egress": {"allow": [{"port": 1, "limit": {"rate": "1/second"}}]}},
    published(interfaces=[]), published(interfaces="wg0"), published(interfaces=["a/b"]), published(interfaces=["x" * 16]), published(zones=["vpn"]),
    {"published_ports": {"allow": [{"port": 80}]}}, {"published_ports": {"routed": [{"port": 80, "zones": []}]}}, {"zones": {"vpn": {}}},
    {"zones": {"a b": {"sources": []}}}, {"zones": {"vpn": {"interfaces": ["+"]}}},
    {"host_services": {"allow": [{"protocol": "ICMP", "port": 8, "sources": []}]}}, {"host_services": {"allow": [{"protocol": "tcp", "sources": []}]}},
    {"address_sets": {"bridges": []}}, {"address_sets": {"a": ["@b"]}}, {"address_sets": {"a": ["any"]}}, {"unmanaged_interfaces": ["x" * 16]},
    {"address_sets": {"a": {}}}, {"address_sets": {"a": {"url": "http://a/"}}}, {"address_sets": {"a": {"url": "http://a/", "allow_http": False}}},
    {"address_sets": {"a": {"url": "https://a/", "query": "b"}}}, {"address_sets": {"a": {"url": "https://a/", "query": "b", "format": "text"}}},
    {"address_sets": {"a": {"url": "https://u:p@a/"}}}, {"address_sets": {"a": {"src": "b", "timeout": 5}}},
    {"address_sets": {"a": {"src": "b", "inside": []}}}, {"address_sets": {"a": {"url": "https://a/", "src": "b"}}},
    {"address_sets": {"a": {"url": "https://a/", "interval": "6h"}}},
    {"egress": {"allow": [{}]}}, {"egress": {"allow": [{"port": 1, "protocol": "icmp"}]}}, {"egress": {"containers": [{"default": "deny"}]}},
    {"egress": {"containers": [{"name": "a", "label": "b"}]}}, {"egress": {"host": [{"destination": "any"}]}}, {"egress": {"containers": [{"address": "@a"}]}},
    {"masquerade": {"all": []}}, {"masquerade": {"all": "10.0.0.0/8"}}, {"masquerade": {"subnets": {"net": True}}}, {"masquerade": {"networks": {"": True}}},
    {"forwarding": {"interfaces": {"all": {}}}}, {"forwarding": {"ipv4": "yes"}}, {"daemon": {"icc": "false"}}, {"daemon": {"bridge_accept_fwmark": "1/2/3"}},
    {"log_denied": {"rate": "101/minute"}}, {"log_denied": {"sections": []}}, {"log_denied": {"burst": "0"}},
    {"open_ports": [{"name": "a", "port": "80-81", "container_port": 80, "sources": []}]}, {"open_ports": [{"port": 80, "container_port": 80, "sources": []}]},
    {"open_ports": [{"name": "a", "port": 80, "container_port": None, "sources": []}]},
    {"open_ports": [{"name": "", "port": 1, "container_port": 1, "sources": []}]},
    {"containers": [{"name": "a", "section": "policy-a"}]}, {"containers": [{"pod_namespace": "a", "section": "a"}]},
    {"containers": [{"section": "a", "pid": 0}]},
    {"containers": [{"name": "a", "pod_namespace": "b", "section": "a"}]}, {"containers": [{"name": "a", "section": "a", "rules": [{"source": "::1"}]}]},
    {"containers": [{"name": "a", "section": "a", "rules": [{"jump": "A", "goto": "B"}]}]}, {"containers": [{"path": "relative", "section": "a"}]},
    {"tests": [{"from": "any", "to": 80}]}, {"tests": [{"from": "any", "container": "a", "to": 80, "expect": "deny"}]},
    {"tests": [{"from": "host", "except": "any", "to": 80, "expect": "deny"}]}, {"tests": [{"from": "any", "to": "80/xyz", "expect": "deny"}]},
    {"tests": [{"from": "any", "interface": "eth+", "to": 80, "expect": "deny"}]}, {"tests": [{"from": "any", "to": {"protocol": "tcp"}, "expect": "deny"}]},
    {"tests": [{"from": "any", "to": {"container": "a", "address": "::1"}, "expect": "deny"}]},
    {"tests": [{"from": "any", "to": "example.org:80", "expect": "deny"}]},
], ids=json.dumps)
def test_mistakes_that_editors_show(policy):
    assert agree("policy.json", policy) == "refused"


@pytest.mark.parametrize("weight, how", [(0, "valid"), ("50", "valid"), (-1, "refused"), (1000001, "refused"), (True, "refused"), ("+1", "refused")])
def test_weights_are_of_fragments_only(weight, how):
    assert agree("fragment.json", {"weight": weight}, lambda raw: parse_fragment("f", raw)) == how
    assert agree("policy.json", {"weight": weight}) == "refused"


FILES = [path for folder in ("examples", "plugins/plugin_utils/profiles") for path in sorted((build.ROOT / folder).rglob("*.yml"))]
_MODELINE = re.compile(r"^# yaml-language-server: \$schema=(\S+)$", re.MULTILINE)
SAID = {path: found.group(1) for path in FILES for found in [_MODELINE.search(path.read_text(encoding="utf-8"))] if found}


@pytest.mark.parametrize("path", SAID, ids=lambda path: path.name)
def test_examples_and_profiles_name_the_schema_that_takes_them(path):
    named = (path.parent / SAID[path]).resolve()
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert named.parent == build.FOLDER and validator(named.name).is_valid(content)
    # So that nothing else but the schema's rules let it through.
    fragment = content if path.parent.name == "profiles" else next(iter(content.values()))
    assert not validator(named.name).is_valid({**content, **({"x": 1} if fragment is content else {"host_policy__x": {"x": 1}})})
    assert parse_profile("p", fragment)


def test_every_file_with_a_policy_names_one():
    assert {path.name for path in set(FILES) - set(SAID)} == {"hosts.yml"} and len(SAID) > 5


def test_variables_of_others_are_theirs():
    assert validator("variables.json").is_valid({"ansible_host": 7, "host_policy_profile": "edge"})


EVERYTHING = {
    "weight": 60,
    "address_sets": {
        "office": ["192.0.2.1"], "file": {"src": "d"},
        "fed": {"url": "https://a/", "format": "json", "query": "b", "min": 5, "max": 6, "timeout": 7, "allow_http": True, "inside": ["10.0.0.0/8"],
                "ca_path": "c", "checksum": "sha256:" + "0" * 64},
    },
    "external_interfaces": ["eth0"],
    "published_ports": {"default": "deny", "allow": [{"port": 80, "protocol": "tcp", "sources": ["@office"], "mode": "observe", "comment": "x"}]},
    "host_services": {"allow": [{"protocol": "tcp", "port": 22, "sources": ["any"]}], "swarm": ["::1"]},
    "forwarding": {"ipv4": True, "interfaces": {"eth0": {"ipv6": False}}}, "forward_policy": {"ipv4": "drop"},
    "daemon": {"icc": False}, "log_denied": {"rate": "1/sec", "sections": ["egress"]},
    "masquerade": {"all": True, "networks": {"a": ["192.0.2.1"]}, "subnets": {"10.0.0.0/8": False}},
    "egress": {"networks": {"a": {"dns": ["::1"], "host": [{"port": 1}]}},
               "containers": [{"name": "a", "deny": [{"port": 1, "protocol": "tcp", "destination": "any"}]}]},
    "open_ports": [{"name": "a", "port": 1, "container_port": 1, "sources": ["any"]}],
    "containers": [{"name": "a", "section": "b", "rules": [{"jump": "DROP"}]}],
    "tests": [{"from": ["any"], "to": {"port": 1, "address": "::1"}, "expect": "deny", "interface": "eth0"}],
}


def test_variables_take_templates_in_place_of_any_value():
    fragment = deepcopy(EVERYTHING)
    assert agree("fragment.json", fragment, lambda raw: parse_fragment("f", raw)) == "valid"
    for inside, key in list(places(fragment)):
        value = inside[key]
        inside[key] = "{{ office | default([]) }}"
        assert validator("variables.json").is_valid({"host_policy__web": fragment}), json.dumps(fragment)
        # The schema does not look at the values of a rule.
        inside[key] = {"no": "template"}
        assert key == "jump" or not validator("variables.json").is_valid({"host_policy__web": fragment}), json.dumps(fragment)
        inside[key] = value


def properties(name):
    return schema("fragment.json")["definitions"][name]["properties"]


@pytest.mark.parametrize("definition, without", [
    ("fragment", set()), ("published_ports", set()), ("host_services", set()), ("host_entry", set()), ("log_denied", set()), ("test", set()),
    ("masquerade", set()), ("daemon", set()), ("forwarding", set()), ("forward_policy", set()), ("open_port", set()), ("container_rules", set()),
    ("egress", {"mode"}), ("host_egress", set()), ("feed", set()),
])
def test_keys_are_told_in_the_guides_words(definition, without):
    """A key that no table of the guides has is missing here."""
    assert {key for key, value in properties(definition).items() if not value.get("description")} == without


@pytest.mark.parametrize("mapping, definitions", [
    ("policy", ["fragment"]), ("entries", ["host_entry", "published_entry"]), ("published_ports", ["published_ports"]), ("host_services", ["host_services"]),
    ("host_egress", ["host_egress"]), ("log_denied", ["log_denied"]), ("tests", ["test"]), ("feeds", ["feed"]),
])
def test_guides_tables_have_no_other_keys(mapping, definitions):
    assert set(Words().of(mapping)) == {key for definition in definitions for key in properties(definition)}
