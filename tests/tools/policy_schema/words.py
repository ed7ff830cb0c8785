# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""What editors tell about a key: the rows of the guides' tables, and the documentation of the modules whose options a policy has."""
from __future__ import annotations

import re
from pathlib import Path

import yaml
from ansible_collections.drawbridge.docker.plugins.doc_fragments import containers, netfilter
from ansible_collections.drawbridge.docker.plugins.modules import (
    container_egress,
    container_netns_rule,
    container_port,
    docker_daemon_config,
    forward_policy,
    ip_forward,
    masquerade,
)

ROOT = Path(__file__).resolve().parents[3]
_GUIDES = ROOT / "docs" / "guides"
# A table of the policy's keys: the page and the heading that it stands below.
_TABLES = {
    "policy": ("policy.md", "## Keys"),
    "feeds": ("policy.md", "### Feeds"),
    "members": ("policy.md", "### Until a time"),
    "entries": ("policy.md", "### Entries"),
    "limits": ("policy.md", "### Limits of connections"),
    "published_ports": ("policy.md", "### `published_ports`"),
    "host_services": ("policy.md", "### `host_services`"),
    "egress": ("policy.md", "### `egress`"),
    "host_egress": ("policy.md", "### `host_egress`"),
    "log_denied": ("policy.md", "### `log_denied`"),
    "tests": ("policy-tests.md", "## Keys"),
}
# Options of modules, the later ones first.
_OPTIONS = {
    "egress": (container_egress.DOCUMENTATION,),
    "masquerade": (masquerade.DOCUMENTATION,),
    "forwarding": (ip_forward.DOCUMENTATION,),
    "forward_policy": (forward_policy.DOCUMENTATION,),
    "daemon": (docker_daemon_config.DOCUMENTATION,),
    "open_ports": (containers.ModuleDocFragment.DOCUMENTATION, container_port.DOCUMENTATION),
    "container_rules": (
        containers.ModuleDocFragment.DOCUMENTATION, containers.ModuleDocFragment.NAMESPACES, netfilter.ModuleDocFragment.RULES,
        container_netns_rule.DOCUMENTATION,
    ),
}
_LINK = re.compile(r"\[([^]]*)\]\(([^)]*)\)")


class Words:
    """The words about keys, by mapping and key."""

    def of(self, mapping: str) -> dict[str, str]:
        """What is told about the keys of a mapping, as one line of text each."""
        found: dict[str, str] = {}
        for text in _OPTIONS.get(mapping, ()):
            found.update(_options(text))
        if mapping in _TABLES:
            found.update(_rows(*_TABLES[mapping]))
        return found


def _options(documentation: str) -> dict[str, str]:
    """The first sentence or sentences, without markup, of each option of a module."""
    options = yaml.safe_load(documentation).get("options", {})
    found = {}
    for key, option in options.items():
        told = option["description"]
        found[key] = _plain(told if isinstance(told, str) else told[0])
    return found


def _plain(text: str) -> str:
    """The text without markup, and without sentences about ``state`` and ``section``'s length, which a policy has not or has otherwise."""
    for _nested in range(2):
        text = re.sub(r"\b[A-Z]{1,2}\(([^()]*)\)", r"\1", text)
    sentences = re.split(r"(?<=\.) (?=[A-Z])", " ".join(text.split()))
    return " ".join(sentence for sentence in sentences if "state=absent" not in sentence and "at most 22" not in sentence)


def _rows(page: str, heading: str) -> dict[str, str]:
    """The table below a heading, by the keys in its first column. What is said elsewhere is a reference to there."""
    below = (_GUIDES / page).read_text(encoding="utf-8").partition("\n%s\n" % heading)[2]
    found = {}
    for line in re.findall(r"(?:^\|.*\n)+", below, re.MULTILINE)[0].splitlines()[2:]:
        keys, value, otherwise = (cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:4])
        told = "%s. If left out: %s." % (_linked(value, page), _linked(otherwise, page)) if otherwise else _linked(value, page) + "."
        found.update(dict.fromkeys(re.findall(r"`(\w+)`", keys), told[0].upper() + told[1:]))
    return found


def _linked(cell: str, page: str) -> str:
    if cell == "see below":
        return "see docs/guides/" + page
    alone = _LINK.fullmatch(cell)
    if alone:
        return "see docs/guides/%s" % (page + alone.group(2) if alone.group(2).startswith("#") else alone.group(2))
    return _LINK.sub(r"\1", cell)
