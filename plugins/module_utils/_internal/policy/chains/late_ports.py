# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Access to sockets of the engine that the guard does not know: ports published after the run and served by docker-proxy.

The kernel tells the socket's owner and marks the packet (policy/blocks/engine_table.py). The chain here clears the mark of allowed packets.
"""

from __future__ import annotations

from typing import List

from ...engine.facts.facts import HostFacts
from ...netfilter.rules.desired import Chain, Hook, Line, NftTables
from ..blocks.engine_table import KEY, MARK, body
from ..blocks.limits import LIMITS, OTHER_PACKETS, Counted, most_generous_first, within
from ..blocks.outside import FROM_BRIDGES
from ..blocks.port_rules import Rules, by_destination, denials, verdict_of, ways_in
from ..language.model import Policy, PublishedPorts
from ..values import reserved_names
from ..values.entries import Entry
from . import forward, guard

TABLE = "mangle"
CHAIN = "DB-LATE"
DENIED = "DB-LATE-DENIED"
LIMITED = CHAIN + LIMITS
HOOK = Hook(TABLE, "INPUT", CHAIN)

PASSES = "MARK --set-xmark 0x0/0x%x" % MARK
_NOT_ASKED = Line("-m mark ! --mark 0x%x/0x%x -j RETURN" % (MARK, MARK))


def late(policy: Policy, ports: PublishedPorts, host: HostFacts, rules: Rules) -> List[Chain]:
    """Return the chains behind INPUT, or no chain if the policy limits no port or nothing would set the mark."""
    if not ports.limits or host.engine_cgroup is None:
        return []
    # The guard has judged the ports that it knows, including flows that a revoked client may keep. The engine's own listeners are
    # host services, which this chain does not judge.
    lines = [_NOT_ASKED, *_not_outside(policy), *guard.to_published_ports("-j " + PASSES)]
    lines.append(Line("-m set --match-set @%s dst,dst -j %s" % (reserved_names.ENGINE_OWN, PASSES)))
    denied = rules.denied(ports.deny, ports.path + ".deny", DENIED)
    lines += denied
    # Ranges too: packets to host services within a range have no mark.
    for entry in most_generous_first(ports.allow):
        lines += _permit(ports, entry, rules)
    # At the chain's end packets keep their mark.
    lines += [line._replace(text=line.text.replace("-j DROP", "-j RETURN")) for line in denials(ports, by_destination) if line.text != "-j DROP"]
    if not ports.denies:
        lines.append(Line("-j " + PASSES))
    chains = [Chain(TABLE, CHAIN, lines)]
    if denied:
        # The mark may be off by now.
        chains.append(Chain(TABLE, DENIED, [_NOT_ASKED, Line("-j " + verdict_of(ports.mode), path=ports.path + ".deny")]))
    return chains


def _permit(ports: PublishedPorts, entry: Entry, rules: Rules) -> List[Line]:
    """Return the lines that take the mark off what an entry lets in. What exceeds its limit keeps the mark."""
    targets, path = ways_in(by_destination(entry.target), entry), entry.path + ".sources"
    if entry.limit is None:
        return rules.from_sources(targets, entry.sources, path, PASSES)
    counted = Counted(TABLE, CHAIN, "published", forward.CHAIN, ports.mode)
    chain = counted.name(entry)
    first = [_NOT_ASKED, *(Line("%s -j %s" % (other, PASSES)) for other in OTHER_PACKETS), _NOT_ASKED]
    leading = rules.from_sources(targets, entry.sources, path, chain)
    if not leading:
        return []
    rules.limits[TABLE, chain] = Chain(TABLE, chain, [*first, *within(entry.limit, counted.stage, counted.of, entry, PASSES)])
    verdict = verdict_of(entry.mode or ports.mode).replace("DROP", "RETURN")
    return leading + rules.from_sources(targets, entry.sources, path, verdict)


def _not_outside(policy: Policy) -> List[Line]:
    if not policy.external_interfaces:
        return [Line("%s -j %s" % (FROM_BRIDGES, PASSES))]
    # Clear the mark of all packets, then set it again for those from an external interface.
    back = "MARK --set-xmark 0x%x/0x%x" % (MARK, MARK)
    return [Line("-j " + PASSES), *(Line("-i %s -j %s" % (name, back)) for name in policy.external_interfaces)]


def engine_tables(has_chain: bool, host: HostFacts) -> NftTables:
    """Return the table that goes with the chain. Without the chain there is no table."""
    return {KEY: body(host.engine_cgroup) if has_chain and host.engine_cgroup is not None else None}
