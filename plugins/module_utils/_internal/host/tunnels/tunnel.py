# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A tunnel that ends on this host, and how its packets come in."""

from __future__ import annotations

from typing import List, NamedTuple, Optional


class OuterPacket(NamedTuple):
    """What packets of a tunnel are outside. remote: who sends them, None where that is not known. local: where they go to, None for some address of the host.
    port: of the host; None for what has no ports."""

    protocol: str
    remote: Optional[str]
    local: Optional[str]
    port: Optional[int] = None


class Tunnel(NamedTuple):
    """outers: how its packets may come in, of which one is ours; none where the host keeps the way open itself. unknown: why that cannot be told."""

    interface: str
    kind: str
    outers: List[OuterPacket]
    unknown: str = ""
