# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""What each task came to on each host, as lines of JSON in the file that DRAWBRIDGE_LAB_RESULTS names."""
from __future__ import annotations

import json
import os

from ansible.parsing.ajson import AnsibleJSONEncoder
from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: lab_results
type: notification
short_description: Task results for the lab's tests
description: Writes one line for each result.
"""


class CallbackModule(CallbackBase):
    """Beside whatever prints to the screen."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "lab_results"
    CALLBACK_NEEDS_ENABLED = True

    def _write(self, outcome: str, result: object) -> None:
        # ansible-core 2.18 keeps these under private names, later ones warn about those.
        host, task, values = (getattr(result, name, None) or getattr(result, "_" + name)
                              for name in ("host", "task", "result"))
        line = {"outcome": outcome, "host": host.get_name(), "task": task.get_name(), "result": values}
        with open(os.environ["DRAWBRIDGE_LAB_RESULTS"], "a", encoding="utf-8") as file:
            file.write(json.dumps(line, cls=AnsibleJSONEncoder) + "\n")

    def v2_runner_on_ok(self, result: object) -> None:
        self._write("ok", result)

    def v2_runner_on_failed(self, result: object, ignore_errors: bool = False) -> None:
        self._write("failed", result)

    def v2_runner_on_unreachable(self, result: object) -> None:
        self._write("unreachable", result)

    def v2_runner_on_skipped(self, result: object) -> None:
        self._write("skipped", result)
