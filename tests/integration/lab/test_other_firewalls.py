# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""README's comparison: who gets in by each way when a firewall is told that the office reaches port 8080 and nobody else anything."""
import re

import pytest

from tests.integration.lab.support import other_firewalls, policies, ways
from tests.integration.lab.support.playbook import ROOT, play
from tests.lab.paths import PATHS

WAYS = {
    "8080, IPv4": "v4 published 8080->80",
    "8080, IPv6 by docker-proxy": "v6 published by docker-proxy 8080",
    "8083, never allowed": "v4 published on net6 8083",
    "UDP 5300 by broadcast, never allowed": "v4 UDP broadcast 5300",
    "container's own IPv4 address": "v4 container's own address :80",
    "container's own IPv6 address": "v6 container's own address :80",
}
LETS_IN = {"everybody": {"allowed", "denied"}, "office": {"allowed"}, "nobody": set()}
POLICY = {"address_sets": {"office": policies.ALLOWED}, "published_ports": {"allow": [{"port": 8080, "sources": ["@office"]}]}}


def columns():
    """README's table, by firewall: who gets in, by way. Marks of footnotes and stress are left out."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    head, *rows = [[cell.strip(" *`") for cell in line.strip("|").split("|")] for line in
                   re.search(r"^\| way in .*\n\|[-|]+\n((?:\|.*\n)+)", text, re.MULTILINE)[0].splitlines() if not line.startswith("|-")]
    assert [row[0] for row in rows] == list(WAYS)
    return {name: {row[0]: re.sub(r"[^a-z]", "", row[place]) for row in rows} for place, name in enumerate(head) if place}


def firewall(name):
    """The recorded rules of README's column."""
    return {"DOCKER-USER by hand": "by-hand"}.get(name, name)


@pytest.mark.parametrize("name", ["Drawbridge", "ufw", "firewalld", "ufw-docker", "DOCKER-USER by hand"])
def test_who_gets_in(lab, one, name):
    if name == "Drawbridge":
        play([one], [policies.task(POLICY)])
    else:
        other_firewalls.load(one, firewall(name))
    said = columns()[name]
    paths = {path: way for way, path in WAYS.items()}

    def wanted(cell):
        return cell.who in LETS_IN[said[paths[cell.path.name]]]

    chosen = [path for path in PATHS if path.name in paths]
    cells = ways.plain(lab, [one], wanted, chosen=chosen)
    got = {(paths[cell.path.name], cell.who): cell.result.open for cell in cells}
    assert got == {(way, who): who in LETS_IN[word] for way, word in said.items() for who in LETS_IN["everybody"]}
