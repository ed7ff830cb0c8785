# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The small parts of a policy as users write them."""

from __future__ import annotations

from typing import List, Union

from ..netfilter.model import FAMILIES
from .model import Ports, Sources


def ports_data(ports: Ports) -> Union[int, str]:
    """``443`` or ``8000-8010``"""
    return ports.first if ports.first == ports.last else "%d-%d" % ports


def sources_data(sources: Sources) -> List[str]:
    """Everybody, addresses, then sets, in an order that depends on nothing else."""
    return plain_sources(sources) + ["@" + reference.name for reference in sources.sets]


def plain_sources(sources: Sources) -> List[str]:
    """The same without sets."""
    addresses = [address for family in FAMILIES for address in sorted(sources.addresses[family])]
    return ["any"] * sources.everybody + addresses
