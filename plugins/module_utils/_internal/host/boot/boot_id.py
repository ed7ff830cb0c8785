# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Which boot this is, told without a clock: one that is behind would make files of an earlier boot look new.

The boot program has a function of the same name, which says the same.
"""

from __future__ import annotations

from ..system.process import started
from ..system.system import System

BOOT_ID = "/proc/sys/kernel/random/boot_id"
# A generation's file that says in which boot it was written; not in its digest, for the same rules have the same name in every boot.
FILE = "boot"


def this_boot(system: System) -> str:
    """The kernel's id of the boot, and when the first process began: a host that is a container has its machine's id through its own boots."""
    return "%s %s\n" % ((system.read(BOOT_ID) or "unknown").strip(), started(system, 1))
