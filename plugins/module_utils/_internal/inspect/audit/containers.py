# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Containers' privileges, as the audit tells them: from the engine's inspect objects and the kernel. Pure but for the look at processes."""

from __future__ import annotations

from typing import Dict, List, NamedTuple, Tuple

from ...address import quoted
from ...engine.api.answers import container_name
from ...engine.api.client import EngineError, EngineUnreachable, Inspector, NoSuchContainer
from ...engine.containers.capabilities import Privileges, privileges
from ...host.system.json_values import JsonObject, mapping, text
from ...host.system.process import PROC
from ...host.system.system import System


class Held(NamedTuple):
    """A running container and what it may do."""

    name: str
    may: Privileges

    @property
    def shown(self) -> Dict[str, object]:
        return dict(self.may._asdict(), name=self.name)


def privileges_of(system: System, engine: Inspector, listed: List[JsonObject]) -> Tuple[List[Held], List[str]]:
    """Return every running container's privileges by name, and warnings. listed: the engine's list of running containers."""
    found: List[Held] = []
    warnings: List[str] = []
    for item in listed:
        name = container_name(item)
        try:
            details = engine.inspect(text(item.get("Id")))
        except NoSuchContainer:
            continue
        except EngineUnreachable as error:
            return found, [*warnings, "containers' privileges are not known: %s" % error]
        except EngineError as error:
            warnings.append("the privileges of %s are not known: %s" % (quoted(name), error))
            continue
        found.append(Held(name, privileges(details, _status(system, details), _is_on_host(details))))
    return sorted(found, key=lambda held: held.name), warnings


def _status(system: System, details: JsonObject) -> str:
    pid = mapping(details.get("State")).get("Pid")
    return system.read("%s/%d/status" % (PROC, pid)) or "" if isinstance(pid, int) and pid > 0 else ""


def _is_on_host(details: JsonObject) -> bool:
    return mapping(details.get("HostConfig")).get("NetworkMode") == "host"
