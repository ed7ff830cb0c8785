# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What the collection asks of a Docker engine: four look-ups, answered with the API's own JSON.

Two implementations: :mod:`.socket_client` for the one path whose cost counts at every task, :mod:`.sdk` for all else.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Dict, List

from ...errors import DrawbridgeError

DEFAULT_HOST = "unix:///var/run/docker.sock"


class EngineUnreachable(DrawbridgeError):
    """Nothing answers at the engine's address: no socket, refused, not permitted, too slow."""


class EngineError(DrawbridgeError):
    """Something answered, but not with what was asked for: an error status, or no API of an engine at all."""


class Engine(ABC):
    """A running engine. Each method asks it anew; the answers are its JSON, not interpreted.

    All of them raise EngineUnreachable or EngineError. is_concurrent: several threads may ask at once.
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
        """``GET /containers/json``: the running ones."""

    def nodes(self) -> List[Dict[str, object]]:
        """``GET /nodes``, of a swarm's manager."""
        raise EngineError("this engine is asked nothing about swarms")

    def network(self, network_id: str) -> Dict[str, object]:
        """``GET /networks/ID``: one network with more of it than the list has. network_id: as the engine gave it."""
        raise EngineError("this engine is asked nothing about swarms")


class NoSuchContainer(EngineError):
    """The engine has no container of this id any more."""


class Inspector(ABC):
    """A running engine's containers, stopped ones too. Raises as Engine does."""

    @abstractmethod
    def all_containers(self) -> List[Dict[str, object]]:
        """``GET /containers/json?all=1``."""

    @abstractmethod
    def inspect(self, container_id: str) -> Dict[str, object]:
        """``GET /containers/ID/json``. container_id: whole, as the engine gave it. Raises NoSuchContainer."""


class WholeEngine(Engine, Inspector):
    """A running engine that can be asked all of it."""


def as_object(value: object, asked: str) -> Dict[str, object]:
    """The answer as a JSON object, or EngineError."""
    if not isinstance(value, dict):
        raise EngineError("the engine answered %s with %s instead of an object" % (asked, type(value).__name__))
    return value


def as_objects(value: object, asked: str) -> List[Dict[str, object]]:
    """The answer as a list of JSON objects, or EngineError. Go writes an empty list as null at times."""
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise EngineError("the engine answered %s with something else than a list of objects" % asked)
    return value
