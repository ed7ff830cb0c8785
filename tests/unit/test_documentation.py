# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Documentation that can be followed: links lead somewhere, commands are ones that are there, lists are whole."""
import re
import shlex
from functools import cache
from pathlib import Path
from urllib.parse import unquote

import pytest
import yaml
from ansible.cli.adhoc import AdHocCLI
from ansible.cli.galaxy import GalaxyCLI
from ansible.cli.playbook import PlaybookCLI

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
FOLDERS = (".", "docs", "docs/*", "roles/*", "tests", "tests/*", "tests/integration/lab/support/others")
# docs/site/index.md is a page of the site only, which follows its links itself.
PAGES = sorted(path for folder in FOLDERS for path in ROOT.glob(folder + "/*.md") if path.parent.name != "site")
PROGRAMS = {"ansible": AdHocCLI, "ansible-galaxy": GalaxyCLI, "ansible-playbook": PlaybookCLI}
COLLECTION = "drawbridge.docker."


@cache
def without_code(page):
    return re.sub(r"^ *```.*?^ *```$", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)


def anchors(page):
    """What a heading is linked by: lower case, hyphens for blanks, no other signs. A second one of that name has a number."""
    found = []
    for heading in re.findall(r"^#+ (.*)$", without_code(page), re.MULTILINE):
        name = re.sub(r"[^\w\- ]", "", re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).lower()).replace(" ", "-")
        found.append("%s-%d" % (name, found.count(name)) if name in found else name)
    return found


def links(page):
    """(file, anchor) of each link to a file of this tree; the anchor is empty where there is none."""
    targets = re.findall(r"\]\(([^)\s]+)\)", without_code(page))
    for target in targets:
        if "://" not in target:
            name, _hash, anchor = unquote(target).partition("#")
            yield (page.parent / name).resolve() if name else page, anchor


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    broken = [(str(target), anchor) for target, anchor in links(page)
              if not target.exists() or anchor and (target.suffix != ".md" or anchor not in anchors(target))]
    assert broken == []


def test_pages_are_found():
    assert README in PAGES and ROOT / "docs/guides/policy.md" in PAGES and sum(len(list(links(page))) for page in PAGES) > 200


def commands(page):
    """Each command of a page's blocks without a language that is one of ours, as words."""
    for language, block in re.findall(r"^```(\w*)\n(.*?)^```$", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE):
        for line in block.splitlines() if not language else []:
            for command in line.split("&&"):
                words = shlex.split(command, comments=True) if re.match(r" *(make|%s) " % "|".join(PROGRAMS), command) else []
                if words:
                    yield words
    # In a sentence.
    for command in re.findall(r"`((?:make|%s) [^`]*)`" % "|".join(PROGRAMS), page.read_text(encoding="utf-8")):
        yield command.split()


COMMANDS = [(page, words) for page in (README, ROOT / "docs/overview.md", *sorted(ROOT.glob("docs/guides/*.md"))) for words in commands(page)]


@pytest.mark.parametrize("page, words", COMMANDS, ids=lambda item: " ".join(item) if isinstance(item, list) else item.name)
def test_commands_are_there(page, words):
    program, *arguments = words
    if program == "make":
        targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
        assert set(arguments) <= set(targets)
        return
    cli = PROGRAMS[program](words)
    cli.init_parser()
    options = cli.parser.parse_args(arguments)  # ends the process where an option or a subcommand is unknown
    if program == "ansible-playbook":
        assert options.args and all(is_playbook(page, name) for name in options.args)
    if program == "ansible":
        assert (ROOT / "plugins/modules" / (options.module_name.rpartition(COLLECTION)[2] + ".py")).exists()


def is_playbook(page, name):
    """Whether a playbook is one of the collection's, or one that the page shows."""
    if name.startswith(COLLECTION):
        return (ROOT / "playbooks" / (name[len(COLLECTION):] + ".yml")).exists()
    return "```yaml\n# %s\n" % name in page.read_text(encoding="utf-8")


def test_readme_has_commands():
    assert [words[0] for page, words in COMMANDS if page == README][:4] == ["ansible-galaxy"] * 2 + ["ansible-playbook"] * 2


def test_the_overview_names_every_module_role_playbook_and_guide():
    text = (ROOT / "docs/overview.md").read_text(encoding="utf-8")
    modules = set(yaml.safe_load((ROOT / "meta/runtime.yml").read_text(encoding="utf-8"))["action_groups"]["all"])
    table = re.search(r"^\| modules \| purpose \|\n\|[-|]+\n((?:\|.*\n)+)", text, re.MULTILINE)[1]
    named = [name for row in table.splitlines() for name in re.findall(r"`(\w+)`", row.split("|")[1])]
    assert sorted(named) == sorted(modules)
    for folder, link in (("roles/*", "(../%s/README.md)"), ("docs/guides/*.md", "(%s)")):
        for path in ROOT.glob(folder):
            assert link % path.relative_to(ROOT if folder.startswith("roles") else ROOT / "docs") in text, path
    for path in ROOT.glob("playbooks/*.yml"):
        assert "`%s%s`" % (COLLECTION, path.stem) in text
