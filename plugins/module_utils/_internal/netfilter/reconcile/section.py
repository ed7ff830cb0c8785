# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Sections: named chains of rules, ordered by the user's priorities. One jump from a shared chain leads to each section."""

from __future__ import annotations

import re

from ...address import quoted
from ...errors import DrawbridgeError
from ..rules.desired import MAX_CHAIN_NAME

# Reserved section names and the modules that own them. Names that begin with one of these and a - are reserved too.
RESERVED = {"policy": "host_policy", "egress": "container_egress"}
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*")
MAX_PRIORITY = 9999


def section_chain(prefix: str, name: str, priority: int) -> str:
    """Return the chain of a user's section. Raises DrawbridgeError if the name or the priority is not valid."""
    longest = MAX_CHAIN_NAME - len(prefix)
    if not NAME.fullmatch(name) or len(name) > longest:
        raise DrawbridgeError(
            "%s is not a section's name" % quoted(name), "section", "letters, digits, _ and -, at most %d" % longest
        )
    owner = RESERVED.get(name.split("-")[0])
    if owner is not None:
        raise DrawbridgeError("the section %s belongs to the module %s" % (name, owner), "section")
    if not 0 <= priority <= MAX_PRIORITY:
        raise DrawbridgeError("%d is not from 0 to %d" % (priority, MAX_PRIORITY), "priority")
    return prefix + name
