# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What may come to a socket of the engine's that the guard does not know: a port published after the run and served by docker-proxy.

The kernel tells whose socket it is (policy/blocks/engine_table.py) and marks the packet; here the mark is taken off what may pass.
"""

from __future__ import annotations

from typing import List

from ...engine.facts.facts import HostFacts
from ...netfilter.rules.desired import Chain, Hook, Line, NftTables
from ..blocks.engine_table import KEY, MARK, body
from ..blocks.outside import FROM_BRIDGES
from ..blocks.port_rules import Rules, by_destination, drops
from ..language import reserved_names
from ..language.model import Policy, PublishedPorts
from . import guard

TABLE = "mangle"
CHAIN = "DB-LATE"
HOOK = Hook(TABLE, "INPUT", CHAIN)

_PASSES = "MARK --set-xmark 0x0/0x%x" % MARK
_ASKED = "-m mark --mark 0x%x/0x%x" % (MARK, MARK)
_NOT_ASKED = Line("-m mark ! --mark 0x%x/0x%x -j RETURN" % (MARK, MARK))


def late(policy: Policy, ports: PublishedPorts, host: HostFacts, rules: Rules) -> List[Chain]:
    """The chain behind INPUT; none where the policy limits no port, or nothing would ask."""
    if not ports.denies and not ports.allow or host.engine_cgroup is None:
        return []
    # What the guard knows it has judged, those flows too that a revoked client may keep. The engine's own listeners are services of the host,
    # whoever may reach these.
    lines = [_NOT_ASKED, *_not_outside(policy), *guard.to_published_ports("-j " + _PASSES)]
    lines.append(Line("-m set --match-set @%s dst,dst -j %s" % (reserved_names.ENGINE_OWN, _PASSES)))
    # Ranges too: whatever service of the host's is among them, it is not asked about.
    for entry in ports.allow:
        lines += rules.from_sources(by_destination(entry.target), entry.sources, entry.path + ".sources", _PASSES)
    if not ports.denies:
        lines += [line._replace(text=line.text.replace("-j DROP", "-j RETURN")) for line in drops(ports.allow, by_destination)]
        lines.append(Line("-j " + _PASSES))
    return [Chain(TABLE, CHAIN, lines)]


def _not_outside(policy: Policy) -> List[Line]:
    if not policy.external_interfaces:
        return [Line("%s -j %s" % (FROM_BRIDGES, _PASSES))]
    # Taken off all, and put back on what comes in by one of those.
    back = "MARK --set-xmark 0x%x/0x%x" % (MARK, MARK)
    return [Line("-j " + _PASSES), *(Line("-i %s -j %s" % (name, back)) for name in policy.external_interfaces)]


def engine_tables(has_chain: bool, host: HostFacts) -> NftTables:
    """The table that goes with the chain; without the chain there is none."""
    return {KEY: body(host.engine_cgroup) if has_chain and host.engine_cgroup is not None else None}
