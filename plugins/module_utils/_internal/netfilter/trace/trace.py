# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A trace from its beginning to its end: probes are put, packets heard, probes taken away, and what was seen is held against the verdict."""

from __future__ import annotations

import time
from typing import Callable, Dict, List, NamedTuple, Optional, Tuple

from ...errors import DrawbridgeError
from ...host.system.lock import HostLock
from ...host.system.system import System
from ..kernel.iptables import LEGACY, NFT, Transport
from ..rules.saved_ruleset import Ruleset, parse
from ..verdict.snapshot.interfaces import Interfaces
from ..verdict.snapshot.texts import Snapshot, read_host, save_name
from ..verdict.walk.asked import Asked
from ..verdict.walk.judge import Judge, Judgement
from . import chain_probes, nft_probes
from .chain_paths import ChainPaths
from .compare import difference, is_compared
from .flow import Flow, flow_of
from .hits import SeenPacket
from .kernel_messages import Ear
from .leftovers import GRACE, Guard, Label, own_label
from .nft_paths import NftPaths, read_hit
from .packet_log import KernelLogReader, NflogReader
from .steps import Texts

AUTO, TRACE, NFLOG, LOG = "auto", "trace", "nflog", "log"
# Seconds for what is on its way when the trace's time is over.
_LATE = 0.3
_LOST = "the kernel told more than could be heard: paths may lack steps"


class Bounds(NamedTuple):
    """seconds: how long packets are waited for. packets: how many are enough. rate: how many a second are traced at most."""

    seconds: int
    packets: int
    rate: int


class Traced(NamedTuple):
    """said: the verdict about the packet that was asked about. seen: each packet with what the verdict says about it, and the first difference."""

    method: str
    said: Judgement
    seen: List[Tuple[SeenPacket, Judgement, Optional[str]]]
    warnings: List[str]


class _Run(NamedTuple):
    """What every kind of probe needs. saved: the rules by variant."""

    system: System
    flow: Flow
    bounds: Bounds
    lock_timeout: int
    label: Label
    saved: Dict[str, Ruleset]
    warnings: List[str]


def trace(system: System, asked: Asked, method: str, bounds: Bounds, lock_timeout: int, puts_probes: bool = True) -> Traced:
    """Trace a flow's packets. puts_probes: False for the verdict alone. Raises DrawbridgeError; the probes are gone then, too."""
    snapshot = read_host(system)
    judge = Judge(snapshot)
    said = judge.judge(asked)
    flow = flow_of(asked, _master(snapshot, asked.interface))
    texts = {variant: snapshot.text(save_name(variant, asked.family)) for variant in (NFT, LEGACY)}
    saved = {variant: parse(text) for variant, text in texts.items() if text is not None}
    chosen = _chosen(system, method, saved)
    run = _Run(system, flow, bounds, lock_timeout, own_label(system, bounds.seconds), saved, [])
    if not puts_probes:
        return Traced(chosen, said, [], [])
    nft_probes.remove_left_over(system)
    with HostLock(lock_timeout):
        chain_probes.take_left_over(system, asked.family, [variant for variant, ruleset in saved.items() if ruleset.tables])
    found = (_by_nft(run) if chosen == TRACE else _by_chains(run, chosen))[: bounds.packets]
    seen = []
    for packet in found:
        judgement = judge.judge(_as_seen(asked, packet))
        seen.append((packet, judgement, difference(judgement, packet, list(saved.values()))))
    if any(not is_compared(judgement) for _packet, judgement, _words in seen):
        run.warnings.append("the verdict about a packet that was seen is unknown: there is nothing to compare")
    return Traced(chosen, said, seen, run.warnings)


def _master(snapshot: Snapshot, name: str) -> str:
    """The bridge or bond that packets of an interface come by."""
    interfaces = Interfaces(snapshot.objects("addresses")).by_name
    master = interfaces[name].master if name in interfaces else ""
    return master if master in interfaces and interfaces[master].kind in ("bridge", "bond", "team") else ""


