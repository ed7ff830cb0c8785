# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Sets that are fed: by ansible-playbook, from a server, to the kernel's ipset. What cannot be used changes nothing, and is told."""
import json

import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.errors import DrawbridgeError
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.system.system import System
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy_pipeline.pipeline import keep_policy
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.tasks.task import Task

from tests.integration.kernel.support.playbook import play, why_not
from tests.integration.kernel.test_kept_plan import params
from tests.unit.support.feed_server import FeedServer, own_certificate, page

GOOD = "173.245.48.0/20\n103.21.244.0/22 # Asia\n2400:cb00::/32\n"
OTHER = "173.245.48.0/20\n188.114.96.0/20\n2606:4700::/32\n"
FOUR = {"173.245.48.0/20", "103.21.244.0/22"}


@pytest.fixture(name="server")
def a_server(nft_host, tmp_path):
    if why_not():
        pytest.skip(why_not())
    with FeedServer(own_certificate(tmp_path)).running() as server:
        server.pages = {"/good": page(GOOD), "/html": page("<html>{{ 1 / 0 }}</html>"), "/all": page(GOOD + "0.0.0.0/0\n"), "/other": page(OTHER)}
        yield server


def feed(server, path, **more):
    return {"url": server.url + path, "ca_path": str(server.certificate), "min": 2, "timeout": 10, **more}


def address_set(check=False, **arguments):
    return {"drawbridge.docker.address_set": dict({"name": "proxy"}, **arguments), "check_mode": check}


def test_a_set_keeps_its_content_until_the_feed_is_good_again(nft_host, server, tmp_path):
    nothing, looked, done, again, html, checked, other = play(tmp_path, [
        address_set(feed=feed(server, "/html")), address_set(True, feed=feed(server, "/good")), address_set(feed=feed(server, "/good")),
        address_set(feed=feed(server, "/good")), address_set(feed=feed(server, "/html")), address_set(True, feed={"src": "no such file"}),
        address_set(feed=feed(server, "/other")),
    ])
    assert nothing["failed"] and "no content from before" in nothing["msg"] and "good content once" in nothing["msg"]
    assert looked["changed"] and done["changed"] and looked["diff"] == done["diff"] and "173.245.48.0/20" in done["diff"]["after"]
    assert not again["changed"] and not again.get("warnings")
    for result, words in ((html, "<html>{{ 1 / 0 }}</html>"), (checked, "no such file")):
        assert not result["failed"] and not result["changed"]
        (told,) = result["warnings"]
        assert words in told and "the 3 entries from before are kept" in told
    assert other["changed"] and "103.21.244.0/22" in other["diff"]["before"] and "103.21.244.0/22" not in other["diff"]["after"]
    assert nft_host.entries("DB-proxy-4") == {"173.245.48.0/20", "188.114.96.0/20"} and nft_host.entries("DB-proxy-6") == {"2606:4700::/32"}
    # Once in a run.
    assert sorted(server.asked) == ["/good", "/html", "/other"]


def test_all_hosts_of_a_run_ask_once(nft_host, server, tmp_path):
    task = address_set(name="{{ inventory_hostname }}", feed=feed(server, "/good"))
    results = play(tmp_path, [task], hosts="a,b,c,d")
    assert [result["changed"] for result in results] == [True] * 4 and server.asked == ["/good"]
    assert all(nft_host.entries("DB-%s-4" % host) == FOUR for host in "abcd")


POLICY = {"published_ports": {"allow": [{"port": 443, "sources": ["@proxy"]}]}}


def apply(server, path, check=False):
    """A fragment whose feed's URL is a template."""
    fragment = {**POLICY, "address_sets": {"proxy": {**feed(server, ""), "url": "{{ base }}" + path}, "unused": feed(server, "/html")}}
    arguments = {"fragments": "p__", "transport": "nft", "confirm_timeout": 0, "docker_host": "unix:///run/nothing.sock", "allow_lockout": True}
    return {"drawbridge.docker.host_policy": arguments, "check_mode": check, "vars": {"p__web": fragment, "base": server.url}}


def test_a_policy_keeps_its_set(nft_host, server, tmp_path):
    nothing, done, again, checked, kept, other = play(tmp_path, [
        apply(server, "/all"), apply(server, "/good"), apply(server, "/good"), apply(server, "/all", True), apply(server, "/all"),
        apply(server, "/other"),
    ])
    assert nothing["failed"] and nothing["msg"].startswith("p__web.address_sets.proxy: ") and "good content once" in nothing["msg"]
    assert done["changed"] and not again["changed"] and not checked["changed"] and not kept["changed"] and other["changed"]
    for result, words in ((done, []), (checked, ["the 3 entries from before are kept"]), (kept, ["the 3 entries from before are kept"])):
        found = [told for told in result["warnings"] if "feed" in told]
        assert len(found) == len(words) + 1 and all(word in " ".join(found) for word in [*words, "nothing names this set"])
    assert "188.114.96.0/20" in json.dumps(other["diff"]) and held(nft_host) == {"173.245.48.0/20", "188.114.96.0/20", "2606:4700::/32"}


def brought(entries=(), failure=None, **bounds):
    return {"fetched": {"least": 1, "most": 10, "inside": [], "entries": list(entries), "failure": failure, **bounds}}


def run(host, fed, check=False):
    return keep_policy(Task(params(host, {**POLICY, "address_sets": {"proxy": fed}}), check, System()))


def held(host):
    return {line.split()[2] for line in host.sh("ipset", "save").splitlines() if line.startswith("add DBP-proxy-")}


def test_what_is_kept_is_judged_too(host):
    """A list that was there before the feed, or bounds that are others now."""
    assert run(host, ["10.0.0.0/8", "2400:cb00::/32"]).values["changed"]
    before = host.everything()
    for fed, words in (
        (brought(failure="dead"), "'10.0.0.0/8' is private"), (brought(failure="dead", inside=["10.0.0.0/8"]), "'2400:cb00::/32' is not inside"),
        (brought(failure="dead", inside=["10.0.0.0/8", "2400::/12"], least=3), "fewer than 3"),
        (brought(failure="dead", inside=["10.0.0.0/8", "2400::/12"], most=1), "more than 1"),
    ):
        with pytest.raises(DrawbridgeError, match="dead") as error:
            run(host, fed)
        assert words in str(error.value) and host.everything() == before
    allowed = run(host, brought(failure="dead", inside=["10.0.0.0/8", "2400::/12"]))
    assert not allowed.values["changed"] and "the 2 entries from before are kept: dead" in allowed.warnings[0] and host.everything() == before


def test_of_two_generations_the_one_in_force_is_kept(host):
    run(host, brought(["173.245.48.0/20"]))
    name = next(line.split()[1] for line in host.sh("ipset", "save").splitlines() if line.startswith("create DBP-proxy-4"))
    other = name[:-1] + {"a": "b", "b": "a"}[name[-1]]
    host.sh("ipset", "create", other, "hash:net")
    host.sh("ipset", "add", other, "1.1.1.0/24")
    assert "the 1 entries" in run(host, brought(failure="dead")).warnings[0]
    assert "173.245.48.0/20" in held(host)


def test_a_flushed_set_is_no_good_content(host):
    run(host, brought(["173.245.48.0/20"]))
    for line in host.sh("ipset", "save").splitlines():
        if line.startswith("create DBP-proxy-"):
            host.sh("ipset", "flush", line.split()[1])
    with pytest.raises(DrawbridgeError, match="0 entries, fewer than 1"):
        run(host, brought(failure="dead"))
