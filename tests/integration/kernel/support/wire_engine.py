# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""An engine whose one network is on the wire's end in the namespace that the test is in."""
from __future__ import annotations

from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.api.client import Engine


class OnTheWire(Engine):
    """Its network's bridge is the interface ``host``; no container runs."""

    def version(self) -> dict[str, object]:
        return {}

    def info(self) -> dict[str, object]:
        return {"ServerVersion": "26.1.5"}

    def networks(self) -> list[dict[str, object]]:
        options = {"com.docker.network.bridge.name": "host"}
        return [{"Name": "lan", "Id": "1" * 64, "Driver": "bridge", "Options": options, "IPAM": {"Config": [{"Subnet": "192.0.2.0/24"}]}}]

    def containers(self) -> list[dict[str, object]]:
        return []
