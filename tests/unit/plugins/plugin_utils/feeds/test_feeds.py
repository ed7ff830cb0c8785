# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Feeds on the controller, from a server's answer to what the host is sent: whatever is not a good list is not used."""
import contextlib
import hashlib
import json
import threading
from types import SimpleNamespace

import pytest
from ansible.errors import AnsibleFileNotFound
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.errors import DrawbridgeError
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.language.schema import parse_policy
from ansible_collections.drawbridge.docker.plugins.plugin_utils import policy_action
from ansible_collections.drawbridge.docker.plugins.plugin_utils.feeds import content, feeds, fetch

from tests.unit.support.feed_server import FeedServer, own_certificate, page, status

GOOD = "# networks\r\n173.245.48.0/20\n\n 2400:cb00::/32 ; SBL1\n1.1.1.1 # one\n173.245.48.0/20\n"
LIST = ["1.1.1.1", "173.245.48.0/20", "2400:cb00::/32"]
# A secret, as some lists have one in their addresses.
KEY = "?key=s3cr3t"


@pytest.fixture(name="server", scope="module")
def a_server(tmp_path_factory):
    with FeedServer(own_certificate(tmp_path_factory.mktemp("tls"))).running() as server:
        yield server


@pytest.fixture(name="plain", scope="module")
def a_server_without_tls():
    with FeedServer().running() as server:
        yield server


@pytest.fixture(autouse=True)
def fresh(server, plain, tmp_path, monkeypatch):
    for each in (server, plain):
        each.pages, each.asked = {"/good": page(GOOD)}, []
    monkeypatch.setattr(feeds.constants, "DEFAULT_LOCAL_TMP", str(tmp_path))
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


class Action:
    """What an action plugin is asked for: a file of the controller."""

    def __init__(self, folder=None):
        self._loader = SimpleNamespace(get_real_file=lambda path, decrypt: path, cleanup_tmp_file=lambda path: None)
        self._folder = folder

    def _find_needle(self, kind, name):
        assert kind == "files"
        if self._folder is None or not (self._folder / name).exists():
            raise AnsibleFileNotFound("no %s {{ 1 }}" % name)
        return str(self._folder / name)


def brought(raw, action=None):
    """What a host is sent, read as the host reads it: addresses, failure."""
    told = json.loads(json.dumps(feeds.fed(raw, "policy.address_sets.x", action or Action())))
    assert KEY not in json.dumps(told)
    found = parse_policy({"address_sets": {"x": told}}).address_sets["x"]
    return sorted(found.addresses[4]) + sorted(found.addresses[6]), found.feed.failure


def by_tls(server, path="/good", **more):
    return {"url": server.url + path + KEY, "ca_path": str(server.certificate), "timeout": 10, **more}


def served(server, answer, **more):
    server.pages["/x" + KEY] = answer
    return brought(by_tls(server, "/x", **more))


def test_a_good_list(server):
    assert served(server, page(GOOD)) == (LIST, None)
    assert served(server, page(b"\xef\xbb\xbf" + GOOD.encode()), max=3, min=3) == (LIST, None)


def test_json(server):
    data = {"prefixes": [{"v4": "173.245.48.0/20"}, {"v6": "2400:cb00::/32"}, {"v4": "1.1.1.1"}]}
    query = {"format": "json", "query": "prefixes[].[v4, v6][]"}
    assert served(server, page(json.dumps(data)), **query) == (LIST, None)
    assert served(server, page(json.dumps(LIST)), format="json", max=4) == (LIST, None)


def endless(request):
    request.send_response(200)
    request.end_headers()
    with contextlib.suppress(OSError):
        while True:
            request.wfile.write(b"1.1.1.1\n" * 8192)


def silent(request):
    request.send_response(200)
    request.end_headers()
    request.server.stop.wait(60)


def cut_short(request):
    request.send_response(200)
    request.send_header("Content-Length", "1000")
    request.end_headers()
    request.wfile.write(b"1.1.1.1\n")


def cut_chunk(request):
    request.protocol_version = "HTTP/1.1"
    request.send_response(200)
    request.send_header("Transfer-Encoding", "chunked")
    request.end_headers()
    request.wfile.write(b"8\r\n1.1.1.1\n\r\n")


def nested(depth):
    return "[" * depth + "]" * depth


