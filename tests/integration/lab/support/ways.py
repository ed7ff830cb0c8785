# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Measure every path of the lab, also while somebody else's rules send packets another way."""
from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from tests.lab import paths, table
from tests.lab.api import Host, Lab
from tests.lab.layout import CLIENTS

from . import expected, firewall

PLAIN, SKIPPED, UNTRACKED = "", "DNAT skipped", "untracked"
# Rules of others that change which way packets take. A DNAT that is skipped is served by docker-proxy. An untracked
# packet has no direction, no state, and is never DNATed.
_RULES = {
    SKIPPED: [
        "%s -t nat -I PREROUTING -p %s -m addrtype --dst-type LOCAL -j ACCEPT" % (program, protocol)
        for program in firewall.FAMILIES for protocol in ("tcp", "udp")
    ],
    UNTRACKED: [
        "%s -t raw -I PREROUTING -s %s -j CT --notrack" % (program, getattr(CLIENTS[name], family))
        for program, family in (("iptables", "v4"), ("ip6tables", "v6")) for name in ("allowed", "denied")
    ],
}
_PATHS = {
    SKIPPED: expected.of_kind(paths.PATHS, paths.PUBLISHED),
    UNTRACKED: expected.of_kind(paths.PATHS, paths.PUBLISHED, paths.DIRECT, paths.FOREIGN),
}

# How often what should be open is tried.
ATTEMPTS = 3
Expectation = expected.Expectation
Cells = Mapping[str, Sequence[table.Cell]]


def commands_of(way: str) -> Sequence[str]:
    """The rules of others that make packets go this way."""
    return _RULES.get(way, ())


def on_all(hosts: Sequence[Host], job: Callable[[Host], Any]) -> dict[str, Any]:
    """Do something on all hosts at once → what came of it, by host."""
    with ThreadPoolExecutor() as pool:
        return dict(zip([host.name for host in hosts], pool.map(job, hosts), strict=True))


def dumps(hosts: Sequence[Host]) -> dict[str, str]:
    """The rules and sets of all hosts."""
    return on_all(hosts, firewall.dump)


@contextmanager
def rules_of_others(hosts: Sequence[Host], commands: Sequence[str]) -> Iterator[None]:
    """With these rules inserted on all hosts."""
    on_all(hosts, lambda host: firewall.by_hand(host, *commands))
    try:
        yield
    finally:
        on_all(hosts, lambda host: firewall.by_hand(host, *(line.replace(" -I ", " -D ") for line in commands)))


def plain(lab: Lab, hosts: Sequence[Host], expectation: Expectation,
          chosen: Sequence[paths.Path] = paths.PATHS) -> list[table.Cell]:
    """Who reaches what, now. What should be open and was silent is tried again: a busy machine answers late."""
    cells: dict[tuple[str, str, str], table.Cell] = {}
    names, again = [host.name for host in hosts], list(chosen)
    for _attempt in range(ATTEMPTS):
        for cell in table.measure(lab, names, paths=again):
            place = (cell.host, cell.path.name, cell.who)
            # What was open once is open.
            if place not in cells or not cells[place].result.open:
                cells[place] = cell
        late = {cell.path.name for cell in cells.values() if expectation(cell) and not cell.result.open}
        again = [path for path in chosen if path.name in late]
        if not again:
            break
    return list(cells.values())


def measure(lab: Lab, hosts: Sequence[Host], expectation: Expectation) -> Cells:
    """All paths as they are, then those into the host with DNAT skipped, then with the clients' packets untracked."""
    found = {PLAIN: plain(lab, hosts, expectation)}
    for way, commands in _RULES.items():
        with rules_of_others(hosts, commands):
            found[way] = plain(lab, hosts, expectation, _PATHS[way])
    return found


def differences(lab: Lab, hosts: Sequence[Host], expectation: Expectation) -> list[str]:
    """What is not as expected, on any way; nothing is what a test wants."""
    return differing(measure(lab, hosts, expectation), expectation)


def differing(cells: Cells, expectation: Expectation) -> list[str]:
    """The same, of what was measured already."""
    return ["%s %s" % (way, line) for way, measured in cells.items()
            for line in expected.differences(measured, expectation)]
