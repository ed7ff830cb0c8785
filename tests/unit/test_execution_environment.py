# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""What ansible-builder reads from the collection: it parses, and names what the collection imports and runs on a controller."""
import re
from pathlib import Path

import yaml
from packaging.requirements import Requirement

from tests.tools import sbom

ROOT = Path(__file__).resolve().parents[2]
PLUGINS = ROOT / "plugins"
# What controllers load first. Modules and what only they import go to hosts.
CONTROLLER = ("action", "filter", "plugin_utils")
DEFINITION = yaml.safe_load((ROOT / "meta/execution-environment.yml").read_text(encoding="utf-8"))
PLATFORMS = {"dpkg", "rpm"}


def lines(entry):
    """The lines of the file that the definition names: from the collection's root on, as ansible-builder reads it."""
    text = (ROOT / DEFINITION["dependencies"][entry]).read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line.strip() and not line.startswith("#")]


def imports_of(path):
    """Files of the collection that a file imports, wherever in it: by relative names and by whole ones."""
    text = path.read_text(encoding="utf-8")
    for dots, name, names in re.findall(r"^ *from (\.*)([\w.]*) import (\([^)]*\)|.*)$", text, re.MULTILINE):
        if name.startswith("ansible_collections.drawbridge.docker.plugins"):
            base = PLUGINS.joinpath(*name.split(".")[4:])
        elif dots:
            base = path.parents[len(dots) - 1].joinpath(*filter(None, name.split(".")))
        else:
            continue
        for found in (base, *(base / each for each in re.findall(r"\w+", names))):
            if found.with_suffix(".py").is_file():
                yield found.with_suffix(".py")


def on_controllers():
    """Every file that a controller may load."""
    found, waiting = set(), [path for folder in CONTROLLER for path in (PLUGINS / folder).rglob("*.py")]
    while waiting:
        path = waiting.pop()
        if path not in found:
            found.add(path)
            waiting.extend(imports_of(path))
    return found


def test_what_is_followed():
    """Files of hosts are among them only where a controller imports them."""
    found = {str(path.relative_to(PLUGINS)) for path in on_controllers()}
    assert {"filter/pick.py", "plugin_utils/confirmation.py", "module_utils/_internal/errors.py",
            "module_utils/_internal/policy/language/schema.py", "module_utils/_internal/netfilter/reconcile/packed.py"} <= found
    assert not [name for name in found if name.startswith("modules/")] and "module_utils/_internal/engine/api/sdk.py" not in found


def test_python_packages_are_those_that_controllers_import():
    files = {str(path.relative_to(ROOT)): path.read_bytes() for path in on_controllers()}
    beside_core = {name for name, relation in sbom.needed(files).items() if relation == sbom.OPTIONAL}
    assert sorted(Requirement(line).name for line in lines("python")) == sorted(beside_core)


def test_packages_of_the_system_are_of_both_kinds_of_distributions():
    """bindep's lines: a package, then in brackets where it is asked for."""
    parsed = [re.fullmatch(r"([a-z][\w.+-]*) \[platform:(\w+)\]", line) for line in lines("system")]
    assert all(parsed)
    assert {found[2] for found in parsed} == PLATFORMS
    assert {found[1] for found in parsed} == {"openssh-client", "openssh-clients"}  # plugin_utils/confirmation.py makes a new connection of ssh


def test_the_definition_is_one_of_version_3_and_its_files_are_installed():
    assert set(DEFINITION) == {"version", "dependencies"} and DEFINITION["version"] == 3
    assert set(DEFINITION["dependencies"]) == {"python", "system"}
    ignored = yaml.safe_load((ROOT / "galaxy.yml").read_text(encoding="utf-8"))["build_ignore"]
    assert not {*DEFINITION["dependencies"].values(), "meta"} & set(ignored)


def test_the_archive_in_the_documentation_is_the_one_that_is_built():
    version = yaml.safe_load((ROOT / "galaxy.yml").read_text(encoding="utf-8"))["version"]
    named = re.findall(r"drawbridge-docker-([\d.]+)\.tar\.gz", (ROOT / "docs/overview.md").read_text(encoding="utf-8"))
    assert named and set(named) == {version}
