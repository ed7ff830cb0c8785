# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""What the example inventory's policy means for every path that the lab measures."""

from __future__ import annotations

from collections.abc import Sequence

from tests.lab.paths import DIRECT, INSIDE, PUBLISHED
from tests.lab.table import Cell

# Whom the inventory calls the office.
OFFICE = "allowed"
# Opened for the office by host_vars of one host only.
ONE_HOST_ONLY = {8083: "trixie"}


def not_yet_open(before: Sequence[Cell]) -> list[str]:
    """Ways in that are closed without any policy: none is."""
    return [cell.path.name for cell in before if cell.path.kind != INSIDE and not cell.result.open]


def is_open(before: Cell) -> bool:
    """Whether the policy leaves a path open, given how it was without."""
    if before.path.kind == DIRECT:
        return False
    if before.path.kind == PUBLISHED:
        permitted = ONE_HOST_ONLY.get(before.result.probe.port, before.host) == before.host
        return before.result.open and permitted and before.who == OFFICE
    return before.result.open


def differences(before: Sequence[Cell], after: Sequence[Cell]) -> list[str]:
    """A line for each path that is not what the policy says; those that are open and should not be come first."""
    found = []
    for was, now in zip(before, after, strict=True):
        wanted = is_open(was)
        if now.result.open != wanted:
            verb = "OPEN, and should be closed" if now.result.open else f"{now.result.state}, and should be open"
            found.append((wanted, f"{now.host}, {now.who}, {now.path.name}: {verb}"))
    return [text for _wanted, text in sorted(found)]
