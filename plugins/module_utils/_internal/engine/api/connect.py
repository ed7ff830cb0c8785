# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Choose the fastest client that can reach an engine."""

from __future__ import annotations

import re

from ...address import quoted
from .client import EngineError, WholeEngine
from .unix_socket import SocketEngine, socket_path

_REMOTE = re.compile(r"(tcp|http|https|ssh)://[^/]+")


def connect(docker_host: str) -> WholeEngine:
    """Return a client without libraries for a unix socket, or the Docker SDK's for any other address.

    This sends no request. Raises EngineError if the text is not an engine's address: a typing error is not an engine that is down.
    """
    if socket_path(docker_host) is not None:
        return SocketEngine(docker_host)
    if not _REMOTE.match(docker_host):
        raise EngineError(
            "%s is not the address of an engine" % quoted(docker_host),
            "docker_host",
            "unix:///var/run/docker.sock, or tcp://192.0.2.1:2376",
        )
    from .sdk import SdkEngine  # pylint: disable=import-outside-toplevel

    return SdkEngine(docker_host)
