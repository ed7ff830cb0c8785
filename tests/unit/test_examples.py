# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""What the documentation tells people to write is taken: every policy and fragment of a policy in it."""
import pytest
import yaml
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.language.schema import parse_policy
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.merge.merge import merge, parse_fragment
from ansible_collections.drawbridge.docker.plugins.modules import host_policy

from tests.unit.support.snippets import ROOT, documents

VARIABLES = sorted(ROOT.glob("examples/inventory/*_vars/*.yml"))


def everything():
    """Each YAML document of the documentation and of the example inventory, with where it stands."""
    yield from documents()
    for path in VARIABLES:
        yield str(path.relative_to(ROOT)), yaml.safe_load(path.read_text(encoding="utf-8"))


FRAGMENTS = {where: found for where, content in everything() if isinstance(content, dict)
             for found in [{name: value for name, value in content.items() if name.startswith("host_policy__")}] if found}


@pytest.mark.parametrize("where", FRAGMENTS)
def test_fragments(where):
    assert merge([parse_fragment(name, value) for name, value in FRAGMENTS[where].items()])


def test_policies_in_playbooks():
    tasks = [task for _where, content in documents() if isinstance(content, list) for play in content for task in play.get("tasks", [])]
    policies = [task["drawbridge.docker.harden"]["policy"] for task in tasks if "policy" in task.get("drawbridge.docker.harden", {})]
    assert policies
    for policy in policies:
        assert parse_policy(policy).published_ports


def test_policies_of_the_module():
    tasks = [task["drawbridge.docker.host_policy"] for task in yaml.safe_load(host_policy.EXAMPLES)]
    policies = [task["policy"] for task in tasks if "policy" in task]
    assert len(policies) > 1
    for policy in policies:
        parse_policy(policy)


def test_they_are_found():
    assert {"README.md-1", "docs/guides/policy.md-0"} < set(FRAGMENTS) and len(FRAGMENTS) > 8 and VARIABLES
