# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Every finding has its place in the guide and in the module's documentation, and nothing else has."""
import ast
import re
from pathlib import Path

import pytest
import yaml
from ansible_collections.drawbridge.docker.plugins.module_utils._internal import inspect as room
from ansible_collections.drawbridge.docker.plugins.modules import docker_firewall_info

ROOT = Path(__file__).resolve().parents[6]
TEXT = (ROOT / "docs/guides/troubleshooting.md").read_text(encoding="utf-8")
EXPLAINED = dict(re.findall(r"^### (\w+)\n(.*?)(?=^#|\Z)", TEXT.partition("\n## Findings\n")[2], re.DOTALL | re.MULTILINE))


def codes():
    """The first argument of each Finding in the code: text, or a constant of a module beside it."""
    folder = Path(room.__file__).parent
    trees = {path.stem: ast.parse(path.read_text(encoding="utf-8")) for path in folder.glob("*.py")}
    constants = {ast.unparse(node.targets[0]): node.value.value for tree in trees.values() for node in tree.body
                 if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)}
    for tree in trees.values():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "Finding":
                code = node.args[0]
                yield code.value if isinstance(code, ast.Constant) else constants[ast.unparse(code)]


CODES = list(codes())


def test_each_code_has_its_anchor_and_each_anchor_its_code():
    assert len(CODES) > 15
    assert sorted(EXPLAINED) == sorted(CODES)


def test_the_module_documents_the_same_codes():
    documented = yaml.safe_load(docker_firewall_info.RETURN)["findings"]["contains"]["code"]["description"]
    assert sorted(re.findall(r"V\((\w+)\),", " ".join(documented))) == sorted(CODES)


@pytest.mark.parametrize("code", EXPLAINED)
def test_each_says_how_to_see_it_and_what_to_do(code):
    assert all(len(re.findall(r"^- \*\*%s\*\*: \S" % word, EXPLAINED[code], re.MULTILINE)) == 1 for word in ("See", "Do"))


def test_each_question_says_what_to_do():
    questions = re.findall(r"^### ([^\n]*)\n(.*?)(?=^#)", TEXT.partition("\n## Questions\n")[2].partition("\n## Findings\n")[0] + "#", re.DOTALL | re.MULTILINE)
    assert len(questions) > 10
    assert [question for question, answer in questions if "**Do**" not in answer and "| do |" not in answer] == ["How do I get rid of it?"]
