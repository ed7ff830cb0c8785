# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""docs/guides/troubleshooting.md: its commands as they are written, and what they find on hosts that have the symptom."""
import json
import re

import pytest
import yaml

from tests.integration.lab.support import other_firewalls, policies, reach
from tests.integration.lab.support.as_written import block, typed, user
from tests.integration.lab.support.playbook import ROOT, play
from tests.lab.layout import CLIENTS

GUIDE = ROOT / "docs" / "guides" / "troubleshooting.md"
CLIENT, ADDRESS = "203.0.113.9", "192.0.2.10"
POLICY = {"address_sets": {"office": policies.ALLOWED}, "published_ports": {"allow": [{"port": 8080, "sources": ["@office"]}]}}


def about(one, who, text):
    """The guide's words, about a client and the host."""
    client = CLIENTS[who]
    words = {CLIENT: client.v4, ADDRESS: one.spec.v4, "2001:db8:9::9": client.v6, "2001:db8::10": one.spec.v6}
    return re.sub("|".join(map(re.escape, words)), lambda found: words[found[0]], text)


def answers(one, who):
    """The guide's two questions: the findings by code, and the verdicts for IPv4 and IPv6."""
    (written,) = yaml.safe_load(about(one, who, block(GUIDE, "yaml", "# why.yml")))
    found, asked, told = play([one], written["tasks"]).of(one.name)
    assert told["msg"]["findings"] == found["findings"] and told["msg"]["verdicts"] == asked["verdicts"]
    return {finding["code"]: finding for finding in found["findings"]}, asked["verdicts"]


def test_ufw_deny_does_nothing(one):
    other_firewalls.load(one, "ufw")
    findings, (v4, v6) = answers(one, "denied")
    assert any(":8080/tcp " in item for item in findings["unguarded_ports"]["about"])
    assert (v4["verdict"], v4["end_point"]["kind"]) == ("accepted", "interface") and ":80" in v4["end_point"]["text"]
    assert (v6["verdict"], v6["reason"].startswith("the policy of chain INPUT")) == ("dropped", True)


def served(lab, one):
    """Whether the office reaches port 8080 by IPv6."""
    return reach.answers(lab.clients["allowed"], [one], reach.v6(8080))[one.name].open


def test_my_allowed_client_is_blocked(lab, one):
    play([one], [policies.task(POLICY)])
    _findings, verdicts = answers(one, "denied")
    assert all(verdict["verdict"] == "dropped" and "DB-GUARD-PORTS" in verdict["reason"] for verdict in verdicts)
    other_firewalls.load(one, "ufw-docker")
    findings, (v4, v6) = answers(one, "allowed")
    assert v4["verdict"] == "accepted"
    assert (v6["verdict"], v6["reason"].startswith("the policy of chain INPUT")) == ("dropped", True)
    # ufw-docker writes DOCKER-USER anew.
    assert any("DB-USER-policy" in item for item in findings["chain_not_hooked"]["about"])
    assert not served(lab, one)
    # What the guide's command of ufw's adds.
    one.run(["ip6tables", "-A", "ufw6-user-input", "-s", CLIENTS["allowed"].v6, "-p", "tcp", "--dport", "8080", "-j", "ACCEPT"])
    assert served(lab, one)


@pytest.mark.parametrize("module, key", [("docker_firewall_info", "findings"), ("packet_verdict", "verdicts")])
def test_questions_as_they_are_typed(one, tmp_path, module, key):
    (tmp_path / "inventory").write_text("[docker_hosts]\ndocker.example.org\n", encoding="utf-8")
    blocks = [text for text in GUIDE.read_text(encoding="utf-8").split("```\n") if text.startswith("ansible ") and module in text]
    variables = dict(user(tmp_path, one, "docker.example.org"), ANSIBLE_COLLECTIONS_PATH=str(ROOT / ".build" / "collections"))
    _host, _arrow, answer = typed(about(one, "denied", blocks[0]), tmp_path, variables).partition(" => ")
    assert json.loads(answer)[key]
