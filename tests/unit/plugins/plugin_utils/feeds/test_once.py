# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""All processes of a run ask a server once, by a file in the run's own folder."""
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.errors import DrawbridgeError
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.values.addresses import parse_feed
from ansible_collections.drawbridge.docker.plugins.plugin_utils.feeds import feeds

GOOD = "173.245.48.0/20\n2400:cb00::/32\n"
LIST = GOOD.split()


@pytest.mark.parametrize("fetched", ["good", "dead"])
def test_who_comes_at_the_same_time_waits_for_the_first_one_s_answer(tmp_path, fetched):
    """Threads: the lock is of an opened file, so it holds between any two that opened it themselves."""
    source, asked, begun = parse_feed({"url": "https://127.0.0.1/x"}, "x"), [], threading.Barrier(6)

    def fetch(_source):
        asked.append(1)
        if fetched == "dead":
            raise DrawbridgeError("dead")
        return GOOD.encode()

    def ask(_number):
        begun.wait()
        return feeds.once(source, str(tmp_path), fetch)

    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(ask, range(6))) == [feeds.Brought(LIST) if fetched == "good" else feeds.Brought([], "dead")] * 6
    assert len(asked) == 1
    # Another limit is another feed.
    feeds.once(source._replace(bounds=source.bounds._replace(most=7)), str(tmp_path), fetch)
    assert len(asked) == 2


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
