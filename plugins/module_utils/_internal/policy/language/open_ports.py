# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A port of a running container that was not published, opened on the host: as values."""

from __future__ import annotations

import hashlib
import json
from typing import NamedTuple, Optional, Tuple

from ...engine.containers.selector import Selector
from ...engine.containers.target import Target as Container
from .entries import Entry
from .values import Target


class OpenPort(NamedTuple):
    """What the user wrote.

    entry: the host's side, one port, and who may reach it. selector, ignores_missing: which container, and whether none is
    an error. container_port: where it listens. families: those that the port may be opened for. masquerade: whether the
    container sees the host instead of the client.
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
        """The host's address that it is bound to; None for every one."""
        return self.target.address.address if self.target.address else None

    @property
    def mark(self) -> str:
        """Tells this selector from every other."""
        given = {key: value for key, value in self.selector._asdict().items() if value}
        return hashlib.sha256(json.dumps(given, sort_keys=True).encode("utf-8", "surrogateescape")).hexdigest()[:12]

    @property
    def called(self) -> str:
        """``port 8080/tcp``, with the address where there is one."""
        return "port %d/%s%s" % (self.number, self.target.protocol, " of " + self.address if self.address else "")


class Endpoint(NamedTuple):
    """Where a container is in one family: its address, the host's interface in front of it, and the subnets of that network."""

    family: int
    address: str
    bridge: str
    subnets: Tuple[str, ...]


class Opening(NamedTuple):
    """A port and where it leads: the container, and its end in each family. None and no ends where it leads nowhere now."""

    port: OpenPort
    container: Optional[Container]
    ends: Tuple[Endpoint, ...]
