# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Kubernetes pods as targets, from the node's container runtime."""

from __future__ import annotations

from typing import List, Optional

from ...errors import DrawbridgeError
from ...host.system.process import netns_inode
from ...host.system.system import System
from ..cri.model import Cri, Pod
from .target import HOST_NETWORK, RUNNING, Source, Target, running, stopped


class PodSource(Source):
    """The pods with one name on this node. A recreated pod may have older sandboxes with the same name."""

    def __init__(self, system: System, cri: Cri, name: str, namespace: str) -> None:
        self._system = system
        self._cri = cri
        self._name = name
        self._namespace = namespace

    def find(self) -> List[Target]:
        # The runtime's own name filters are patterns. Here names must be equal.
        matching = [pod for pod in self._cri.pods() if (pod.name, pod.namespace) == (self._name, self._namespace)]
        ready = [pod for pod in matching if pod.ready]
        return [self._target(pod) for pod in ready or matching[:1]]

    def lost(self, target: Target) -> Optional[str]:
        status = self._cri.status(target.id)
        if not status.ready or status.pid != target.pid or status.created != target.since:
            return "the pod ended before its namespace was entered"
        return None

    def _target(self, pod: Pod) -> Target:
        name = "%s/%s" % (pod.namespace, pod.name)
        if not pod.ready:
            return stopped(self, name, pod.id, "exited", "the pod is not ready")
        status = self._cri.status(pod.id)
        if status.host_network:
            return stopped(self, name, pod.id, RUNNING, HOST_NETWORK)
        if status.pid is None:
            raise DrawbridgeError("the runtime does not tell the process of pod %s" % ascii(name), "pod", "give its pid or path")
        # If the runtime has its own mount namespace, the file is not visible here. Then the sandbox's process
        # is used instead: it belongs to the runtime alone.
        sandbox = status.sandbox if status.sandbox and netns_inode(status.sandbox) is not None else None
        return running(self._system, self, name, pod.id, status.pid, status.created, sandbox)
