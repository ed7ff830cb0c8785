# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The collection's interface to a Docker engine: requests that are answered with the API's own JSON.

It has two implementations: :mod:`.unix_socket` for unix sockets, where speed counts at every task, and :mod:`.sdk` for all other addresses.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Dict, List

from ...errors import DrawbridgeError

DEFAULT_HOST = "unix:///var/run/docker.sock"


class EngineUnreachable(DrawbridgeError):
    """Nothing answers at the engine's address: no socket, refused, not permitted, too slow."""


class EngineError(DrawbridgeError):
    """The answer is not the requested one: an error status, or it does not come from an engine's API."""


class Engine(ABC):
    """A running engine. Each method call sends a request and returns the engine's JSON as it is.

    All methods may raise EngineUnreachable or EngineError. is_concurrent: whether several threads may ask at once.
    """

    is_concurrent = False

    @abstractmethod
    def version(self) -> Dict[str, object]:
        """``GET /version``."""

    @abstractmethod
    def info(self) -> Dict[str, object]:
        """``GET /info``."""

    @abstractmethod
    def networks(self) -> List[Dict[str, object]]:
        """``GET /networks``."""

    @abstractmethod
    def containers(self) -> List[Dict[str, object]]:
        """``GET /containers/json``: the running containers."""

    def nodes(self) -> List[Dict[str, object]]:
        """``GET /nodes``, which only a swarm's manager answers."""
        raise EngineError("this engine is asked nothing about swarms")

    def network(self, network_id: str) -> Dict[str, object]:
        """``GET /networks/ID``: one network in more detail than in the list. network_id: as the engine returned it."""
        raise EngineError("this engine is asked nothing about swarms")


class NoSuchContainer(EngineError):
    """The engine has no container with this id any more."""


class Inspector(ABC):
    """A running engine's containers, including stopped ones. Raises the same errors as Engine."""

    @abstractmethod
    def all_containers(self) -> List[Dict[str, object]]:
        """``GET /containers/json?all=1``."""

    @abstractmethod
    def inspect(self, container_id: str) -> Dict[str, object]:
        """``GET /containers/ID/json``. container_id: the full id, as the engine returned it. Raises NoSuchContainer."""


class WholeEngine(Engine, Inspector):
    """A running engine with all requests of Engine and Inspector."""


def as_object(value: object, asked: str) -> Dict[str, object]:
    """Return the answer as a JSON object. Raises EngineError if it is not one."""
    if not isinstance(value, dict):
        raise EngineError("the engine answered %s with %s instead of an object" % (asked, type(value).__name__))
    return value


def as_objects(value: object, asked: str) -> List[Dict[str, object]]:
    """Return the answer as a list of JSON objects. Raises EngineError if it is not one. Go may write an empty list as null."""
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise EngineError("the engine answered %s with something else than a list of objects" % asked)
    return value
