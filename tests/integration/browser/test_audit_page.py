# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""The audit's page in a real browser: no complaint, nobody asked, accessible, by keyboard, hostile names, print, and a large fleet."""
import copy
import json
import struct

import pytest
from ansible_collections.drawbridge.docker.plugins.plugin_utils.audit.hosts import read
from ansible_collections.drawbridge.docker.plugins.plugin_utils.audit.page import page

from tests.tools import browser
from tests.unit.support.audit_data import audited

pytestmark = [pytest.mark.drill, pytest.mark.skipif(bool(browser.why_not()), reason=browser.why_not())]

HOSTILE = "</script><script>document.title='in'</script><img src=x onerror=\"document.title='in'\">{{ 1 }}'\"&amp;\u2028"
ZONES = {"office": ["203.0.113.0/24", "2001:db8:1::/48"]}
AXE = "axe.run().then((found) => found.violations.map((each) => [each.id, each.nodes.map((node) => node.html)]))"


def written(folder, told, lost=()):
    path = folder / "audit.html"
    path.write_text(page(read([*told, *lost], set(told), told.get)), encoding="ascii")
    return path


@pytest.fixture
def opened(chromium, tmp_path):
    """The page of three hosts and a lost one."""
    chromium.open(written(tmp_path, {"web%d" % place: audited(engine, ZONES) for place, engine in enumerate(("20.10.24", "28.5.2", "29.1.3"))}, ["db"]))
    yield chromium
    assert chromium.complaints == [] and len(chromium.requests) == 1


def rows(chromium):
    return chromium.run("document.querySelectorAll('#reach tbody tr').length")


