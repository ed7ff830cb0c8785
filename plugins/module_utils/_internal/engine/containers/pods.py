# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Kubernetes pods as targets, by what the node's container runtime tells of them."""

from __future__ import annotations

from typing import List, Optional

from ...errors import DrawbridgeError
from ...host.system.process import netns_inode
from ...host.system.system import System
from ..cri.model import Cri, Pod
from .target import HOST_NETWORK, RUNNING, Source, Target, running, stopped


class PodSource(Source):
    """The pods of one name on this node; a pod that was made anew has older sandboxes of the same name beside it."""

    def __init__(self, system: System, cri: Cri, name: str, namespace: str) -> None:
        self._system = system
        self._cri = cri
        self._name = name
        self._namespace = namespace

    def find(self) -> List[Target]:
        # A runtime's own filters for names are patterns; equality is not.
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
        # Of a runtime in a mount namespace of its own the file is not to be seen; its process is nobody's but the runtime's then.
        sandbox = status.sandbox if status.sandbox and netns_inode(status.sandbox) is not None else None
        return running(self._system, self, name, pod.id, status.pid, status.created, sandbox)
