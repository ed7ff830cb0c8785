# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Issue templates are forms that can be filled in, and what is said about addresses in the attached file is so."""
import re
from pathlib import Path

import pytest
import yaml
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.inspect.report import report
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.kernel.ipset import LiveSet
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.rules.desired import SetType
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.rules.saved_ruleset import parse
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.rules.timed_entries import TIMED
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.persistence.records.quarantine_notes import Note
from ansible_collections.drawbridge.docker.plugins.modules import docker_firewall_info

from tests.unit.support.audit_data import recorded, surveyed

ROOT = Path(__file__).resolve().parents[2]
FORMS = sorted(path for path in (ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml") if path.stem != "config")
GUIDE = (ROOT / "docs/guides/troubleshooting.md").read_text(encoding="utf-8")
SECTION = GUIDE.partition("\n## Report a problem\n")[2].partition("\n## ")[0]
ADDRESS = re.compile(r"\d+\.\d+\.\d+\.\d+|[0-9a-f]{1,4}:[0-9a-f:]*::")
# Elements of a form, and what each has to say beside its label.
ELEMENTS = {"textarea": {"description"}, "dropdown": {"options"}, "checkboxes": {"options"}}
MANGLE = """*mangle
:PREROUTING ACCEPT [0:0]
:DB-GUARD - [0:0]
-A PREROUTING -s 192.0.2.1/32 -j ACCEPT
-A PREROUTING -j DB-GUARD
-A DB-GUARD -s 192.0.2.2/32 -j DROP
COMMIT
"""


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.stem)
def test_each_is_a_form(path):
    form = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert {"name", "description", "body"} <= set(form) <= {"name", "description", "body", "labels"}
    assert len({element["id"] for element in form["body"]}) == len(form["body"])
    for element in form["body"]:
        assert set(element) <= {"type", "id", "attributes", "validations"}
        assert {"label"} | ELEMENTS[element["type"]] <= set(element["attributes"])
    required = {element["id"] for element in form["body"] if element.get("validations", {}).get("required")}
    assert {"firewall", "versions"} <= required


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.stem)
def test_what_they_send_people_to_is_there(path):
    text = " ".join(path.read_text(encoding="utf-8").split())
    assert 'docs/guides/troubleshooting.md, "Report a problem"' in text and SECTION
    assert "playbook firewall.yml" in text and "```yaml\n# firewall.yml\n" in SECTION


def test_there_are_forms_and_they_are_not_installed():
    assert [path.stem for path in FORMS] == ["packets", "task"]
    assert ".github" in yaml.safe_load((ROOT / "galaxy.yml").read_text(encoding="utf-8"))["build_ignore"]


def places(value, path=""):
    """Where addresses stand in a result, as the guide writes it: ``networks[].subnets``. Lists of texts have no brackets."""
    if isinstance(value, dict):
        for name, item in value.items():
            yield from places(item, "%s.%s" % (path, name) if path else name)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from places(item, path + "[]" if isinstance(item, dict) else path)
    elif isinstance(value, str) and ADDRESS.search(value):
        yield path


def told():
    """A result with addresses wherever there may be some: the rules of a real engine, ours, tables, and an engine that is gone."""
    found = surveyed(recorded("28.5.2"), "28.5.2")
    published = dict(found.answers.containers[0], Ports=[{"IP": "192.0.2.7", "PrivatePort": 80, "PublicPort": 8090, "Type": "tcp"}])
    answers = found.answers._replace(containers=[published, *found.answers.containers], error="no answer at tcp://192.0.2.9:2375")
    hooked = {4: parse(MANGLE + (recorded("28.5.2").text("iptables") or "").partition("*mangle")[0]), 6: found.rulesets[6]}
    ending = LiveSet("DBP-office-4a", SetType("hash:net", TIMED), 4, entries=frozenset(["192.0.2.7 until 2026-12-01T18:00:00Z"]))
    found = found._replace(sets={**found.sets, ending.name: ending})
    return report(found._replace(answers=answers, rulesets=hooked, tables={"ip drawbridge-policy": "ip saddr 10.0.0.0/8 accept"}, vrfs=["blue"],
                                 quarantines=[Note({"name": "web"}, "INC-1", "root from 192.0.2.3", "2026-01-01T00:00:00Z")]))


def test_facts_with_addresses_are_those_that_the_guide_names():
    named = set(re.findall(r"`([a-z_]+(?:\[\])?\.[a-z_.\[\]]+)`", SECTION))
    # A set's sources and the addresses in a message come with rules of a policy.
    assert set(places(told())) | {"published_ports[].sources", "published_ports[].denied_sources", "findings[].message"} == named


def test_what_the_module_documents_with_an_address_is_named():
    named = set(re.findall(r"`([a-z_.\[\]]+)`", SECTION))

    def samples(fields, path=""):
        for name, field in fields.items():
            here = path + name
            if list(places(field.get("sample"), "x")):
                yield here
            yield from samples(field.get("contains", {}), here + ("[]." if field["type"] == "list" else "."))

    found = set(samples(yaml.safe_load(docker_firewall_info.RETURN)))
    assert found and found <= named
