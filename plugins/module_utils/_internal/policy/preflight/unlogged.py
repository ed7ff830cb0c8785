# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Warn where the kernel drops what ``log_denied`` asks for: LOG is silent in other network namespaces than the first."""

from __future__ import annotations

from typing import List

from ...host.system.system import System
from ..language.model import Policy
from ..values.values import OBSERVE

# Only the first network namespace has this setting.
SETTING = "/proc/sys/net/netfilter/nf_log_all_netns"


def unlogged(system: System, policy: Policy) -> List[str]:
    """Return a warning if the policy logs by LOG, or observes, and this host is a container or another namespace."""
    asked = policy.log_denied
    if asked is None and not _observes(policy) or asked is not None and ("group",) in asked.values or system.read(SETTING) is not None:
        return []
    return [
        "log_denied: this host is in a network namespace of its own, where the kernel logs nothing unless net.netfilter.nf_log_all_netns is 1 on the"
        " machine around it; or name an NFLOG group"
    ]


def _observes(policy: Policy) -> bool:
    sections = [section for section in (policy.published_ports, policy.host_services) if section is not None]
    modes = [mode for section in sections for mode in (section.mode, *(entry.mode for entry in section.allow))]
    return OBSERVE in modes or any(section is not None and section.observes for section in (policy.egress, policy.host_egress))
