# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Run the boot program from a task."""

from __future__ import annotations

from ...errors import DrawbridgeError
from ...host.system.system import System
from ...netfilter.kernel.iptables import words_of


def run_program(system: System, path: str, *words: str) -> None:
    """Run the boot program; the caller holds the host's lock. Raises DrawbridgeError with its message if it fails."""
    output = system.run(["/bin/sh", path, *words], env={"DRAWBRIDGE_LOCKED": "1"})
    if output.rc != 0:
        raise DrawbridgeError(words_of(output))
