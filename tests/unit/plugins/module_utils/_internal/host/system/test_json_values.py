# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.system.json_values import mapping, objects, text

OTHERS = [None, True, 7, 1.5]


def test_a_value_of_the_expected_type_is_handed_on():
    assert mapping({"Id": "a"}) == {"Id": "a"}
    assert objects([{"Id": "a"}, None, "b"]) == [{"Id": "a"}]
    assert text("a") == "a"


@pytest.mark.parametrize("value", OTHERS)
def test_any_other_is_empty(value):
    assert (mapping(value), objects(value), text(value)) == ({}, [], "")
    assert (mapping([]), objects({}), text([])) == ({}, [], "")
