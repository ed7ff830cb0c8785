# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A Docker engine through the Docker SDK for Python: every address that the SDK takes, TLS included.

Adds 7 to 14 times what :mod:`.socket_client` adds to a process, four fifths of it by its import.
"""

from __future__ import annotations

import importlib
import os
from typing import Any, Callable, Dict, List, Optional

from .engine import Engine, EngineError, EngineUnreachable, as_object, as_objects

TIMEOUT = 30

MISSING = "install python3-docker (Debian, Ubuntu, Fedora) or docker (PyPI) for the Python that runs the task"


class SdkEngine(Engine):
    """The engine that the SDK's client reaches.

    docker_host: ``unix://``, ``tcp://``, ``ssh://``. None: what the environment says (``DOCKER_HOST``), as for the
    docker command, else the usual socket. ``DOCKER_TLS_VERIFY`` and ``DOCKER_CERT_PATH`` hold for both.

    Raises EngineError where the SDK is missing or refuses the address, EngineUnreachable where no engine answers.
    """

    def __init__(self, docker_host: Optional[str] = None, timeout: int = TIMEOUT) -> None:
        try:
            # Late, and by name: most of what this engine costs is this import, and no host needs to have it.
            docker: Any = importlib.import_module("docker")
            requests: Any = importlib.import_module("requests")
        except ImportError as error:
            raise EngineError("the Docker SDK for Python cannot be imported: %s" % error, hint=MISSING) from None
        self._api_error: Any = docker.errors.APIError
        self._broken: Any = (docker.errors.DockerException, requests.RequestException, OSError)
        environment = dict(os.environ)
        if docker_host is not None:
            environment["DOCKER_HOST"] = docker_host

        def connect() -> Any:
            settings = docker.utils.kwargs_from_env(environment=environment)
            return docker.APIClient(version="auto", timeout=timeout, **settings)

        self._client = self._ask("for its version", connect)

    def version(self) -> Dict[str, Any]:
        return as_object(self._ask("/version", self._client.version), "/version")

    def info(self) -> Dict[str, Any]:
        return as_object(self._ask("/info", self._client.info), "/info")

    def networks(self) -> List[Dict[str, Any]]:
        return as_objects(self._ask("/networks", self._client.networks), "/networks")

    def containers(self) -> List[Dict[str, Any]]:
        return as_objects(self._ask("/containers/json", self._client.containers), "/containers/json")

    def _ask(self, asked: str, call: Callable[[], Any]) -> Any:
        try:
            return call()
        except self._api_error as error:
            raise EngineError("the engine refused %s: %s" % (asked, error)) from None
        except self._broken as error:
            raise EngineUnreachable(
                "the Docker engine cannot be reached, asked %s: %s" % (asked, error),
                hint="is it started, is the task run as root (become: true), is docker_host right?",
            ) from None
        except (TypeError, ValueError) as error:
            raise EngineError("the Docker SDK for Python stumbled, asked %s: %s" % (asked, error)) from None
