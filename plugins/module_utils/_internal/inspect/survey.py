# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Read a whole host without changing it: its engine, its netfilter, dockerd's settings."""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import Dict, FrozenSet, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from ..address import IPV4
from ..engine.api.client import Engine, EngineUnreachable
from ..engine.daemon.nftables_backend import BridgesTable, bridges_tables
from ..engine.daemon.process import find_daemon
from ..engine.daemon.proxy import userland_proxy
from ..errors import DrawbridgeError
from ..host.boot.sysctl_at_boot import value_at_boot
from ..host.network.flowtables import flowtables
from ..host.network.links import entrances, vrfs
from ..host.system.json_values import JsonObject
from ..host.system.system import System
from ..netfilter.kernel.iptables import LEGACY, NFT, Transport, path_variant
from ..netfilter.kernel.netfilter import Netfilter
from ..netfilter.kernel.state import State
from ..persistence.records.quarantine_notes import Note, Notes
from ..persistence.records.service_status import event_service
from ..policy_pipeline.late_ports import standing
from .guarded_ports import Rulesets, Sets
from .saved_lines import saved_states

_OUR_SET = re.compile(r"DB[A-Za-z]{0,4}-")


class EngineAnswers(NamedTuple):
    """The engine's answers. If it could not be reached, they are empty and ``error`` holds the reason."""

    version: JsonObject
    info: JsonObject
    networks: List[JsonObject]
    containers: List[JsonObject]
    error: Optional[str] = None


class Survey(NamedTuple):
    """variant: the iptables variant in use. sets: Drawbridge's sets. tables: Drawbridge's nftables tables, by name.
    other_rules: how many rules the other variant holds. shared_bridges: bridges by which not only containers send packets in.
    flowtables: as text. vrfs: VRFs with an interface. event_service: absent, running or stopped. late_ports: what closes ports
    that are published later. engine_tables: of the engine's nftables backend. forwards_at_boot: whether a file turns IPv4 forwarding on.
    saved: by family, the rules that the last run saved for a boot. quarantines: of this host, oldest first."""

    answers: EngineAnswers
    proxy: str
    variant: str
    rulesets: Rulesets
    sets: Sets
    tables: Dict[str, str]
    other_variant: str
    other_rules: int
    shared_bridges: FrozenSet[str]
    flowtables: List[str]
    vrfs: List[str]
    engine_tables: Dict[int, BridgesTable]
    forwards_at_boot: bool
    event_service: str
    late_ports: str
    warnings: List[str]
    saved: Mapping[int, State] = MappingProxyType({})
    quarantines: Sequence[Note] = ()


def survey(system: System, transport: str, engine: Engine) -> Survey:
    """Look at the host.

    transport: auto, nft or legacy.
    Raises DrawbridgeError if iptables is missing or unreadable, EngineError if the engine's answers make no sense. An engine that cannot
    be reached is no error: the survey says so.
    """
    netfilter, warnings = _netfilter(system, transport)
    rulesets = netfilter.rulesets()
    answers = _ask(engine)
    daemon = find_daemon(system)
    if answers.error is not None:
        warnings.append(answers.error)
    other = LEGACY if netfilter.variant == NFT else NFT
    return Survey(
        answers=answers,
        proxy=userland_proxy(
            answers.info,
            daemon.cmdline if daemon else None,
            daemon.config if daemon else None,
            rulesets[IPV4].rules("nat", "OUTPUT"),
        ),
        variant=netfilter.variant,
        rulesets=rulesets,
        sets=_our_sets(netfilter),
        tables=netfilter.nft.ours(),
        other_variant=other,
        other_rules=_count_rules(system, other, netfilter.families),
        shared_bridges=frozenset(entrances().values()),
        flowtables=flowtables(system),
        vrfs=vrfs(),
        engine_tables=bridges_tables(system),
        forwards_at_boot=value_at_boot(system, "net/ipv4/ip_forward") == "1",
        event_service=event_service(system),
        late_ports=standing(system, netfilter),
        warnings=warnings,
        saved=saved_states(system, netfilter.variant),
        quarantines=Notes().all(),
    )


def _netfilter(system: System, transport: str) -> Tuple[Netfilter, List[str]]:
    """If auto cannot decide, use the variant of plain iptables: reading it does no harm."""
    try:
        netfilter = Netfilter(system, transport)
        return netfilter, list(netfilter.warnings)
    except DrawbridgeError as error:
        default = path_variant(system)
        if transport != "auto" or default is None:
            raise
        netfilter = Netfilter(system, default)
        return netfilter, [str(error)] + netfilter.warnings


def _ask(engine: Engine) -> EngineAnswers:
    try:
        return EngineAnswers(engine.version(), engine.info(), engine.networks(), engine.containers())
    except EngineUnreachable as error:
        return EngineAnswers({}, {}, [], [], str(error))


def _our_sets(netfilter: Netfilter) -> Sets:
    ours = {name: live for name, live in netfilter.ipset.headers().items() if _OUR_SET.match(name)}
    return netfilter.ipset.with_entries(ours, ours)


def _count_rules(system: System, variant: str, families: List[int]) -> int:
    """Return how many rules a variant holds; 0 if it is not installed.

    Reading a whole dump creates no table, not even a legacy one.
    """
    transport = Transport(system, variant)
    try:
        found = [transport.read(family) for family in families]
    except DrawbridgeError:
        return 0
    return sum(len(chain.rules) for ruleset in found for table in ruleset.tables.values() for chain in table.values())
