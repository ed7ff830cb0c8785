# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""What every path has to come to, and how a measurement differs from that."""
from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from tests.lab.layout import HOSTS, OWN_ENGINES
from tests.lab.paths import DIRECT, INSIDE, PUBLISHED, Path
from tests.lab.table import Cell

OPEN, CLOSED = True, False
# Engines from 28 on drop what is sent to a container's own address.
CLOSES_DIRECT = ("forky", *OWN_ENGINES)
# Docker isolates its bridges from each other.
ISOLATED = ("container -> container, other bridge",)

Expectation = Callable[[Cell], bool]


def as_docker_leaves_it(cell: Cell) -> bool:
    """Before any policy: whoever can send a packet is served."""
    if cell.path.kind == DIRECT:
        return cell.host not in CLOSES_DIRECT
    return cell.path.name not in ISOLATED


def one_client_allowed(cell: Cell) -> bool:
    """Under policies.one_client: published ports by client, no direct access, the rest as before."""
    if cell.path.kind == PUBLISHED:
        return cell.who == "allowed"
    return as_docker_leaves_it(cell) and cell.path.kind != DIRECT


def services_closed(cell: Cell) -> bool:
    """Under policies.closed_services: nothing of the host itself either; what it forwards stays as it is."""
    if cell.path.kind in (PUBLISHED, DIRECT, INSIDE) or "forwarded" in cell.path.name:
        return one_client_allowed(cell)
    return CLOSED


# What containers start and a policy that denies egress leaves them.
WITHIN_A_NETWORK = ("container -> container, same bridge", "container -> container, backend")


def without_egress(cell: Cell) -> bool:
    """For what starts inside a host: containers reach their neighbours only; the host and its VM reach what they did."""
    return cell.path.name in WITHIN_A_NETWORK or cell.path.origin in ("host", "vm")


def differences(cells: Iterable[Cell], expected: Expectation) -> list[str]:
    """One line for each cell that is not as expected; none is what a test wants."""
    cells = list(cells)
    assert cells and {cell.host for cell in cells} <= set(HOSTS)
    return [
        "%s: %s from %s is %s %r, expected %s"
        % (cell.host, cell.path.name, cell.who, cell.result.state, cell.result.text,
           "open" if expected(cell) else "closed")
        for cell in cells if cell.result.open != expected(cell)
    ]


def of_kind(paths: Sequence[Path], *kinds: str) -> list[Path]:
    """The paths of these kinds."""
    return [path for path in paths if path.kind in kinds]