@pytest.mark.parametrize("answer, more, words", [
    (status(404), {}, "answers 404"), (status(503), {}, "answers 503"), (status(204), {}, "answers 204"), (page(""), {}, "0 entries, fewer than 1"),
    (page("# nothing\n;\n"), {}, "0 entries, fewer than 1"), (page(GOOD), {"min": 4}, "3 entries, fewer than 4"),
    (page(GOOD), {"max": 2}, "more than 2 entries"), (page("<!DOCTYPE html>\n<p>1.1.1.1"), {}, "'<!DOCTYPE html>' is not an IP address"),
    (page("1.1.1.1\n0.0.0.0/0"), {}, "'0.0.0.0/0' is too wide"), (page("::/0"), {}, "'::/0' is too wide"), (page("10.1.2.3"), {}, "'10.1.2.3' is private"),
    (page("fd00::/8\n"), {}, "'fd00::/8' is too wide"), (page("fd00::/48\n"), {}, "'fd00::/48' is private"), (page("1.1.1.1/24"), {}, "bits set behind"),
    (page("2400:cb00::1/32"), {}, "bits set behind"), (page("example.org\n"), {}, "'example.org' is not an IP address"),
    (page("1.1.1.1 1.0.0.1"), {}, "is not an IP address"), (page("1.1.1.1\x00"), {}, "is not an IP address"), (page(b"\xff\xfe1"), {}, "it is no text"),
    (page("::ffff:1.1.1.1"), {}, "IPv4 address written as IPv6"), (page("{{ 7 * 7 }}\n"), {}, "'{{ 7 * 7 }}' is not"),
    (page("".join("%d.0.0.0/8\n" % number for number in range(1, 224) if number not in (10, 100, 127, 169, 172, 192, 198, 203))), {}, "more than half"),
    (page("1.1.1.1\n"), {"inside": ["10.0.0.0/8"]}, "'1.1.1.1' is not inside"), (page("10.0.0.0/7"), {"inside": ["10.0.0.0/8"]}, "is not inside"),
    (endless, {}, "is longer than"), (cut_short, {}, "ends its answer ahead of time"), (cut_chunk, {}, "ends its answer ahead of time"),
    (page(GOOD, Content_Encoding="gzip"), {}, "encoding that nobody asked for"), (page(GOOD), {"checksum": "sha256:" + "0" * 64}, "checksum is another"),
    (page("{"), {"format": "json"}, "it is not JSON: '{'"), (page("{}"), {"format": "json"}, "it is no list"),
    (page("{}"), {"format": "json", "query": "a[].b"}, "'a[].b' finds no list"), (page("[1]"), {"format": "json"}, "has '1' among its entries"),
    (page('[["1.1.1.1"]]'), {"format": "json"}, "among its entries"), (page(nested(200_000)), {"format": "json"}, "nested too deeply"),
    (page("[1]"), {"format": "json", "query": "length(@[0])"}, "cannot be applied to it: JMESPathTypeError"),
    (page("[Infinity]"), {"format": "json", "query": "[].ceil(@)"}, "cannot be judged: OverflowError"),
    (page("[%s]" % ("9" * 400)), {"format": "json", "query": "[avg(@)]"}, "cannot be judged: OverflowError"),
    (status(302), {}, "no address of a page"), (status(301, Location="file:///etc/passwd"), {}, "no address of a page"),
    (status(301, Location="http://127.0.0.1/"), {}, "leads from https to http, to http://127.0.0.1"),
    (status(307, Location="http://127.0.0.1/"), {"allow_http": True}, "leads from https to http"),
    (status(302, Location="ftp://127.0.0.1/"), {}, "no address of a page"), (status(302, Location="//a:b@127.0.0.1/x"), {}, "no address of a page"),
    (status(308, Location="/x" + KEY), {}, "more than 5 times"),
])
def test_what_cannot_be_used(server, answer, more, words):
    found, failure = served(server, answer, **more)
    assert not found and words in failure and "s3cr3t" not in failure and "\n" not in failure and len(failure) < 300


def test_a_server_that_never_ends_is_not_waited_for(server):
    server._server.stop = threading.Event()
    assert "did not answer in full within 1 seconds" in served(server, silent, timeout=1)[1]
    server._server.stop.set()


def test_redirects_by_https_are_followed(server):
    server.pages["/away"] = status(302, Location="/good")
    assert served(server, status(301, Location=server.url + "/away")) == (LIST, None)
    assert server.asked == ["/x" + KEY, "/away", "/good"]


def test_a_certificate_that_nobody_knows(server):
    found, failure = brought({"url": server.url + "/good"})
    assert not found and "cannot be asked" in failure and server.asked == []


@pytest.mark.parametrize("ca", ["no such file", "/", "/dev/null"])
def test_an_authority_that_is_none(server, ca):
    found, failure = brought(by_tls(server, ca_path=ca))
    assert not found and failure and server.asked == []


def test_a_server_that_is_not_there():
    with FeedServer().running() as server:
        url = server.url
    assert "%s cannot be asked" % url in brought({"url": url + "/x", "allow_http": True})[1]


def test_http_only_where_it_is_asked_for(plain):
    assert brought({"url": plain.url + "/good", "allow_http": True}) == (LIST, None)
    with pytest.raises(DrawbridgeError) as error:
        brought({"url": plain.url + "/good"})
    assert "allow_http" in str(error.value) and plain.asked == ["/good"]


def test_a_checksum(server):
    digest = hashlib.sha256(GOOD.encode()).hexdigest()
    assert served(server, page(GOOD), checksum="sha256:" + digest.upper()) == (LIST, None)


