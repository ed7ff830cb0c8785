# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The part for a policy's host settings. They are tried before anything is changed, and the rules' checkpoint covers them."""

from __future__ import annotations

from typing import Optional

from ..engine.facts.gather import EngineFacts
from ..host.system.lock import HostLock
from ..host_settings.policy import HostSettings
from ..netfilter.kernel.netfilter import Netfilter
from ..persistence.lookup import covered
from ..transaction.converge import Outcome
from .desired import Desired
from .part import Part, Report


class HostSettingsPart(Part):
    """The host settings of one run."""

    def __init__(self, desired: Desired) -> None:
        """Raises DrawbridgeError for host settings that contradict each other."""
        self._system = desired.system
        self._settings = desired.settings
        self._policy = desired.policy
        self._tried = HostSettings(self._system, self._settings._replace(check_mode=True), self._policy)
        self._done: Optional[HostSettings] = None

    def changes(self, netfilter: Netfilter) -> bool:
        host = covered(self._system)
        if host is not self._system:
            self._tried = HostSettings(host, self._tried.settings, self._policy)
            netfilter = Netfilter(host, self._settings.transport)
        self._tried.narrow(netfilter)
        self._tried.widen(netfilter)
        return self._tried.result().changed

    def narrow(self) -> None:
        self._done = HostSettings(covered(self._system), self._settings, self._policy)
        self._done.narrow(Netfilter(self._done.system, self._settings.transport))

    def after(self, _outcome: Outcome, _asked: EngineFacts) -> None:
        """Apply settings that let more pass. Raises DrawbridgeError if everything was taken back meanwhile."""
        if self._done is None:
            return
        # Do not wait for a checkpoint here: this very run may have to confirm the rules.
        with HostLock(self._settings.lock_timeout):
            self._done.system.refuse_if_over()
            self._done.widen(Netfilter(self._done.system, self._settings.transport))

    def report(self) -> Report:
        done = (self._done or self._tried).result()
        return Report(done.changed, {"restart_required": done.restart_required}, done.warnings, done.diffs)
