# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""The documentation's site in a real browser, from files: no complaint, nobody asked, accessible, light and dark, and its search."""
import pytest

from tests.tools import browser, gatelist

pytestmark = [pytest.mark.drill, pytest.mark.skipif(bool(browser.why_not()), reason=browser.why_not())]

# What stands in a page; around it is the theme. Of what is in it, the theme makes captions and blocks of code, antsibull-docs its links.
_NOT_OURS = ("scrollable-region-focusable", "aria-required-attr", "aria-valid-attr", "color-contrast")
AXE = ("axe.run('article').then((found) => found.violations.filter((each) => !%s.includes(each.id))"
       ".map((each) => [each.id, each.nodes.map((node) => node.html)]))" % (list(_NOT_OURS),))
# They come one after the other, and the summary at the end.
RESULTS = """new Promise((done) => {
    const look = () => /found/.test(document.querySelector('#search-results .search-summary')?.textContent) ? done(Array.from(
        document.querySelectorAll('#search-results li a'), (each) => each.getAttribute('href'))) : setTimeout(look, 20);
    look();
})"""


@pytest.fixture(name="site", scope="module")
def made_now():
    gatelist.site()
    return gatelist.BUILD / "site"


def test_every_page_opens_without_complaint_and_asks_nobody(site, chromium):
    pages = sorted(site.rglob("*.html"))
    assert len(pages) > 100
    found = {}
    for page in pages:
        chromium.open(page)
        said = [*chromium.complaints, *(address for address in chromium.requests if not address.startswith(("file://", "data:")))]
        if said:
            found[str(page.relative_to(site))] = said
    assert found == {}


def test_what_we_write_is_accessible(site, chromium):
    found = {}
    for page in sorted(site.rglob("*.html")):
        chromium.open(page)
        if chromium.run("document.querySelector('article') !== null"):
            chromium.run(browser.axe().read_text(encoding="utf-8") + ";0")
            wrong = chromium.run(AXE)
            if wrong:
                found[str(page.relative_to(site))] = wrong
    assert found == {}


@pytest.mark.parametrize("words, page", [("docker-proxy", "docs/guides/troubleshooting.html"), ("quarantine", "docs/guides/containers.html"),
                                         ("open_to_internet", "docs/guides/audit.html")])
def test_search_finds_a_page_without_a_server(site, chromium, words, page):
    chromium.open(site / "search.html", query="q=" + words)
    assert page in [address.partition("#")[0].partition("?")[0] for address in chromium.run(RESULTS)]


@pytest.mark.parametrize("scheme, paper, ink", [("light", "rgb(255, 255, 255)", "rgb(0, 0, 0)"), ("dark", "rgb(19, 20, 22)", "rgb(207, 208, 208)")])
def test_the_first_page_in_both_schemes(site, chromium, scheme, paper, ink):
    chromium.media(scheme=scheme)
    chromium.open(site / "index.html")
    assert chromium.run("getComputedStyle(document.body).backgroundColor") == paper
    assert chromium.run("getComputedStyle(document.body).color") == ink
    assert chromium.run("document.querySelector('article img').naturalWidth") > 500