def test_private_networks_where_inside_has_them(server):
    inside = ["10.0.0.0/9", "10.128.0.0/9", "fd00::/8"]
    assert served(server, page("10.0.0.0/8\nfd00:1::/48\n"), inside=inside) == (["10.0.0.0/8", "fd00:1::/48"], None)


def test_files_of_the_controller(tmp_path):
    (tmp_path / "list.txt").write_text(GOOD, encoding="utf-8")
    (tmp_path / "folder").mkdir()
    (tmp_path / "long").write_bytes(b" " * (content.MOST_BYTES + 1))
    action = Action(tmp_path)
    assert brought({"src": "list.txt"}, action) == (LIST, None)
    for name, words in (("gone", "there is no such file"), ("folder", "cannot be read"), ("long", "longer than"), ("/dev/zero", "it is no file")):
        found, failure = brought({"src": name}, action)
        assert not found and words in failure and "{{" not in failure
    # It may be written between two tasks.
    (tmp_path / "list.txt").write_text("1.1.1.1", encoding="utf-8")
    assert brought({"src": "list.txt"}, action) == (["1.1.1.1"], None)


def test_an_encrypted_file_is_shown_to_nobody(tmp_path):
    (tmp_path / "vault").write_text("$ANSIBLE_VAULT;1.1;AES256", encoding="utf-8")
    decrypted, removed, action = tmp_path / "decrypted", [], Action(tmp_path)
    action._loader = SimpleNamespace(get_real_file=lambda path, decrypt: str(decrypted), cleanup_tmp_file=removed.append)
    decrypted.write_text(GOOD, encoding="utf-8")
    assert brought({"src": "vault"}, action) == (LIST, None)
    for text in ("password: s3cr3t", '{"password": "s3cr3t"}', "10.11.12.13"):
        decrypted.write_text(text, encoding="utf-8")
        assert brought({"src": "vault", "format": "json"}, action)[1] == brought({"src": "vault"}, action)[1] == feeds._NOT_SHOWN
    assert removed == [str(decrypted)] * 7


@pytest.mark.parametrize("query", ["a[", "nothing_such(", "\"", "'"])
def test_a_query_that_is_none_is_the_policy_s_mistake(server, query):
    with pytest.raises(DrawbridgeError) as error:
        brought(by_tls(server, format="json", query=query))
    assert error.value.path == "policy.address_sets.x.query" and server.asked == []


def test_without_jmespath(monkeypatch, server):
    monkeypatch.setattr(content, "HAS_JMESPATH", False)
    with pytest.raises(DrawbridgeError, match="needs jmespath on the controller"):
        brought(by_tls(server, format="json", query="a"))
    assert served(server, page(json.dumps(LIST)), format="json") == (LIST, None)


def options(**given):
    action = policy_action.PolicyAction.__new__(policy_action.PolicyAction)
    action._templar = None
    variables = given.pop("variables", {})
    return action.with_fragments(given, {"inventory_hostname": "web1", **variables})


def test_a_policy_and_fragments_are_sent_with_what_feeds_bring(server):
    policy = {"address_sets": {"x": by_tls(server, "/good"), "y": ["192.0.2.1"]}, "published_ports": {}}
    server.pages["/good" + KEY] = page(GOOD)
    for given in (policy, json.dumps(policy)):
        sent = options(policy=given)["policy"]
        assert sent["address_sets"]["x"]["fetched"]["entries"] == LIST and sent["address_sets"]["y"] == ["192.0.2.1"]
        assert parse_policy(sent).published_ports is not None
    sent = json.loads(options(fragments="p__", variables={"p__a": policy, "p__b": {"weight": 3}})["fragments"])["fragments"]
    assert sent["p__a"]["address_sets"]["x"]["fetched"]["entries"] == LIST and sent["p__b"] == {"weight": 3}
    assert server.asked == ["/good" + KEY] and "url" in policy["address_sets"]["x"]


@pytest.mark.parametrize("given", [
    {"policy": {"address_sets": ["x"]}}, {"policy": "no JSON"}, {"policy": "[1]"}, {"policy": {"address_sets": {"x": ["192.0.2.1"]}}},
    {"policy": {"address_sets": {"x": {"url": "https://127.0.0.1/"}}}, "state": "absent"}, {"state": "absent"}, {},
])
def test_without_feeds_nothing_is_touched(given, monkeypatch):
    monkeypatch.setattr(fetch, "open_url", None)
    assert options(**given) == given


@pytest.mark.parametrize("policy, path", [
    ({"x": {"fetched": {"entries": ["0.0.0.0/1"]}}}, "policy.address_sets.x"), ({"bridges": {"url": "https://127.0.0.1"}}, "policy.address_sets"),
    ({"a\nb {{ c }}": {"url": "https://127.0.0.1"}}, "policy.address_sets"), ({"x": {}}, "policy.address_sets.x"),
])
def test_mistakes_are_told_by_their_place(policy, path):
    with pytest.raises(DrawbridgeError) as error:
        options(policy={"address_sets": policy})
    assert error.value.path == path and "\n" not in str(error.value)
