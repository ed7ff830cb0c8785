# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""daemon.json changed in place."""
import json
import sys

import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.daemon.config_file import DaemonFile
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.errors import DrawbridgeError
from hypothesis import given, settings
from hypothesis import strategies as st

PATH = "/etc/docker/daemon.json"
HAND_MADE = """{
  "dns": ["192.0.2.1",  "192.0.2.2"],
  "log-opts" : { "max-size": "10m" },

  "ip-forward": true,
  "live-restore": true
}
"""


def change(text, wanted, *absent):
    return DaemonFile(text, PATH).changed(wanted, absent)


@pytest.mark.parametrize("text", ["", " \n", "{}", "{ }\n"])
def test_nothing_there(text):
    assert change(text, {"ip-forward": False}) == '{\n    "ip-forward": false\n}\n'
    assert change(text, {}, "ip-forward") == text


def test_only_the_value_changes():
    assert change(HAND_MADE, {"ip-forward": False}) == HAND_MADE.replace('"ip-forward": true', '"ip-forward": false')


def test_a_new_key_comes_last_in_the_files_own_indent():
    assert change(HAND_MADE, {"icc": False}) == HAND_MADE.replace(
        '"live-restore": true\n', '"live-restore": true,\n  "icc": false\n')


@pytest.mark.parametrize("gone, text", [
    ("dns", HAND_MADE.replace('"dns": ["192.0.2.1",  "192.0.2.2"],\n  ', "")),
    ("live-restore", HAND_MADE.replace(',\n  "live-restore": true', "")),
    ("ip-forward", HAND_MADE.replace('\n  "ip-forward": true,\n', "").replace("},\n", "},\n", 1)),
])
def test_a_key_goes(gone, text):
    changed = change(HAND_MADE, {}, gone)
    expected = {key: value for key, value in json.loads(HAND_MADE).items() if key != gone}
    assert list(json.loads(changed).items()) == list(expected.items())
    if gone != "ip-forward":
        assert changed == text
    assert '"log-opts" : { "max-size": "10m" }' in changed


def test_the_last_key_goes():
    assert change('{"icc": true}\n', {}, "icc") == "{}\n"


def test_one_line_stays_one_line():
    assert change('{"debug":true}', {"icc": False}) == '{"debug":true, "icc": false}'


def test_mappings_are_indented_as_the_file_is():
    options = {"bridge": {"com.docker.network.bridge.host_binding_ipv4": "127.0.0.1"}}
    changed = change('{\n\t"debug": true\n}', {"default-network-opts": options})
    assert changed == ('{\n\t"debug": true,\n\t"default-network-opts": {\n\t\t"bridge": {\n'
                       '\t\t\t"com.docker.network.bridge.host_binding_ipv4": "127.0.0.1"\n\t\t}\n\t}\n}')


def test_windows_line_ends_and_byte_order_mark():
    text = '\ufeff{\r\n  "debug": true\r\n}\r\n'
    assert change(text, {"icc": False}) == '\ufeff{\r\n  "debug": true,\r\n  "icc": false\r\n}\r\n'


def test_what_is_there_already_changes_nothing():
    assert change(HAND_MADE, {"ip-forward": True, "live-restore": True}, "icc") == HAND_MADE


def test_a_number_is_not_a_truth():
    assert change('{"icc": 1}', {"icc": True}) == '{"icc": true}'


@pytest.mark.parametrize("text, place", [
    ('{\n  "icc": true\n  "dns": []}', "line 3, column 3"),
    ('{\n  "icc": tru\n}', "line 2, column 10"),
    ('{"icc": NaN}', "line 1, column 9"),
    ("// hello\n{}", "line 1, column 1"),
    ("[]", "line 1, column 1"),
    ('{"icc": true} x', "line 1, column 15"),
    ('"text"', "line 1, column 1"),
])
def test_broken(text, place):
    with pytest.raises(DrawbridgeError) as caught:
        DaemonFile(text, PATH)
    assert caught.value.path == PATH and place in caught.value.message


def test_nested_too_deeply():
    with pytest.raises(DrawbridgeError):
        DaemonFile('{"a": %s' % ("[" * 100000), PATH)
    number = "1" * 10000
    if hasattr(sys, "get_int_max_str_digits"):
        with pytest.raises(DrawbridgeError, match="a number"):
            DaemonFile('{"a": %s}' % number, PATH)


def test_duplicates():
    text = '{\n"icc": true,\n"dns": [],\n"icc": false\n}'
    assert DaemonFile(text, PATH).duplicates() == ["icc in lines 2, 4"]
    with pytest.raises(DrawbridgeError, match="icc in lines 2, 4"):
        change(text, {"icc": True})
    with pytest.raises(DrawbridgeError, match="twice"):
        change(text, {}, "icc")
    assert json.loads(change(text, {"ip-masq": False}))["ip-masq"] is False


KEYS = st.sampled_from(["a", "b", 'q"uote', "ü", "e\\", "icc", "iptables"])
VALUES = st.sampled_from([True, False, 1, "}{,", [1, {"x": []}], {"k": '"'}, None])
SPELT = st.sampled_from([{"indent": indent, "ensure_ascii": ascii_only} for indent in (None, 2, "\t", 0) for ascii_only in (True, False)])
WANTED = st.dictionaries(st.sampled_from(["icc", "iptables", "x"]), st.sampled_from([True, False, {"bridge": {"o": "v"}}]), max_size=2)


@settings(max_examples=2000)
@given(st.dictionaries(KEYS, VALUES), SPELT, WANTED, st.sets(KEYS, max_size=2))
def test_every_change_of_any_file_is_what_a_dict_does(values, spelt, wanted, gone):
    text = json.dumps(values, **spelt)
    absent = [key for key in sorted(gone) if key not in wanted]
    expected = {key: value for key, value in values.items() if key not in absent}
    expected.update(wanted)
    assert list(json.loads(change(text, wanted, *absent)).items()) == list(expected.items())
