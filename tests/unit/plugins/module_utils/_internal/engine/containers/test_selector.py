# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""What users write to choose containers, and which of an engine's containers that is."""
import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.api.client import Inspector, NoSuchContainer
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.containers.containers import EngineSource
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.containers.selector import parse_selector
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.errors import DrawbridgeError
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.system.system import System

WEB, WEB2, DB = "aa11" + "0" * 60, "aa12" + "0" * 60, "bb00" + "0" * 60


class Engine(Inspector):
    """Three stopped containers; one of them with a link's name beside its own."""

    def __init__(self):
        self.known = {
            WEB: (["/db/alias", "/web"], {"com.docker.compose.project": "shop", "com.docker.compose.service": "web"}),
            WEB2: (["/web2"], {"com.docker.compose.project": "shop", "tier": ""}),
            DB: (["/db"], None),
        }

    def all_containers(self):
        return [{"Id": identity, "Names": names, "Labels": labels} for identity, (names, labels) in self.known.items()]

    def inspect(self, container_id):
        if container_id == DB:
            raise NoSuchContainer("removed meanwhile")
        names, labels = self.known[container_id]
        return {"Id": container_id, "Name": names[-1], "Config": {"Labels": labels, "Image": "image" + names[-1]},
                "State": {"Status": "exited", "Running": False, "Pid": 0}}


def found(**selector):
    return [target.name for target in EngineSource(System(), Engine(), parse_selector(selector)).find()]


@pytest.mark.parametrize("selector, names", [
    ({"name": "web"}, ["web"]),
    ({"name": "/web"}, []),
    ({"name": "WEB"}, []),
    ({"name": "we"}, []),
    ({"name": "db/alias"}, []),
    ({"name": "db"}, []),
    ({"id": "aa11"}, ["web"]),
    ({"id": WEB2}, ["web2"]),
    ({"id": "a1"}, []),
    ({"compose_project": "shop"}, ["web", "web2"]),
    ({"compose_project": "shop", "compose_service": "web"}, ["web"]),
    ({"compose_service": "Web"}, []),
    ({"label": "tier"}, ["web2"]),
    ({"label": ["tier="]}, ["web2"]),
    ({"label": ["tier=x"]}, []),
    ({"label": ["com.docker.compose.project=shop", "tier"]}, ["web2"]),
    ({"label": "com.docker.compose.project=shop", "name": "web"}, ["web"]),
])
def test_every_selector_has_to_match(selector, names):
    assert found(**selector) == names


@pytest.mark.parametrize("query, names", [
    ("[?Config.Image=='image/web']", ["web"]),
    ("[?Config.Image=='image/web'].Id", ["web"]),
    ("[0]", ["web"]),
    ("[?Config.Labels.tier]", []),
    ("[?starts_with(Name, '/web')]", ["web", "web2"]),
    ("nothing", []),
])
def test_query(query, names):
    pytest.importorskip("jmespath")
    assert found(query=query) == names


@pytest.mark.parametrize("query", ["[?", "[].Name", "length(@)", "[].Config", "no_such_function(@)", "'" * 4096])
def test_a_query_that_does_not_give_containers(query):
    pytest.importorskip("jmespath")
    with pytest.raises(DrawbridgeError) as caught:
        found(query=query)
    assert caught.value.path == "query" and len(str(caught.value)) < 500 and "\n" not in str(caught.value)


def test_without_jmespath_the_package_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "jmespath", None)
    with pytest.raises(DrawbridgeError) as caught:
        found(query="[]")
    assert "python3-jmespath" in caught.value.hint


def test_an_ambiguous_id():
    with pytest.raises(DrawbridgeError, match="beginning of 2 ids"):
        found(id="aa1")
    assert found(id="aa1", name="web2") == ["web2"]


@pytest.mark.parametrize("data, words", [
    ({}, "no container is chosen"),
    ({"name": None}, "no container is chosen"),
    ({"pod_namespace": "default"}, "no container is chosen"),
    ({"name": "web", "pod_namespace": "default"}, "pod_namespace goes with pod only"),
    ({"name": ""}, "chooses nothing"),
    ({"label": []}, "chooses nothing"),
    ({"label": [""]}, "chooses nothing"),
    ({"label": {"a": "b"}}, "chooses nothing"),
    ({"query": ""}, "chooses nothing"),
    ({"name": 5}, "chooses nothing"),
    ({"name": "a\0b"}, "NUL"),
    ({"pid": 0}, "not the id of a process"),
    ({"pid": True}, "not the id of a process"),
    ({"path": "run/netns/blue"}, "not an absolute path"),
    ({"names": "web"}, "unknown key 'names'"),
])
def test_what_chooses_nothing_is_an_error(data, words):
    with pytest.raises(DrawbridgeError, match=words):
        parse_selector(data)


def test_errors_name_the_place():
    with pytest.raises(DrawbridgeError) as caught:
        parse_selector({"name": ""}, "policy.containers[2]")
    assert caught.value.path == "policy.containers[2].name"
