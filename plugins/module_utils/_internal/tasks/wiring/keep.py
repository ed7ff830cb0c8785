# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The job of netns_network: read, refuse, plan, change, read again."""

from __future__ import annotations

import json
from functools import partial
from typing import Callable, Dict, List, Optional

from ...address import IPV4, IPV6
from ...errors import DrawbridgeError
from ...host.boot.sysctl import set_now, value_now
from ...host.network.ssh import Connection, controlling_connection
from ...host.system.json_values import objects, text
from ...host.system.system import System
from ...netfilter.kernel.iptables import words_of
from ...netfilter.rules.desired import Chain, DesiredState, Hook, Line
from ...persistence.lookup import boot_files
from ...policy.blocks.owners import NAT
from ...transaction.converge import Planned, Settings, begin, commit, locked, planned
from ..task import Result, Task
from .live import FORWARDING, Live, command, read, within
from .made import Made, Notebook, intended, places, settled
from .model import HOST, Masquerading, Wiring
from .parse import parse_wiring, shared_networks
from .plan import Change, plan
from .refuse import refuse_networks_in_use, refuse_own_way, refuse_what_others_made

CHAIN = "DB-NETNS-"
# What takes one interface may take another: removing an address takes its routes and its secondary addresses along.
_ROUNDS = 4


def keep_network(task: Task, connection: Callable[[System], Optional[Connection]] = controlling_connection) -> Result:
    """Bring the host to the task's wiring. connection: finds the task's own connection."""
    wiring = parse_wiring(task.params)
    system, settings = task.system, task.settings()
    with locked(settings):
        notebook = Notebook(system, wiring.name)
        made = notebook.read()
        live = read(system, places(wiring, made))
        refuse_what_others_made(wiring, live, made)
        refuse_networks_in_use(wiring, live, made)
        changes = plan(wiring, live, made)
        _refuse_own_way(system, wiring, live, changes, connection(system))
        warnings = shared_networks(wiring) + _not_forwarded(wiring, live) + _still_used(system, changes)
        rules = _rules(system, settings, wiring, made)
        if not task.check_mode:
            live = _make(system, notebook, wiring, made, live, changes)
        values: Dict[str, object] = {"changed": bool(changes), "diff": texts(changes)}
        if rules is not None:
            outcome = commit(rules, settings)
            shown = [texts(changes), outcome.result()["diff"]] if outcome.is_change else texts(changes)
            values = {"changed": bool(changes) or outcome.is_change, "diff": shown, "transport": outcome.transport}
            warnings += outcome.warnings
        held = settled(wiring, live)
        if not task.check_mode and (changes or held != made):
            notebook.write(held)
    return Result(values, warnings)


def _make(system: System, notebook: Notebook, wiring: Wiring, made: Made, live: Live, changes: List[Change]) -> Live:
    """Take the steps until nothing is left to do → what there is then. What is about to be made is recorded before."""
    expected = intended(wiring, made)
    if changes or expected.masquerade != made.masquerade:
        notebook.write(expected)
    # Pairs with another end have been made anew after the first round.
    expected = expected._replace(peers={})
    for _round in range(_ROUNDS):
        for change in changes:
            _take(system, change)
        if not changes:
            return live
        live = read(system, places(wiring, expected))
        changes = plan(wiring, live, expected)
    raise DrawbridgeError("the host does not stay as it was made: %s" % "; ".join(change.after or "no " + change.before for change in changes[:3]),
                          changes[0].path if changes else None, "somebody else changes it")


def _take(system: System, change: Change) -> None:
    if change.forwarding is not None:
        within(change.place, partial(_set_forwarding, system, change.forwarding))
    elif change.command:
        argv = command(system, "" if change.command[0] == "netns" else change.place, *change.command)
        output = system.run(argv)
        # What was to be removed may be gone with something else; the next reading tells.
        if output.rc != 0 and not change.is_removal:
            raise DrawbridgeError("%s failed: %s" % (" ".join(argv[1:]), words_of(output)), change.path, "what was made so far is recorded; run it again")


def _set_forwarding(system: System, value: bool) -> None:
    for name in FORWARDING.values():
        if value_now(system, name) is not None:
            set_now(name, str(int(value)))


def texts(changes: List[Change]) -> Dict[str, str]:
    """Return Ansible's diff, in words."""
    before, after = ("".join(getattr(change, side) + "\n" for change in changes if getattr(change, side)) for side in ("before", "after"))
    return {"before_header": "network", "after_header": "network", "before": before, "after": after}


def _rules(system: System, settings: Settings, wiring: Wiring, made: Made) -> Optional[Planned]:
    """Return the plan for the rules, None where there are none and were none. Boot files may have them when the record is gone."""
    if not wiring.masquerade and not made.masquerade and boot_files(system, settings.settles) is None:
        return None
    reading = begin(system, settings)
    return planned(reading, wanted_rules(wiring), settings)


def wanted_rules(wiring: Wiring) -> DesiredState:
    """Return the chain with the task's masquerading, and the jump to it."""
    chain = CHAIN + wiring.name
    families = tuple(family for family in (IPV4, IPV6) if any(entry.source.family == family for entry in wiring.masquerade))
    if not families:
        return DesiredState([], [], [(NAT, chain)])
    lines = [_line(entry) for entry in wiring.masquerade]
    # Docker inserts its own lines above at times. They are about its own networks.
    hook = Hook(NAT, "POSTROUTING", chain, ahead_of=("ACCEPT", "RETURN"), families=families)
    return DesiredState([Chain(NAT, chain, lines, families)], [hook], [(NAT, chain)])


def _line(entry: Masquerading) -> Line:
    out = "-o %s" % entry.out_interface if entry.out_interface else "! -o %s" % entry.not_by
    return Line("-s %s %s -j MASQUERADE" % (entry.source, out), (entry.source.family,), entry.path)


def _refuse_own_way(system: System, wiring: Wiring, live: Live, changes: List[Change], connection: Optional[Connection]) -> None:
    if connection is None or not changes:
        return
    output = system.run(command(system, HOST, "-j", "route", "get", connection.remote_address))
    try:
        ways = objects(json.loads(output.stdout or "[]"))
    except ValueError:
        ways = []
    by = text(ways[0].get("dev")) if ways else None
    refuse_own_way(wiring, live, changes, connection.local_address, connection.remote_address, by)


def _not_forwarded(wiring: Wiring, live: Live) -> List[str]:
    families = {entry.source.family for entry in wiring.masquerade}
    return [
        "the host does not forward IPv%d: nothing is masqueraded until ip_forward turns it on" % family
        for family in sorted(families)
        if live[HOST].forwarding.get(family) is False
    ]


def _still_used(system: System, changes: List[Change]) -> List[str]:
    """Return a warning for each namespace to remove that processes are in: it lives on without a name until they end."""
    found = []
    for space in [change.command[2] for change in changes if change.command[:2] == ("netns", "delete")]:
        pids = system.run(command(system, HOST, "netns", "pids", space)).stdout.split()
        if pids:
            found.append("the namespace %s is still used by processes: %s" % (space, ", ".join(pids[:5])))
    return found
