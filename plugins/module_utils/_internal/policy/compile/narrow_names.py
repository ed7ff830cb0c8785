# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Take out of the sets of entries that name containers what is not true any more. It only closes, so it waits for no lock and for no other work."""

from __future__ import annotations

from typing import Callable, List, Optional

from ...engine.facts.facts import HostFacts, unknown_host
from ...errors import DrawbridgeError
from ...host.system.system import System
from ...netfilter.kernel.ipset import Ipset
from ...netfilter.reconcile.resolve import set_target
from ...netfilter.rules.ownership import called, is_our_set
from ..blocks.by_name import named_in
from ..values.named_containers import followed


def narrow(system: System, facts: Optional[Callable[[], HostFacts]]) -> List[str]:
    """Delete what the containers of these sets do not have now, and return what was deleted. facts: asks the engine; None if it is gone, and what it
    said with it. If it cannot say, the sets are emptied."""
    ipset = Ipset(system)
    headers = ipset.headers()
    named = {name: called(name) for name in headers if is_our_set(name) and followed(called(name)) is not None and headers[name].size != 0}
    if not named:
        return []
    try:
        host = unknown_host(swarm=False) if facts is None else facts()
    except DrawbridgeError:
        host = unknown_host(swarm=False)
    live = ipset.with_entries(headers, named)
    wanted = named_in(named.values(), host)
    lines: List[str] = []
    for kernel_name, name in named.items():
        target = set_target(ipset, wanted[name], live[kernel_name].family or 0, kernel_name, live)
        lines += ["del %s %s" % (kernel_name, entry) for entry in sorted((live[kernel_name].entries or frozenset()) - (target.entries or frozenset()))]
    ipset.restore(lines)
    return lines
