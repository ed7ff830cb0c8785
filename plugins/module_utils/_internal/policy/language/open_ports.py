# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Open ports as values: ports of the host that lead to an unpublished port of a running container."""

from __future__ import annotations

import hashlib
import json
from typing import NamedTuple, Optional, Tuple

from ...engine.containers.selector import Selector
from ...engine.containers.target import Target as Container
from ..values.entries import Entry
from ..values.values import Target


class OpenPort(NamedTuple):
    """One port as the user wrote it.

    entry: the port on the host, and the sources that may reach it.
    selector: selects the container. ignores_missing: whether a missing container is accepted; otherwise it is an error.
    container_port: the port that the container listens on. families: the families that the port may be opened for.
    masquerade: whether the container sees the host's address instead of the client's.
    """

    entry: Entry
    selector: Selector
    ignores_missing: bool
    container_port: int
    families: Tuple[int, ...]
    masquerade: bool

    @property
    def target(self) -> Target:
        return self.entry.target

    @property
    def number(self) -> int:
        """The host's port."""
        return self.target.ports.first if self.target.ports else 0

    @property
    def address(self) -> Optional[str]:
        """The host's address that the port is bound to. None means every address."""
        return self.target.address.address if self.target.address else None

    @property
    def mark(self) -> str:
        """A hash that identifies the selector."""
        given = {key: value for key, value in self.selector._asdict().items() if value}
        return hashlib.sha256(json.dumps(given, sort_keys=True).encode("utf-8", "surrogateescape")).hexdigest()[:12]

    @property
    def called(self) -> str:
        """The port for messages: ``port 8080/tcp``, with the address if there is one."""
        return "port %d/%s%s" % (self.number, self.target.protocol, " of " + self.address if self.address else "")


class Endpoint(NamedTuple):
    """A container in one family: its address, the host's bridge of its network, and the subnets of that network."""

    family: int
    address: str
    bridge: str
    subnets: Tuple[str, ...]


class Opening(NamedTuple):
    """A port, its container, and the container's endpoint in each family. No container and no ends: the port leads nowhere now."""

    port: OpenPort
    container: Optional[Container]
    ends: Tuple[Endpoint, ...]
