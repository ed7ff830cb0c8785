# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Kubernetes pods as targets, by the node's CRI: what containerd or CRI-O knows of them, asked with crictl."""

from __future__ import annotations

import json
from typing import Any, Dict, List, Optional

from ..errors import DrawbridgeError
from ..host.system import System
from .target import HOST_NETWORK, Source, Target, running, stopped

_READY = "SANDBOX_READY"
_HINT = (
    "install cri-tools from Kubernetes' own package repository (no suite of Debian has it),"
    " or choose the pod by path or pid"
)


class PodSource(Source):
    """The pods of one name on this node; a pod that was made anew has older sandboxes of the same name beside it."""

    def __init__(self, system: System, name: str, namespace: str) -> None:
        self._system = system
        self._name = name
        self._namespace = namespace

    def find(self) -> List[Target]:
        listed = self._ask(["pods", "--output", "json"]).get("items")
        # crictl's own --name and --namespace are patterns; equality is not.
        matching = [item for item in listed if self._matches(item)] if isinstance(listed, list) else []
        ready = [item for item in matching if item.get("state") == _READY]
        return [self._target(item) for item in ready or matching[:1]]

    def lost(self, target: Target) -> Optional[str]:
        answer = self._inspect(target.id)
        status, info = _object(answer, "status"), _object(answer, "info")
        if status.get("state") != _READY or info.get("pid") != target.pid or status.get("createdAt") != target.since:
            return "the pod ended before its namespace was entered"
        return None

    def _matches(self, item: Any) -> bool:
        metadata = _object(item, "metadata")
        return metadata.get("name") == self._name and metadata.get("namespace") == self._namespace

    def _target(self, item: Dict[str, Any]) -> Target:
        name, identity = "%s/%s" % (self._namespace, self._name), str(item.get("id") or "")
        if item.get("state") != _READY:
            return stopped(self, name, identity, "exited", "the pod is not ready")
        answer = self._inspect(identity)
        status, pid = _object(answer, "status"), _object(answer, "info").get("pid")
        if _object(_object(_object(status, "linux"), "namespaces"), "options").get("network") == "NODE":
            return stopped(self, name, identity, "running", HOST_NETWORK)
        if not isinstance(pid, int) or pid < 1:
            raise DrawbridgeError("the CRI does not tell the process of pod %s" % ascii(name), "pod", "give its pid or path")
        return running(self._system, self, name, identity, pid, str(status.get("createdAt")))

    def _inspect(self, identity: str) -> Dict[str, Any]:
        return self._ask(["inspectp", "--output", "json", identity])

    def _ask(self, words: List[str]) -> Dict[str, Any]:
        crictl = self._system.which("crictl")
        if crictl is None:
            raise DrawbridgeError("pods are found by crictl, which is not installed", "pod", _HINT)
        output = self._system.run([crictl] + words)
        if output.rc != 0:
            raise DrawbridgeError("crictl %s failed: %s" % (words[0], ascii(output.stderr.strip()[-300:])), "pod")
        try:
            answer = json.loads(output.stdout)
        except ValueError as error:
            raise DrawbridgeError("crictl %s did not print JSON: %s" % (words[0], error), "pod") from None
        return answer if isinstance(answer, dict) else {}


def _object(value: Any, key: str) -> Dict[str, Any]:
    found = value.get(key) if isinstance(value, dict) else None
    return found if isinstance(found, dict) else {}
