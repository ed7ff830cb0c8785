# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The saved rules that this host could go back to, and whether it did."""

from __future__ import annotations

import os
from typing import Iterator

from ..host.system.folder import Folder
from ..host.system.paths import ETC, STATE

_PLACES = ((ETC, "current"), (ETC, "previous"), (ETC, "next"), (STATE, "checkpoint"), (STATE, "deciding"))
_DECIDED = "/run/drawbridge/decided"


def saved_rules() -> Iterator[str]:
    """Yield the IPv4 rules of each generation that a boot, a rollback or a confirmation could load, as iptables-restore input."""
    for folder, generation in _PLACES:
        text = Folder(folder).read(os.path.join(generation, "ipv4"))
        if text is not None:
            yield text


def last_decision() -> object:
    """Return a value that changes whenever a change is confirmed or rolled back."""
    try:
        return os.stat(_DECIDED).st_mtime_ns
    except OSError:
        return None
