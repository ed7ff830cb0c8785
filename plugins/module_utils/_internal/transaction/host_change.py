# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What a task changes on the host beside rules."""

from __future__ import annotations

from ..netfilter.kernel.netfilter import Netfilter


class HostChange:
    """What a task does to the host beside rules, as one change with them. Most do nothing."""

    def changes(self, _netfilter: Netfilter) -> bool:
        """Whether there is anything to do. Asked once the rules are known to be right, in check mode as well. Raises DrawbridgeError for
        what would be refused."""
        return False

    def narrow(self) -> None:
        """Do what goes ahead of the rules, once a checkpoint is armed."""
