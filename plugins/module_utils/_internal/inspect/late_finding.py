# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The finding that a port published from now on would be open, whatever the policy says. Pure."""

from __future__ import annotations

from typing import Iterable, Optional, Tuple

from ..engine.daemon.proxy import OFF
from ..netfilter.rules.saved_ruleset import Ruleset
from ..policy.chains import guard
from ..policy_pipeline.late_ports import NEXT_RUN, UNTIL_RESTART
from .guarded_ports import is_hooked

CODE = "late_ports_open"
_ASK = "run host_policy: its late_ports says what closes them then; where the kernel cannot tell the engine's sockets, have event_service"
_TOLD = {
    NEXT_RUN: ("a port that is published from now on is open where docker-proxy serves it, until the next run of host_policy: neither the"
               " kernel nor the event service closes it", _ASK),
    UNTIL_RESTART: ("once the engine is started anew, a port that is published then is open where docker-proxy serves it, until the next run"
                    " of host_policy: nothing tells the kernel the engine's new cgroup", "have boot_restore, or event_service"),
}


def late_ports_open(rulesets: Iterable[Ruleset], late_ports: Optional[str], proxy: str) -> Optional[Tuple[str, str]]:
    """Return the message and the hint; None if the policy limits no port, or if something closes new ports."""
    if proxy == OFF or late_ports not in _TOLD:
        return None
    if not any(is_hooked(ruleset) and ruleset.chain(guard.TABLE, guard.PORTS) for ruleset in rulesets):
        return None
    return _TOLD[late_ports]