def focused(chromium):
    return chromium.run("[document.activeElement.id, document.activeElement.textContent]")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_is_accessible(opened, scheme):
    opened.media(scheme=scheme)
    opened.run(browser.axe().read_text(encoding="utf-8") + ";0")
    assert opened.run(AXE) == []
    opened.run("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    assert opened.run("new Promise((done) => setTimeout(done)).then(() => document.querySelectorAll('details table').length)") == 7
    assert opened.run(AXE) == []
    for state in ("open", "closed", "none"):
        opened.run("document.querySelector('td.cell button.%s').click()" % state)
        assert opened.run(AXE) == []
        opened.press("Escape")
    ground = opened.run("getComputedStyle(document.body).backgroundColor")
    assert ground == ("rgb(255, 255, 255)" if scheme == "light" else "rgb(13, 17, 23)")


def test_filters_work_by_keyboard(opened):
    everything = rows(opened)
    opened.press("Tab")
    assert focused(opened)[1] == "To who reaches what"
    opened.press("/", *"web1 8082")
    assert focused(opened)[0] == "text" and rows(opened) == 1
    # Severity, reached, what.
    opened.press("Tab", "h")
    assert opened.run("Array.from(document.querySelectorAll('#findings .tag'), (each) => each.textContent)") == ["high"]
    opened.press("Tab", "Tab", "s")
    assert focused(opened)[0] == "kind" and rows(opened) == 0
    opened.press("Tab", "Enter")
    assert opened.run("new Promise((done) => setTimeout(done)).then(() => 0)") == 0 and rows(opened) == everything
    opened.press("Tab", "Space")
    assert opened.run("Array.from(document.querySelectorAll('#reach thead th'), (each) => each.textContent)") == [
        "Host", "Port", "Leads to", "neighbours by eth0", "office", "containers of back", "containers of bridge"]
    assert opened.run("document.getElementById('matrix-sum').textContent") == "%d of %d rows are shown, of %d in all." % ((everything,) * 3)


def test_the_matrix_works_by_keyboard(opened):
    while not opened.run("document.activeElement.closest('td.cell') !== null"):
        opened.press("Tab")
    assert opened.run("document.querySelectorAll(\"td.cell button[tabindex='0']\").length") == 1
    opened.press("ArrowDown", "ArrowRight", "Enter")
    assert opened.run("document.getElementById('path').open")
    assert opened.run("document.getElementById('path-title').textContent") == "web0, ipv4 127.0.0.1:8081/tcp, from neighbours by eth0: open"
    steps = opened.run("document.querySelectorAll('#path-words li').length")
    assert opened.run("document.querySelector('#path-picture text').textContent") == "tcp from 192.0.2.254 to 127.0.0.1:8081 by eth0"
    assert steps > 3 and "destination is 172.18.0.2:80" in opened.run("document.querySelector('#path-picture svg').textContent")
    opened.press("Escape")
    assert not opened.run("document.getElementById('path').open") and focused(opened)[1] == "open"
    opened.press("ArrowLeft", "ArrowLeft", "ArrowUp", "ArrowUp")
    assert focused(opened)[1] == "open" and opened.run("document.activeElement.closest('tr').sectionRowIndex") == 0


def test_hostile_names_are_text(chromium, tmp_path):
    told = audited("28.5.2", {HOSTILE: ["203.0.113.0/24"]}, names={"web": HOSTILE})
    told["findings"][0].update(message=HOSTILE, remedy=HOSTILE, evidence=[HOSTILE])
    for step in told["reachability"]["steps"]:
        step["text"] = step["change"] = HOSTILE
    chromium.open(written(tmp_path, {HOSTILE: told}))
    chromium.run("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    chromium.run("document.querySelector('td.cell button').click()")
    assert chromium.run("document.title") == "What is open on the Docker hosts"
    assert chromium.run("[document.scripts.length, document.images.length, document.querySelectorAll('[onerror]').length]") == [2, 0, 0]
    assert chromium.run("document.querySelector('#reach tbody th').textContent") == HOSTILE
    assert chromium.run("document.querySelector('#path-words li').textContent").endswith(HOSTILE)
    assert chromium.complaints == [] and len(chromium.requests) == 1


def test_it_prints(opened):
    opened.media(kind="print", scheme="dark")
    assert opened.run("getComputedStyle(document.querySelector('form')).display") == "none"
    assert opened.run("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert opened.pdf().startswith(b"%PDF")
    # What is folded is printed, too.
    assert opened.run("document.querySelectorAll('details[open] table').length") == 7


def test_a_large_fleet(chromium, tmp_path, request):
    """500 hosts, each with 50 ports. The seconds are printed."""
    one = audited("28.5.2", ZONES)
    targets = one["reachability"]["targets"]
    one["reachability"]["targets"] = [dict(copy.deepcopy(targets[number % len(targets)]), port=8000 + number) for number in range(50)]
    told = {}
    for number in range(500):
        told["host%03d" % number] = host = json.loads(json.dumps(one))
        for target in host["reachability"]["targets"]:
            # Each host has a name, addresses and rules of its own.
            target["name"] = "%s-%d" % (target["name"], number)
            for cell in target["reach"]:
                if cell["asked"]:
                    cell["asked"]["to"] = "10.%d.%d.7" % divmod(number, 256)
                    cell["end_point"]["text"] = "10.%d.%d.9:%d, by docker0" % (*divmod(number, 256), target["port"])
        for step in host["reachability"]["steps"]:
            step["text"] += " --of %d" % number
    path = written(tmp_path, told)
    chromium.open(path)
    assert chromium.run("document.getElementById('matrix-sum').textContent") == "100 of 25000 rows are shown, of 25000 in all."
    seconds = chromium.run("performance.getEntriesByType('navigation')[0].loadEventEnd") / 1000
    filtering = chromium.run(
        "(() => { const begin = performance.now(), field = document.getElementById('text'); field.value = 'host499';"
        " field.dispatchEvent(new Event('input', {bubbles: true})); return performance.now() - begin; })()") / 1000
    assert rows(chromium) == 50 and chromium.complaints == []
    with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        print("\n500 hosts with 50 ports, %.1f MB: open after %.2f s, filtered in %.2f s" % (path.stat().st_size / 1e6, seconds, filtering))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_screenshots_are_of_this_page(scheme):
    """docs/ has a small one of each. ``python3 -m tests.integration.browser`` makes them anew."""
    image = (browser.env.ROOT / "docs" / "guides" / "images" / ("audit-%s.png" % scheme)).read_bytes()
    width, height = struct.unpack(">II", image[16:24])
    assert (width, height) == (1000, 900) and len(image) < 150_000
