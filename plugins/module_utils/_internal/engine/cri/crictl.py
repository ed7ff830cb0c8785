# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A node's CRI through crictl. crictl's own configuration has the CRI's address."""

from __future__ import annotations

import json
from typing import Dict, List

from ...errors import DrawbridgeError
from ...host.system.system import System
from .model import Cri, Pod, PodStatus, told_sandbox

_READY = "SANDBOX_READY"


class Crictl(Cri):
    """The crictl at ``program``. Its arguments contain no user data."""

    def __init__(self, system: System, program: str) -> None:
        self._system = system
        self._program = program

    def pods(self) -> List[Pod]:
        items = self._ask(["pods", "--output", "json"]).get("items")
        return [_pod(item) for item in items] if isinstance(items, list) else []

    def status(self, identity: str) -> PodStatus:
        answer = self._ask(["inspectp", "--output", "json", identity])
        status, pid = _object(answer, "status"), _object(answer, "info").get("pid")
        options = _object(_object(_object(status, "linux"), "namespaces"), "options")
        return PodStatus(
            ready=status.get("state") == _READY,
            created=str(status.get("createdAt")),
            pid=pid if isinstance(pid, int) and pid > 0 else None,
            host_network=options.get("network") == "NODE",
            sandbox=told_sandbox(answer.get("info")),
        )

    def _ask(self, words: List[str]) -> Dict[str, object]:
        output = self._system.run([self._program] + words)
        if output.rc != 0:
            raise DrawbridgeError("crictl %s failed: %s" % (words[0], ascii(output.stderr.strip()[-300:])), "pod")
        try:
            answer = json.loads(output.stdout)
        except ValueError as error:
            raise DrawbridgeError("crictl %s did not print JSON: %s" % (words[0], error), "pod") from None
        return answer if isinstance(answer, dict) else {}


def _pod(item: object) -> Pod:
    metadata = _object(item, "metadata")
    state = item.get("state") if isinstance(item, dict) else None
    identity = item.get("id") if isinstance(item, dict) else None
    return Pod(str(identity or ""), str(metadata.get("name")), str(metadata.get("namespace")), state == _READY)


def _object(value: object, key: str) -> Dict[str, object]:
    found = value.get(key) if isinstance(value, dict) else None
    return found if isinstance(found, dict) else {}
