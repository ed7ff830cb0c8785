# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""The site of ``make site``: what Sphinx needs beside the documentation, and a look at what it made.

Nothing here uses the network. Links to other sites are not followed.
"""
from __future__ import annotations

import re
import shutil
import zlib
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

# Where antsibull-docs leads to in Ansible's own documentation.
ANSIBLE = {
    "action_plugins": "plugins/action.html#action-plugins",
    "ansible_configuration_settings": "reference_appendices/config.html#ansible-configuration-settings",
    "common_return_values": "reference_appendices/common_return_values.html#common-return-values",
}
_BUILTIN = re.compile(r"<ansible_collections\.ansible\.builtin\.(\w+)_module>")
# Links of an element that a browser fetches by itself, with the page.
_FETCHED = {"img": "src", "script": "src", "link": "href", "source": "src", "iframe": "src"}
# <link> is about other pages too.
_FETCHED_RELATIONS = {"stylesheet", "icon", "preload", "shortcut icon"}


def prepare(source: Path) -> None:
    """Put the first page and the folder of the reference into a copy of the tree."""
    shutil.copy2(source / "docs" / "site" / "index.md", source / "index.md")
    (source / "reference").mkdir()


def write_inventory(source: Path) -> None:
    """Write reference/ansible.inv, by which Sphinx knows the pages of Ansible that the reference names."""
    named = {name for page in (source / "reference").glob("*.rst") for name in _BUILTIN.findall(page.read_text(encoding="utf-8"))}
    pages = dict(ANSIBLE)
    for name in sorted(named):
        label = "ansible_collections.ansible.builtin.%s_module" % name
        pages[label] = "collections/ansible/builtin/%s_module.html#%s" % (name, re.sub(r"[._]", "-", label))
    head = b"# Sphinx inventory version 2\n# Project: ansible\n# Version: latest\n# The remainder of this file is compressed using zlib.\n"
    lines = "".join("%s std:label -1 %s %s\n" % (label, uri, label) for label, uri in pages.items())
    (source / "reference" / "ansible.inv").write_bytes(head + zlib.compress(lines.encode()))


class _Page(HTMLParser):
    """The names that a page can be entered by, where its links lead, and what a browser fetches with it."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.links: list[str] = []
        self.fetched: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self.names |= {found[key] for key in ("id", "name") if found.get(key)}
        target = found.get(_FETCHED.get(tag, ""), "")
        if target and (tag != "link" or found.get("rel") in _FETCHED_RELATIONS):
            self.fetched.append(target)
        elif tag in ("a", "link") and found.get("href"):
            self.links.append(found["href"])


def _read(path: Path) -> _Page:
    page = _Page()
    page.feed(path.read_text(encoding="utf-8"))
    return page


def problems(site: Path) -> list[str]:
    """What is wrong with a site: a line each. A link has to lead to a file and a name in it, and a page needs no server and no other site."""
    pages = {path.resolve(): _read(path) for path in sorted(site.rglob("*.html"))}
    found = [] if (site / "index.html").resolve() in pages else ["there is no first page, index.html"]
    for path, page in pages.items():
        where = path.relative_to(site.resolve())
        found += ["%s: fetches %s from another site" % (where, target) for target in page.fetched if _is_elsewhere(target)]
        found += ["%s: %s" % (where, problem) for target in page.links + page.fetched for problem in _leads_nowhere(path, target, pages)]
    return found + list(_search_problems(site))


def _is_elsewhere(target: str) -> bool:
    parts = urlsplit(target)
    return bool(parts.netloc or parts.scheme not in ("", "data"))


def _leads_nowhere(path: Path, target: str, pages: dict[Path, _Page]) -> Iterator[str]:
    parts = urlsplit(target)
    if _is_elsewhere(target) or parts.scheme == "data":
        return
    if parts.path.startswith("/"):
        yield "%s needs a server: it begins at its root" % target
        return
    file = (path.parent / unquote(parts.path)).resolve() if parts.path else path
    if not file.is_file():
        yield "%s leads nowhere" % target
    elif parts.fragment and file in pages and unquote(parts.fragment) not in pages[file].names:
        yield "%s leads to a page without that name" % target


def _search_problems(site: Path) -> Iterator[str]:
    """Search has to work from files: its index is a script that the page of the search loads, never a text that it asks a server for."""
    index, page = site / "searchindex.js", site / "search.html"
    if not index.is_file() or not page.is_file():
        yield "there is no search"
        return
    if not index.read_text(encoding="utf-8").startswith("Search.setIndex("):
        yield "searchindex.js is no script that sets the index"
    if not any(target.partition("?")[0] == "searchindex.js" for target in _read(page).fetched):
        yield "search.html does not load searchindex.js"
