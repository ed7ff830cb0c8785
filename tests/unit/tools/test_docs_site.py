# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""What is wrong with a site is said: links that lead nowhere, what needs a server or the network, a search that does not work from files."""
import zlib

import pytest

from tests.tools import docs_site

SEARCH = '<html><script src="searchindex.js?v=1"></script><p id="results"></p></html>'


@pytest.fixture(name="site")
def a_site(tmp_path):
    """Two pages that name each other, a picture, and a search."""
    (tmp_path / "guides").mkdir()
    (tmp_path / "index.html").write_text('<a href="guides/a.html#here">a</a><img src="p.svg"><a href="https://example.org/x#y">out</a>')
    (tmp_path / "guides" / "a.html").write_text('<h2 id="here">B</h2><a href="../index.html">back</a><a href="#here">up</a><a href="mailto:a@b.example">m</a>')
    (tmp_path / "p.svg").write_text("<svg/>")
    (tmp_path / "search.html").write_text(SEARCH)
    (tmp_path / "searchindex.js").write_text("Search.setIndex({})")
    return tmp_path


def test_a_whole_site_has_no_problems(site):
    assert docs_site.problems(site) == []


@pytest.mark.parametrize("markup, problem", [
    ('<a href="gone.html">', "gone.html leads nowhere"),
    ('<a href="a.html#gone">', "a.html#gone leads to a page without that name"),
    ('<a href="#gone">', "#gone leads to a page without that name"),
    ('<a href="../p%20q.svg">', "../p%20q.svg leads nowhere"),
    ('<a href="/index.html">', "/index.html needs a server: it begins at its root"),
    ('<a href="..">', ".. leads nowhere"),
    ('<img src="https://example.org/p.png">', "fetches https://example.org/p.png from another site"),
    ('<img src="//example.org/p.png">', "fetches //example.org/p.png from another site"),
    ('<link rel="stylesheet" href="http://example.org/s.css">', "fetches http://example.org/s.css from another site"),
    ('<script src="gone.js"></script>', "gone.js leads nowhere"),
])
def test_a_problem_is_named_with_its_page(site, markup, problem):
    page = site / "guides" / "a.html"
    page.write_text(page.read_text() + markup)
    assert docs_site.problems(site) == ["guides/a.html: " + problem]


@pytest.mark.parametrize("markup", [
    '<link rel="search" href="../search.html">', '<link rel="canonical" href="https://example.org/">', '<img src="data:image/png;base64,AA">'])
def test_what_is_not_fetched_may_lead_elsewhere(site, markup):
    page = site / "guides" / "a.html"
    page.write_text(page.read_text() + markup)
    assert docs_site.problems(site) == []


@pytest.mark.parametrize("name, text, problem", [
    ("search.html", "<html></html>", "search.html does not load searchindex.js"),
    ("searchindex.js", '{"docnames": []}', "searchindex.js is no script that sets the index"),
])
def test_a_search_that_needs_a_server(site, name, text, problem):
    (site / name).write_text(text)
    assert docs_site.problems(site) == [problem]


@pytest.mark.parametrize("name", ["search.html", "searchindex.js"])
def test_no_search(site, name):
    (site / name).unlink()
    assert "there is no search" in docs_site.problems(site)


def test_no_first_page(tmp_path):
    assert docs_site.problems(tmp_path) == ["there is no first page, index.html", "there is no search"]


def test_the_inventory_names_the_modules_that_pages_refer_to(tmp_path):
    reference = tmp_path / "reference"
    reference.mkdir()
    (reference / "a_module.rst").write_text(":ref:`x <ansible_collections.ansible.builtin.wait_for_module>` :ref:`y <action_plugins>`")
    docs_site.write_inventory(tmp_path)
    head, lines = (reference / "ansible.inv").read_bytes().split(b"using zlib.\n")
    assert head.startswith(b"# Sphinx inventory version 2\n")
    label = "ansible_collections.ansible.builtin.wait_for_module"
    uri = "collections/ansible/builtin/wait_for_module.html#ansible-collections-ansible-builtin-wait-for-module"
    text = zlib.decompress(lines).decode()
    assert "%s std:label -1 %s %s\n" % (label, uri, label) in text and text.count("\n") == 1 + len(docs_site.ANSIBLE)
