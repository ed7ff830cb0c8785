# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""All processes of a run ask a server once, by a file in the run's own folder."""
import multiprocessing

import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.errors import DrawbridgeError
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.language.addresses import parse_feed
from ansible_collections.drawbridge.docker.plugins.plugin_utils.feeds import feeds

GOOD = "173.245.48.0/20\n2400:cb00::/32\n"
LIST = GOOD.split()


@pytest.mark.parametrize("fetched", ["good", "dead"])
def test_processes_of_a_run_ask_once(tmp_path, fetched):
    source, asked = parse_feed({"url": "https://127.0.0.1/x"}, "x"), tmp_path / "asked"

    def fetch_once(_source):
        with asked.open("a", encoding="ascii") as stream:
            stream.write("x")
        if fetched == "dead":
            raise DrawbridgeError("dead")
        return GOOD.encode()

    def process(queue):
        queue.put(tuple(feeds.once(source, str(tmp_path), fetch_once)))

    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    processes = [context.Process(target=process, args=(queue,)) for _number in range(6)]
    for each in processes:
        each.start()
    assert {tuple(map(str, queue.get())) for _each in processes} == {(str(LIST), "None") if fetched == "good" else ("[]", "dead")}
    for each in processes:
        each.join()
    assert asked.read_text(encoding="ascii") == "x"
    # Another limit is another feed.
    feeds.once(source._replace(bounds=source.bounds._replace(most=7)), str(tmp_path), fetch_once)
    assert asked.read_text(encoding="ascii") == "xx"


def test_a_process_that_died_is_taken_over_from(tmp_path):
    source = parse_feed({"url": "https://127.0.0.1/x"}, "x")
    assert feeds.once(source, str(tmp_path), lambda _source: b"1.1.1.1").entries == ["1.1.1.1"]
    (written,) = tmp_path.glob("drawbridge-feed-*")
    for half in (b"", written.read_bytes()[:9]):
        written.write_bytes(half)
        assert feeds.once(source, str(tmp_path), lambda _source: b"1.0.0.1").entries == ["1.0.0.1"]
    assert feeds.once(source, str(tmp_path), lambda _source: b"").entries == ["1.0.0.1"]


def test_without_room_for_the_answer_each_asks(tmp_path):
    source = parse_feed({"url": "https://127.0.0.1/x"}, "x")
    assert feeds.once(source, str(tmp_path / "none"), lambda _source: b"1.1.1.1").entries == ["1.1.1.1"]
    assert feeds.once(source, str(tmp_path / "none"), lambda _source: b"").failure
