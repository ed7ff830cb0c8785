# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A Docker engine through the Docker SDK for Python: every address that the SDK accepts, including TLS.

It adds 7 to 14 times as much time to a process as :mod:`.unix_socket`. Four fifths of that is its import.
"""

from __future__ import annotations

import importlib
import os
from types import ModuleType
from typing import Dict, List, Optional

from .client import EngineError, EngineUnreachable, NoSuchContainer, WholeEngine, as_object, as_objects

TIMEOUT = 30

MISSING = "install python3-docker (Debian, Ubuntu, Fedora) or docker (PyPI) for the Python that runs the task"


class SdkEngine(WholeEngine):
    """The engine that the SDK's client reaches.

    docker_host: ``unix://``, ``tcp://``, ``ssh://``. None: ``DOCKER_HOST`` from the environment as for the docker command,
    else the usual socket. ``DOCKER_TLS_VERIFY`` and ``DOCKER_CERT_PATH`` apply in both cases.
    The first request creates the client. It raises EngineError if the SDK is missing or refuses the address,
    and EngineUnreachable if no engine answers.
    """

    def __init__(self, docker_host: Optional[str] = None, timeout: int = TIMEOUT) -> None:
        self._docker_host = docker_host
        self._timeout = timeout
        self._client: object = None

    def version(self) -> Dict[str, object]:
        return as_object(self._ask("version"), "/version")

    def info(self) -> Dict[str, object]:
        return as_object(self._ask("info"), "/info")

    def networks(self) -> List[Dict[str, object]]:
        return as_objects(self._ask("networks"), "/networks")

    def containers(self) -> List[Dict[str, object]]:
        return as_objects(self._ask("containers"), "/containers/json")

    def nodes(self) -> List[Dict[str, object]]:
        return as_objects(self._ask("nodes"), "/nodes")

    def network(self, network_id: str) -> Dict[str, object]:
        return as_object(self._ask("inspect_network", net_id=network_id), "/networks/ID")

    def all_containers(self) -> List[Dict[str, object]]:
        return as_objects(self._ask("containers", all=True), "/containers/json")

    def inspect(self, container_id: str) -> Dict[str, object]:
        return as_object(self._ask("inspect_container", container=container_id), "/containers/ID/json")

    def _ask(self, method: str, **arguments: object) -> object:
        try:
            # Imported late and by name: the import takes most of the time, and the SDK is optional.
            docker = importlib.import_module("docker")
            requests = importlib.import_module("requests")
        except ImportError as error:
            raise EngineError("the Docker SDK for Python cannot be imported: %s" % error, hint=MISSING) from None
        try:
            if self._client is None:
                self._client = self._connected(docker)
            return getattr(self._client, method)(**arguments)
        except docker.errors.NotFound as error:
            raise NoSuchContainer("the engine knows nothing of it (%s): %s" % (method, error)) from None
        except docker.errors.APIError as error:
            raise EngineError("the engine refused to answer (%s): %s" % (method, error)) from None
        except (docker.errors.DockerException, requests.RequestException, OSError) as error:
            raise EngineUnreachable(
                "the Docker engine cannot be reached (%s): %s" % (method, error),
                hint="is it started, is the task run as root (become: true), is docker_host right?",
            ) from None
        except (TypeError, ValueError) as error:
            raise EngineError("the Docker SDK for Python stumbled (%s): %s" % (method, error)) from None

    def _connected(self, docker: ModuleType) -> object:
        environment = dict(os.environ)
        if self._docker_host is not None:
            environment["DOCKER_HOST"] = self._docker_host
        settings = docker.utils.kwargs_from_env(environment=environment)
        return docker.APIClient(version="auto", timeout=self._timeout, **settings)
