# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The interface to a node's container runtime (CRI)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import List, NamedTuple, Optional


class Pod(NamedTuple):
    """A pod's sandbox."""

    id: str
    name: str
    namespace: str
    ready: bool


class PodStatus(NamedTuple):
    """created: the time in the runtime's format. pid: the sandbox's process, None if the runtime does not tell it.

    sandbox: the file of its network namespace, None if the runtime does not tell it.
    """

    ready: bool
    created: str
    pid: Optional[int]
    host_network: bool
    sandbox: Optional[str] = None


def told_sandbox(info: object) -> Optional[str]:
    """Return the file of a sandbox's network namespace from the verbose status of containerd or CRI-O, None if it is not there."""
    spec: object = info
    for key in ("runtimeSpec", "linux", "namespaces"):
        spec = spec.get(key) if isinstance(spec, dict) else None
    paths = [item.get("path") for item in spec if isinstance(item, dict) and item.get("type") == "network"] if isinstance(spec, list) else []
    return next((path for path in paths if isinstance(path, str) and path.startswith("/")), None)


class Cri(ABC):
    """A node's container runtime. Methods raise DrawbridgeError if it cannot be asked."""

    @abstractmethod
    def pods(self) -> List[Pod]:
        """Return all sandboxes, including those of ended pods."""

    @abstractmethod
    def status(self, identity: str) -> PodStatus:
        """Return the status of one sandbox."""
