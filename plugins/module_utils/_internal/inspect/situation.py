# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Value types: a host's firewall as it was found, and a finding about it."""

from __future__ import annotations

from types import MappingProxyType
from typing import List, Mapping, NamedTuple, Optional, Sequence, Tuple

from ..engine.api.answers import Backend, Network, PublishedPort
from ..engine.daemon.nftables_backend import BridgesTable
from ..netfilter.kernel.state import State
from .guarded_ports import Rulesets, Sets


class Situation(NamedTuple):
    """A host as it was found.

    reachable: whether the engine answered; if not, networks and published are empty.
    rulesets: by family, the rules of the iptables variant in use.
    sets: Drawbridge's sets with entries; foreign sets may be there without entries.
    other_variant: the name of the other iptables variant. other_rules: how many rules it holds.
    flowtables: of nftables, as text. vrfs: the names of VRFs with an interface.
    late_ports: what closes ports that are published later, see policy_pipeline/late_ports.py; None if unknown.
    ends: (bridge, own address) of containers that publish ports. engine_tables: of the engine's nftables backend, by family.
    forwards_at_boot: whether a file turns IPv4 forwarding on; None if unknown.
    saved: by family, the rules that the last run saved for a boot; empty if nothing is saved.
    """

    reachable: bool
    backend: Backend
    proxy: str
    networks: List[Network]
    published: List[PublishedPort]
    rulesets: Rulesets
    sets: Sets
    other_variant: Optional[str] = None
    other_rules: int = 0
    flowtables: Sequence[str] = ()
    vrfs: Sequence[str] = ()
    late_ports: Optional[str] = None
    ends: Sequence[Tuple[str, str]] = ()
    engine_tables: Mapping[int, BridgesTable] = {}
    forwards_at_boot: Optional[bool] = None
    saved: Mapping[int, State] = MappingProxyType({})


class Finding(NamedTuple):
    """code: a key for programs. about: the ports, chains, networks or VRFs concerned. hint: what to do."""

    code: str
    message: str
    about: List[str]
    hint: str
