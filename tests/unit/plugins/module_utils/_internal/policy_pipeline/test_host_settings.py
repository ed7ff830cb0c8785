# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""What is done of the toggles, and when, in a run of a policy."""
from contextlib import nullcontext

import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.errors import DrawbridgeError
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.system.system import System
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host_settings.policy import Done
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.language.model import Policy
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy_pipeline import host_settings
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy_pipeline.desired import Desired
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.transaction.converge import Settings


class Waiting(System):
    """A host under a checkpoint."""

    over = False

    def refuse_if_over(self):
        if self.over:
            raise DrawbridgeError("taken back")


@pytest.fixture(name="run")
def a_run(monkeypatch):
    """A run whose toggles only tell what is asked of them; the host is under a checkpoint from ``armed`` on."""
    class Run:
        differs = True
        armed = None

        def __init__(self):
            self.steps = []
            self.toggles = host_settings.HostSettingsPart(Desired(System(), Settings("nft", 1, False), Policy({}), ""))

    class Told:
        def __init__(self, system, settings, _policy):
            self.system, self.settings = system, settings

        def narrow(self, netfilter):
            self._tell("narrow", netfilter)

        def widen(self, netfilter):
            self._tell("widen", netfilter)

        def _tell(self, step, netfilter):
            run.steps.append((step, "tried" if self.settings.check_mode else "done", isinstance(self.system, Waiting), netfilter))

        def result(self):
            return Done(run.differs, False, [], ["tried" if self.settings.check_mode else "done"])

    monkeypatch.setattr(host_settings, "HostSettings", Told)
    monkeypatch.setattr(host_settings, "HostLock", lambda _timeout: nullcontext())
    monkeypatch.setattr(host_settings, "Netfilter", lambda system, _transport: type(system).__name__)
    monkeypatch.setattr(host_settings, "covered", lambda system: run.armed or system)
    run = Run()
    return run


def test_tried_then_narrowed_then_widened_under_the_checkpoint(run):
    assert run.toggles.changes("given")
    run.armed = Waiting()
    run.toggles.narrow()
    run.toggles.after(None, None)
    assert run.steps == [("narrow", "tried", False, "given"), ("widen", "tried", False, "given"),
                         ("narrow", "done", True, "Waiting"), ("widen", "done", True, "Waiting")]
    assert run.toggles.report().warnings == ["done"]


def test_nothing_to_do(run):
    run.differs = False
    assert not run.toggles.changes("given")
    run.toggles.after(None, None)
    assert [step[1] for step in run.steps] == ["tried", "tried"] and run.toggles.report().warnings == ["tried"]


def test_under_the_checkpoint_of_a_play_what_is_prepared_counts(run):
    run.armed = Waiting()
    run.toggles.changes("given")
    assert run.steps == [("narrow", "tried", True, "Waiting"), ("widen", "tried", True, "Waiting")]


def test_what_was_taken_back_is_not_widened(run):
    run.toggles.changes("given")
    run.armed = Waiting()
    run.toggles.narrow()
    run.armed.over = True
    with pytest.raises(DrawbridgeError):
        run.toggles.after(None, None)
    assert run.steps[-1][0] == "narrow"
