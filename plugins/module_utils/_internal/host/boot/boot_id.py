# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The identity of this boot. A clock does not help: if it is behind, files of an earlier boot look new.

The boot program has a function of the same name with the same result.
"""

from __future__ import annotations

from ..system.process import started
from ..system.system import System

BOOT_ID = "/proc/sys/kernel/random/boot_id"
# The file of a generation with the boot that wrote it. It is not in the digest: the same rules have the same name in every boot.
FILE = "boot"


def this_boot(system: System) -> str:
    """Return the kernel's boot id and the start time of the first process.

    A host that is a container keeps its machine's boot id when it reboots.
    """
    return "%s %s\n" % ((system.read(BOOT_ID) or "unknown").strip(), started(system, 1))
