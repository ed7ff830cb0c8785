# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A node's CRI at its own socket: version 1 of the runtime service. containerd has it since 1.6, CRI-O since 1.23."""

from __future__ import annotations

import json
from typing import Dict, List

from ...errors import DrawbridgeError
from ..api.client import EngineError
from .grpc import call
from .model import Cri, Pod, PodStatus, told_sandbox
from .protobuf import Message, number_field, text_field

_SERVICE = "/runtime.v1.RuntimeService/"
_HINT = "is its CRI plugin on? Packages of Docker Inc. switch it off in /etc/containerd/config.toml"
# Values of runtime.v1's enums.
_READY, _NODE = 0, 2


class SocketCri(Cri):
    """The runtime behind a unix socket."""

    def __init__(self, path: str) -> None:
        self._path = path

    def pods(self) -> List[Pod]:
        answer = self._ask("ListPodSandbox", b"")
        return [
            Pod(item.text(1), item.message(2).text(1), item.message(2).text(3), item.number(3) == _READY)
            for item in answer.messages(1)
        ]

    def status(self, identity: str) -> PodStatus:
        # The second field is verbose: only a verbose answer has the process.
        answer = self._ask("PodSandboxStatus", text_field(1, identity) + number_field(2, 1))
        status = answer.message(1)
        info = _object({entry.text(1): entry.text(2) for entry in answer.messages(2)}.get("info", ""))
        pid = info.get("pid")
        return PodStatus(
            ready=status.number(3) == _READY,
            created=str(status.number(4)),
            pid=pid if isinstance(pid, int) and pid > 0 else None,
            host_network=status.message(6).message(1).message(2).number(1) == _NODE,
            sandbox=told_sandbox(info),
        )

    def _ask(self, method: str, message: bytes) -> Message:
        try:
            return Message(call(self._path, _SERVICE + method, message))
        except EngineError as error:
            raise DrawbridgeError(error.message, "pod", _HINT) from None


def _object(text: str) -> Dict[str, object]:
    try:
        info: object = json.loads(text)
    except ValueError:
        return {}
    return info if isinstance(info, dict) else {}
