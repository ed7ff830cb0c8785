# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Members of address sets: addresses, and addresses until a time."""
from datetime import datetime, timedelta, timezone

import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.errors import DrawbridgeError
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.values.members import latest, parse_members, parse_time

END, LATER = "2026-12-01T18:00:00Z", "2026-12-02T18:00:00Z"


def member(address, until=END):
    return {"address": address, "until": until}


@pytest.mark.parametrize("written", [
    END, "2026-12-01T18:00Z", "2026-12-01 18:00:00 Z", "2026-12-01t18:00:00.000z", "2026-12-01T19:00:00+01:00", "2026-12-01T12:30-0530",
    "2026-12-02T00:00:00+06:00", datetime(2026, 12, 1, 18, tzinfo=timezone.utc), datetime(2026, 12, 1, 20, tzinfo=timezone(timedelta(hours=2))),
])
def test_times_are_utc(written):
    assert parse_time(written, "p") == END


@pytest.mark.parametrize("written, words", [
    ("2026-12-01T18:00:00", "is not a time with its zone"), (datetime(2026, 12, 1, 18), "is not a time with its zone"), ("2026-12-01", "with its zone"),
    ("2026-12-01T24:00Z", "with its zone"), ("2026-13-01T18:00Z", "with its zone"), ("2026-12-01T18:00:60Z", "with its zone"), (1796148000, "a number"),
    ("2026-12-01T18:00Z\n", "with its zone"), ("2026-12-01T18:00:00.5Z", "with its zone"), ("2026-12-01T18:00 Europe/Berlin", "with its zone"),
    ("٢٠٢٦-12-01T18:00Z", "with its zone"), (None, "nothing"), ("{{ x }}", "with its zone"), ("2026-02-29T18:00Z", "there is no time"),
])
def test_what_is_no_time(written, words):
    with pytest.raises(DrawbridgeError, match=words) as refused:
        parse_time(written, "p.until")
    assert refused.value.path == "p.until"


def test_members_and_addresses():
    addresses, ends = parse_members(["192.0.2.1", member("192.0.2.2"), member("2001:DB8::/64", LATER), member("0.0.0.0/0")], "p")
    assert addresses == {4: {"192.0.2.1", "192.0.2.2", "0.0.0.0/1", "128.0.0.0/1"}, 6: {"2001:db8::/64"}}
    assert ends == {"192.0.2.2": END, "2001:db8::/64": LATER, "0.0.0.0/1": END, "128.0.0.0/1": END}


@pytest.mark.parametrize("items, ends", [
    ([member("192.0.2.1"), member("192.0.2.1/32", LATER), member("192.0.2.1")], {"192.0.2.1": LATER}),
    ([member("::1"), "0::1", member("::1", LATER)], {}),
    (["192.0.2.1", member("192.0.2.2")], {"192.0.2.2": END}),
    ([], {}),
])
def test_the_later_time_counts_and_none_is_the_latest(items, ends):
    assert parse_members(items, "p")[1] == ends and parse_members(items[::-1], "p")[1] == ends
    # Lists that are put together mean the same.
    assert latest([parse_members([item], "p") for item in items]) == ends


@pytest.mark.parametrize("item, words, path", [
    ({"address": "192.0.2.1"}, "has an address and until", "p[0]"),
    ({"until": END}, "has an address and until", "p[0]"),
    ({"adress": "192.0.2.1"}, "unknown key 'adress'", "p[0]"),
    (member("@office"), "a set cannot hold another set", "p[0].address"),
    (member("any"), "any cannot be part of a set", "p[0].address"),
    (member(["192.0.2.1"]), "got a list", "p[0].address"),
    (member("support.example.org"), "is not an IP address", "p[0].address"),
    (member("192.0.2.1", "tomorrow"), "'tomorrow' is not a time", "p[0].until"),
    ([], "got a list", "p[0]"),
])
def test_what_is_no_member(item, words, path):
    with pytest.raises(DrawbridgeError, match=words) as refused:
        parse_members([item], "p")
    assert refused.value.path == path