def _chosen(system: System, method: str, saved: Dict[str, Ruleset]) -> str:
    """The method: nftables' trace where only nftables has rules, which tells each rule; else probes in each chain."""
    if method != AUTO:
        return method
    legacy = saved.get(LEGACY)
    has_legacy = legacy is not None and any(chain.rules or chain.policy == "DROP" for table in legacy.tables.values() for chain in table.values())
    if not has_legacy and system.which("nft") is not None:
        return TRACE
    return NFLOG


def _as_seen(asked: Asked, packet: SeenPacket) -> Asked:
    """The packet that came, as a question."""
    first = packet.first
    flags = first.flags or asked.flags
    return asked._replace(
        source=first.ends.source, sport=first.ends.sport, dport=first.ends.dport, icmp=first.icmp or asked.icmp, flags=flags,
        interface="" if asked.is_local else packet.iif, is_local=asked.is_local or not packet.iif,
    )  # fmt: skip


def _by_nft(run: _Run) -> List[SeenPacket]:
    ear = Ear()
    ear.hear_traces()
    probe = nft_probes.NftProbe(run.system, run.label, run.flow, run.bounds.rate)
    has_owner = nft_probes.has_owners(run.system)
    guard = None if has_owner else Guard(probe.take, run.bounds.seconds + GRACE)
    try:
        rules = probe.put(has_owner)
        paths = NftPaths(probe.table, Texts(run.flow.family, run.saved, rules), run.flow.protocol)

        def listen(until: float) -> bool:
            for message in ear.messages(until):
                hit = read_hit(message, run.flow.protocol)
                if hit is not None:
                    paths.add(hit)
                if len(paths.done) >= run.bounds.packets:
                    return True
            return False

        _listened(listen, run.bounds.seconds)
        paths.end()
    finally:
        probe.take()
        if guard is not None:
            guard.dismiss()
        ear.close()
    if ear.lost:
        run.warnings.append(_LOST)
    return paths.done


def _listened(listen: Callable[[float], bool], seconds: int) -> None:
    """Listen, and a moment longer if that does not say that all is known."""
    if not listen(time.monotonic() + seconds):
        listen(time.monotonic() + _LATE)


def _by_chains(run: _Run, method: str) -> List[SeenPacket]:
    system, flow = run.system, run.flow
    variants = [variant for variant, ruleset in run.saved.items() if ruleset.tables]
    if not variants:
        raise DrawbridgeError("the host has no rules of iptables, so there is no chain that could log packets", None, "use method: trace, which needs nft")
    mark = "dbt%d" % run.label.pid
    reader = NflogReader(flow.protocol) if method == NFLOG else KernelLogReader(system, flow.protocol, mark)

    def take() -> None:
        chain_probes.take(system, flow.family, variants, lambda label: label == run.label)

    probes = chain_probes.ChainProbes(system, run.label, flow, run.bounds.rate, reader.target)
    guard = Guard(take, run.bounds.seconds + GRACE)
    try:
        # The rules as they are now: somebody may have changed them since the snapshot.
        with HostLock(run.lock_timeout):
            probes.put({variant: Transport(system, variant).read(flow.family) for variant in variants})
        paths = ChainPaths(probes.places, flow.protocol, len(run.saved) > 1, flow.state == "new")

        is_enough: List[bool] = []

        def listen(until: float) -> bool:
            for logged in reader.logged(until):
                paths.add(logged)
                if paths.count >= run.bounds.packets and not is_enough:
                    # The last of them may still be on its way.
                    is_enough.append(True)
                    break
            return False

        _listened(listen, run.bounds.seconds)
    finally:
        with HostLock(run.lock_timeout):
            take()
        guard.dismiss()
        reader.close()
    if reader.lost:
        run.warnings.append(_LOST)
    return paths.packets()
