# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""What a policy's task does around converge."""
from contextlib import nullcontext

import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils.boot import checkpoint
from ansible_collections.drawbridge.docker.plugins.module_utils.errors import DrawbridgeError
from ansible_collections.drawbridge.docker.plugins.module_utils.policy import keep
from ansible_collections.drawbridge.docker.plugins.module_utils.task import Result, Task


class FailingToggles:
    """Toggles that cannot be widened."""

    def widen(self):
        raise DrawbridgeError("no such setting", "policy.forwarding")


@pytest.mark.parametrize("armed", [True, False])
def test_rules_of_a_task_that_fails_later_are_taken_back_at_once(monkeypatch, armed):
    done = []
    monkeypatch.setattr(keep, "HostLock", lambda _timeout: nullcontext())
    monkeypatch.setattr(checkpoint.Checkpoint, "armed", lambda _self: checkpoint.Armed("1", checkpoint.BY_TASK, 9.0))
    monkeypatch.setattr(checkpoint.Checkpoint, "roll_back", lambda _self, what: done.append(what.id))
    values = {"changed": True, "checkpoint": {"id": "1", "seconds": 9.0}} if armed else {"changed": True}
    task = Task({"lock_timeout": 1}, False, None)
    with pytest.raises(DrawbridgeError) as error:
        keep._with_toggles(task, FailingToggles(), None, Result(values))
    assert error.value.path == "policy.forwarding"
    assert ("from before" in error.value.message) == armed
    assert done == (["1"] if armed else [])
