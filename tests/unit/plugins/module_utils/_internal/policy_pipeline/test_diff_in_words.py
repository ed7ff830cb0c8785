# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""The words of a policy's change in its result."""
from types import SimpleNamespace

import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.errors import DrawbridgeError
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.readback.wording import HEADER, Line, Words
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy_pipeline import diff_in_words

WORDS = Words([Line("port 80/tcp", "anybody", ("web\n",)), Line("ping", "anybody")], [Line("port 80/tcp", "nobody", ("web\n",)), Line("ping", "anybody")])
NOW = SimpleNamespace(plan=None, published=[])


def reported(shows_diff):
    part = diff_in_words.InWords(SimpleNamespace(shows_diff=shows_diff, system=None, policy=None))
    part.after(NOW, NOW)
    return part.report()


@pytest.mark.parametrize("shows_diff, diff", [(False, None), (True, {
    "before_header": HEADER, "after_header": HEADER,
    "before": "port 80/tcp ('web\\n'): anybody\nping: anybody\n", "after": "port 80/tcp ('web\\n'): nobody\nping: anybody\n"})])
def test_values_always_and_text_for_a_diff(shows_diff, diff, monkeypatch):
    monkeypatch.setattr(diff_in_words, "of_plan", lambda *_arguments: WORDS)
    told = reported(shows_diff)
    assert told.values == {"changes": [{"what": "port 80/tcp", "before": "anybody", "after": "nobody", "containers": ["web\n"]}]}
    assert told.words == diff and not told.warnings


def test_a_change_that_cannot_be_said_is_a_warning(monkeypatch):
    def fails(*_arguments):
        raise DrawbridgeError("ipset says no")

    monkeypatch.setattr(diff_in_words, "of_plan", fails)
    told = reported(True)
    assert not told.values and told.words is None and told.warnings == ["what the change means cannot be said in words: ipset says no"]
