# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Results of several steps as one."""
import time

import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.errors import DrawbridgeError
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.tasks.harden.story import Story
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.tasks.task import Result

WORDS, RULES, UNIT = ({"before": "", "after": name} for name in ("words", "rules", "unit"))


def story(boot_changed=False):
    told = Story(time.monotonic())
    told.add("boot_restore", Result({"changed": boot_changed, "written": ["/etc/a"] if boot_changed else []}, ["both", "boot"]))
    told.add("event_service", Result({"changed": False, "written": [], "diff": [UNIT]}))
    return told


def test_the_policys_values_are_on_top_and_diffs_are_in_order():
    told = story(boot_changed=True)
    told.add("policy", Result({"changed": False, "rules": 41, "diff": [WORDS, RULES], "checkpoint": {"id": "1"}, "seconds": 99}, ["both", "policy"]))
    result = told.result("policy")
    assert result.values.pop("seconds") < 99
    assert result.values == {
        "changed": True, "rules": 41, "checkpoint": {"id": "1"},
        "steps": {"boot_restore": {"changed": True, "written": ["/etc/a"]}, "event_service": {"changed": False, "written": []}, "policy": {"changed": False}},
        "diff": [{"before_header": "boot_restore", "after_header": "boot_restore", "before": "", "after": "/etc/a\n"}, UNIT, WORDS, RULES],
    }
    assert result.warnings == ["both", "boot", "policy"]


def test_without_a_policy():
    values = story().result("policy").values
    assert set(values) == {"changed", "steps", "diff", "seconds"} and not values["changed"] and set(values["steps"]) == {"boot_restore", "event_service"}


def test_a_failure_before_any_change_is_raised():
    error = DrawbridgeError("no", "policy.a", "do b")
    with pytest.raises(DrawbridgeError) as raised:
        story().failed("policy", error)
    assert raised.value is error


def test_a_failure_after_a_change_says_what_was_done():
    result = story(boot_changed=True).failed("policy", DrawbridgeError("no", "policy.a", "do b"))
    assert result.failure == "policy.a: no (do b)" and result.values["changed"]
    assert result.values["steps"]["policy"] == {"changed": False, "failed": True} and result.values["steps"]["boot_restore"]["changed"]
