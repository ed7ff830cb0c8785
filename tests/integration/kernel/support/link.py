# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Interfaces of the namespace that this thread is in."""
from __future__ import annotations

import subprocess

from .watching import until


def carry(*names: str) -> None:
    """Wait until each of these, ends of pairs or bridges with a port, carries packets.

    The kernel notices up to a second late that both ends of a pair are up. Until then what is sent is lost, also on a bridge's new port.
    """
    for name in names:
        until(lambda name=name: _carries(name), name)  # type: ignore[misc]


def _carries(name: str) -> bool:
    shown = subprocess.run(["ip", "-o", "-d", "link", "show", "dev", name], capture_output=True, text=True, check=True).stdout
    return " state UP " in shown and ("bridge_slave" not in shown or "bridge_slave state forwarding" in shown)
