# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Choose the way to a node's container runtime (CRI): crictl, or the runtime's socket."""

from __future__ import annotations

import os
import stat
from typing import Optional

from ...errors import DrawbridgeError
from ...host.system.system import System
from .model import Cri

# crictl's own default sockets: containerd, CRI-O, cri-dockerd. And k3s's socket.
SOCKETS = (
    "/run/containerd/containerd.sock", "/run/crio/crio.sock", "/run/cri-dockerd.sock", "/run/k3s/containerd/containerd.sock",
)  # fmt: skip
_HINT = (
    "install cri-tools from Kubernetes' own package repository (no suite of Debian has it), name the runtime's socket"
    " by cri_socket, or choose the pod by path or pid"
)


def connect(system: System, path: Optional[str]) -> Cri:
    """Return the runtime at the given socket. Without one, use crictl as configured. If crictl is missing, use the first usual socket.

    Raises DrawbridgeError if no socket is found.
    """
    crictl = None if path is not None else system.which("crictl")
    if crictl is not None:
        from .crictl import Crictl  # pylint: disable=import-outside-toplevel

        return Crictl(system, crictl)
    found = [candidate for candidate in ([path] if path else SOCKETS) if _is_socket(candidate)]
    if not found:
        missing = "no socket at %s" % ascii(path) if path else "no crictl, and no socket of a runtime at %s" % ", ".join(SOCKETS)
        raise DrawbridgeError("pods cannot be looked up: %s" % missing, "cri_socket" if path else "pod", _HINT)
    from .socket import SocketCri  # pylint: disable=import-outside-toplevel

    return SocketCri(found[0])


def _is_socket(path: str) -> bool:
    try:
        return stat.S_ISSOCK(os.stat(path).st_mode)
    except OSError:
        return False
