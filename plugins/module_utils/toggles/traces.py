# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Where the toggles of a host's policy leave files, so that a policy without any need not load what handles them."""

from __future__ import annotations

import os

from ..host.unit import FOLDER

# After 99-sysctl.conf, which some distributions link to /etc/sysctl.conf.
BOOT_FILE = "/etc/sysctl.d/99-zz-drawbridge-policy.conf"
UNIT = "drawbridge-policy-forward-%s.service"


def are_there() -> bool:
    """Whether an earlier policy left some."""
    units = [os.path.join(FOLDER, UNIT % policy) for policy in ("drop", "accept")]
    return any(os.path.exists(path) for path in [BOOT_FILE, *units])
