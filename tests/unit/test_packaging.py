# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""What the collection's metadata promises is what the tree holds."""
import ast
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
MODULES = sorted(path for path in (ROOT / "plugins" / "modules").glob("*.py") if path.stem != "__init__")


def load(name):
    return yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))


def files_in_git():
    """Every file that is tracked or would be, relative to the root."""
    listed = subprocess.run(
        ["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=str(ROOT), stdout=subprocess.PIPE, check=True).stdout.decode()
    return sorted(name for name in set(listed.split("\0")) if name and (ROOT / name).is_file())


PYTHON = [name for name in files_in_git() if name.endswith(".py")]
ON_TARGETS = [name for name in PYTHON if name.startswith(("plugins/modules/", "plugins/module_utils/"))]


def constants(path):
    """The string constants that a file assigns at its top level, by name."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {
        node.targets[0].id: node.value.value
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
        and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    }


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_module_is_in_the_action_group_and_says_so(path):
    # hosted is for the action plugins, not for playbooks.
    assert (path.stem in load("meta/runtime.yml")["action_groups"]["all"]) == (path.stem != "hosted")
    written = constants(path)
    documentation = yaml.safe_load(written["DOCUMENTATION"])
    assert documentation["module"] == path.stem
    assert {"DOCUMENTATION", "EXAMPLES", "RETURN"} <= set(written)


def test_action_group_is_sorted_and_names_each_module_once():
    group = load("meta/runtime.yml")["action_groups"]["all"]
    assert group == sorted(set(group))


def test_oldest_core_is_the_one_that_is_tested():
    assert load("meta/runtime.yml")["requires_ansible"] == ">=2.18.0"
    assert "ansible-core==2.18." in (ROOT / "tests/requirements/oldest.txt").read_text(encoding="utf-8")


def test_nothing_from_galaxy_is_needed():
    assert load("galaxy.yml")["dependencies"] == {}


def test_version_has_a_changelog():
    version = load("galaxy.yml")["version"]
    released = ROOT / "changelogs" / "changelog.yaml"
    releases = load("changelogs/changelog.yaml")["releases"] if released.exists() else {}
    assert version in releases or (ROOT / "changelogs" / "fragments" / (version + ".yml")).exists()


@pytest.mark.parametrize("name", PYTHON)
def test_python_names_license_and_authors(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    if not text.strip():
        return
    head = "\n".join(text.splitlines()[:8])
    assert "SPDX-License-Identifier: GPL-3.0-or-later" in head
    assert "Copyright: (c) 2026, The Drawbridge authors" in head


@pytest.mark.parametrize("name", ON_TARGETS)
def test_python_on_targets_is_python_3_8(name):
    source = (ROOT / name).read_text(encoding="utf-8")
    ast.parse(source, filename=name, feature_version=(3, 8))


def test_no_sanity_test_is_ignored():
    assert not [name for name in files_in_git() if name.startswith("tests/sanity/ignore")]


def test_no_task_registers_what_the_next_run_would_read_as_a_fragment():
    tasks = [path for folder in ("roles", "playbooks") for path in (ROOT / folder).rglob("*.yml")]
    assert tasks
    for path in tasks:
        assert "register: host_policy__" not in path.read_text(), path
