# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""The audit's page: whatever hosts tell is data in it, and no more. How it looks and works in a browser is a drill."""
import base64
import hashlib
import json
import re

import pytest
from ansible_collections.drawbridge.docker.plugins.plugin_utils.audit import page
from ansible_collections.drawbridge.docker.plugins.plugin_utils.audit.hosts import read

from tests.unit.support.audit_data import audited

HOSTILE = ["</script><script>alert(1)</script>", "<!--<script>", "{{ 1 + 1 }}", "\"'`\\", "\u2028\u2029\u202e", "&lt;img src=x onerror=alert(1)>", "@SCRIPT@",
           "@DATA@", "\x00\x1b[2J\ud800", "__proto__", ""]


def made(told):
    """The page of hosts, and the data in it."""
    text = page.page(read(list(told), set(told), told.get))
    return text, json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL).group(1))


@pytest.mark.parametrize("name", HOSTILE)
def test_no_name_leaves_the_data(name):
    told = audited("28.5.2", {"office " + name: ["203.0.113.0/24"]}, names={"web": name})
    told["findings"][0]["message"] = told["reachability"]["steps"][0]["text"] = name
    text, data = made({name: told, "plain": audited("28.5.2")})
    plain, _data = made({"plain": audited("28.5.2")})
    # The markup is the same as that of a page without such names.
    without = [re.sub(r'(id="data">).*?(</script>)', r"\1\2", each, flags=re.DOTALL) for each in (text, plain)]
    assert without[0] == without[1] and text.isascii()
    assert data["hosts"][0]["name"] == name and text_of(data, data["hosts"][0]["findings"][0][2]) == name
    assert name in {text_of(data, target[5]) for target in data["hosts"][0]["targets"]} and "office " + name in data["zones"]


def test_data_has_no_character_of_markup():
    for name in HOSTILE:
        text = page.as_json({name: [name]})
        assert not set("<>&\u2028\u2029") & set(text) and text.isascii() and json.loads(text) == {name: [name]}


def test_the_page_runs_its_own_program_only_and_asks_nobody():
    text, _data = made({"web1": audited("28.5.2")})
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', text).group(1)
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    for kind, element in (("script-src", "<script>"), ("style-src", "<style>")):
        inner = text.partition(element)[2].partition("</")[0]
        assert rules[kind] == "'sha256-%s'" % base64.b64encode(hashlib.sha256(inner.encode()).digest()).decode()
    assert rules["default-src"] == "'none'" and "unsafe" not in policy
    addresses = re.findall(r"""(?:src|href|url|action)\s*[=(]\s*["']?([^"')> ]*)""", text.partition('id="data"')[0])
    assert [address for address in addresses if not address.startswith(("#", "data:"))] == []
    program = text.rpartition("<script>")[2]
    assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|eval|Function\(|fetch|XMLHttp|import\(|\.style", program)


def test_cells_are_those_that_hosts_told():
    told = {"web1": audited("20.10.24"), "web2": audited("28.5.2", {"office": ["203.0.113.0/24"]})}
    _text, data = made(told)
    assert data["zones"] == ["internet", "neighbours by eth0", "office", "containers of back", "containers of bridge"]
    for host in data["hosts"]:
        reach = told[host["name"]]["reachability"]
        for target, shown in zip(reach["targets"], host["targets"]):
            cells = [shown[-1][at:at + 3] for at in range(0, len(shown[-1]), 3)]
            assert len(cells) == len(target["reach"])
            for cell, (zone, packet, answer) in zip(target["reach"], cells):
                state, reason, end, path = data["answers"][answer]
                assert (data["zones"][zone], page._STATES[state], data["texts"][reason]) == (cell["zone"], cell["state"], cell["reason"])
                asked = cell["asked"] or {}
                assert [text_of(data, number) for number in data["packets"][packet]] == [asked.get(key, "") for key in ("from", "to", "interface")]
                assert text_of(data, end) == (cell["end_point"] or {"text": ""})["text"]
                steps = [] if path < 0 else [text_of(data, data["steps"][number][3]) for number in data["paths"][path]]
                assert steps == ([] if cell["path"] is None else [reach["steps"][number]["text"] for number in reach["paths"][cell["path"]]])


def text_of(data, number):
    return "" if number < 0 else data["texts"][number]


@pytest.mark.parametrize("told", [
    {}, {"findings": "none", "reachability": []},
    {"findings": [5, {}], "reachability": {
        "targets": [{"reach": [{"zone": "nowhere"}, 7]}, 1], "paths": [["x", 9, -1]], "steps": [{"rule": "1"}, None], "zones": [{}]}},
    {"reachability": {"zones": [{"name": "z"}], "targets": [{"reach": [{"zone": "z", "state": "odd", "path": 99, "end_point": "no"}]}]}, "engine": 5},
])
def test_odd_answers_are_no_errors(told):
    _text, data = made({"web1": dict(told, changed=False)})
    assert data["hosts"][0]["result"] == "audited"


def test_hosts_that_were_not_audited_are_told():
    told = {"a": {"failed": True, "msg": "<b>"}, "b": {"unreachable": True, "msg": "no route"}, "c": {"skipped": True}}
    hosts = read(["a", "b", "c", "d"], {"a", "b", "c"}, told.get)
    assert [(host.name, host.result, host.message) for host in hosts] == [
        ("a", "failed", "<b>"), ("b", "unreachable", "no route"), ("c", "failed", "The audit's task did not run."),
        ("d", "unreachable", "The host was lost before it was audited.")]
    shown = page.content(hosts)["hosts"]
    assert [host["facts"] for host in shown] == [[""] * 4] * 4 and shown[0]["message"] == "<b>"
