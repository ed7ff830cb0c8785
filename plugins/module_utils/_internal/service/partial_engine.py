# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A client of the engine that shows only some containers."""

from __future__ import annotations

from typing import Collection, Dict, List

from ..engine.api.client import Inspector

Listed = List[Dict[str, object]]


class PartialEngine(Inspector):
    """Shows the containers of ``listed`` (the engine's list) with one of these ids."""

    def __init__(self, engine: Inspector, listed: Listed, ids: Collection[str]) -> None:
        self._engine = engine
        self._listed = [item for item in listed if item.get("Id") in ids]

    def all_containers(self) -> List[Dict[str, object]]:
        return self._listed

    def inspect(self, container_id: str) -> Dict[str, object]:
        return self._engine.inspect(container_id)
