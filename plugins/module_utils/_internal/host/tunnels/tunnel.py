# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A tunnel that ends on this host, and the packets that carry it."""

from __future__ import annotations

from typing import List, NamedTuple, Optional, Sequence


class OuterPacket(NamedTuple):
    """The outer packets of a tunnel.

    remote: the sender, None if unknown. local: the destination, None for any address of the host.
    port: the host's port, None for protocols without ports.
    """

    protocol: str
    remote: Optional[str]
    local: Optional[str]
    port: Optional[int] = None


class OtherEnd(NamedTuple):
    """Where packets go that the host sends by itself."""

    protocol: str
    address: str
    port: int


class Tunnel(NamedTuple):
    """outers: the outer packets that may carry the tunnel. One of them carries ours. Empty if the host keeps the path open itself.

    unknown: why the outer packets are not known, empty if they are. opened: whom the host keeps the path open to.
    """

    interface: str
    kind: str
    outers: List[OuterPacket]
    unknown: str = ""
    opened: Sequence[OtherEnd] = ()
