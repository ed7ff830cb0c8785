# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The files that a host's policy leaves beside its rules. Without such files, a policy does not load the code that handles them."""

from __future__ import annotations

import os

from ..host.boot.unit import FOLDER
from ..host.system.paths import BESIDE, STATE

# After 99-sysctl.conf, which some distributions link to /etc/sysctl.conf.
BOOT_FILE = "/etc/sysctl.d/99-zz-drawbridge-policy.conf"
UNIT = "drawbridge-policy-forward-%s.service"


# The file that lists the sections of rules inside containers.
INSIDE = "policy-containers.json"


def are_inside() -> bool:
    """Whether an earlier policy has rules inside containers."""
    return os.path.exists(os.path.join(STATE, INSIDE))


def are_there() -> bool:
    """Whether an earlier policy left files of its host settings."""
    units = [os.path.join(FOLDER, UNIT % policy) for policy in ("drop", "accept")]
    # A change that waits to be confirmed has not written them yet.
    waiting = os.path.join(STATE, "checkpoint", BESIDE)
    return any(os.path.exists(path) for path in [BOOT_FILE, waiting, *units])
