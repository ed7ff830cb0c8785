# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A trace's arguments and result, as users write and read them."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Tuple

from ...errors import DrawbridgeError
from ...host.system.system import System
from ..verdict.walk.asked import parse_packet
from .compare import is_compared
from .trace import Bounds, Traced, trace

_MOST = {"seconds": 300, "packets": 100, "rate": 1000}


def traced_values(system: System, params: Mapping[str, Any], check_mode: bool) -> Tuple[Dict[str, object], List[str]]:
    """Trace as the arguments say. Return the module's values, and warnings. Raises DrawbridgeError."""
    for name, most in _MOST.items():
        if not 1 <= params[name] <= most:
            raise DrawbridgeError("%d is no number from 1 to %d" % (params[name], most), name)
    asked = parse_packet(params["packet"], "packet")
    found = trace(system, asked, params["method"], Bounds(params["seconds"], params["packets"], params["rate"]), params["lock_timeout"], not check_mode)
    return _values(found), found.warnings


def _values(found: Traced) -> Dict[str, object]:
    seen: List[Dict[str, object]] = []
    differences: List[str] = []
    compared = 0
    for packet, said, difference in found.seen:
        agrees = difference is None if is_compared(said) else None
        compared += agrees is not None
        differences += [difference] if difference is not None else []
        seen.append(dict(packet.shown, packet=said.packet, said=said.shown, agrees=agrees, difference=difference))
    return {
        "changed": False,
        "method": found.method,
        "verdict": found.said.shown,
        "seen": seen,
        "agrees": not differences if compared else None,
        "difference": differences[0] if differences else None,
    }
