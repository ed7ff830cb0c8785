# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Changes that a task makes on the host in addition to rules."""

from __future__ import annotations

from ..netfilter.kernel.netfilter import Netfilter


class HostChange:
    """The changes on the host that a task makes together with its rules, as one change. Most tasks have none."""

    def changes(self, _netfilter: Netfilter) -> bool:
        """Return whether there is anything to do. Called when the rules are known to be valid, in check mode as well. Raises DrawbridgeError if
        a change would be refused."""
        return False

    def narrow(self) -> None:
        """Make the changes that go before the rules, after a checkpoint is armed."""
