# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The cheapest client that reaches an engine."""

from __future__ import annotations

from .engine import Engine
from .socket_client import SocketEngine, socket_path


def connect(docker_host: str) -> Engine:
    """A client for a unix socket without libraries, the docker SDK for every other address."""
    if socket_path(docker_host) is not None:
        return SocketEngine(docker_host)
    from .sdk import SdkEngine  # pylint: disable=import-outside-toplevel

    return SdkEngine(docker_host)
