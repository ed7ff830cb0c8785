# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What is asked of a node's container runtime (CRI), whoever asks it."""

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
    """created: as the runtime tells it. pid: of the sandbox's process, None where it is not told. sandbox: the file of its network namespace,
    None where it is not told."""

    ready: bool
    created: str
    pid: Optional[int]
    host_network: bool
    sandbox: Optional[str] = None


def told_sandbox(info: object) -> Optional[str]:
    """The file of a sandbox's network namespace in what containerd and CRI-O tell of it when asked for everything."""
    spec: object = info
    for key in ("runtimeSpec", "linux", "namespaces"):
        spec = spec.get(key) if isinstance(spec, dict) else None
    paths = [item.get("path") for item in spec if isinstance(item, dict) and item.get("type") == "network"] if isinstance(spec, list) else []
    return next((path for path in paths if isinstance(path, str) and path.startswith("/")), None)


class Cri(ABC):
    """A node's container runtime. Raises DrawbridgeError where it cannot be asked."""

    @abstractmethod
    def pods(self) -> List[Pod]:
        """Every sandbox, of pods that ended too."""

    @abstractmethod
    def status(self, identity: str) -> PodStatus:
        """One sandbox."""
