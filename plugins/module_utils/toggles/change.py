# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A policy's toggles as a part of the change of its rules: tried before anything is changed, and covered by the same checkpoint."""

from __future__ import annotations

from typing import Optional

from ..boot.kept import covered
from ..host.system import System
from ..netfilter.converge import Beside, Settings
from ..netfilter.host import Netfilter
from ..policy.model import Policy
from .policy import Done, Toggles


class ToggleChange(Beside):
    """The toggles of one run."""

    def __init__(self, system: System, settings: Settings, policy: Optional[Policy]) -> None:
        """policy: None where it is taken away. Raises DrawbridgeError for toggles that contradict each other."""
        self._system = system
        self._settings = settings
        self._policy = policy
        self._tried = Toggles(system, settings._replace(check_mode=True), policy)
        self._done: Optional[Toggles] = None

    def changes(self, netfilter: Netfilter) -> bool:
        host = covered(self._system)
        if host is not self._system:
            self._tried = Toggles(host, self._tried.settings, self._policy)
            netfilter = Netfilter(host, self._settings.transport)
        self._tried.narrow(netfilter)
        self._tried.widen(netfilter)
        return self._tried.result().changed

    def narrow(self) -> None:
        self._done = Toggles(covered(self._system), self._settings, self._policy)
        self._done.narrow(Netfilter(self._done.system, self._settings.transport))

    def widen(self) -> None:
        """What goes behind the rules. The caller holds the lock. Raises DrawbridgeError where all was taken back meanwhile."""
        if self._done is not None:
            self._done.system.refuse_if_over()
            self._done.widen(Netfilter(self._done.system, self._settings.transport))

    def result(self) -> Done:
        """What was done, or would be."""
        return (self._done or self._tried).result()
