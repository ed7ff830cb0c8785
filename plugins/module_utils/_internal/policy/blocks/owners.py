# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The names by which what the policy keeps, and what tasks of their own keep beside it, are told apart in the kernel."""

from __future__ import annotations

from typing import List, NamedTuple, Tuple

FILTER = "filter"
NAT = "nat"
# Which parts of a policy the event service does again. Nothing leads there.
POLICY_LASTING = (FILTER, "DB-LASTING-policy")
# Of ports that are opened by name, followed by whose they are.
PUBLISH = "DB-PUBLISH-"
HAIRPIN = "DB-HAIRPIN-"


class PortForwardingOwner(NamedTuple):
    """key: the end of the names of its chains, at most 17 characters."""

    key: str

    @property
    def publish(self) -> str:
        """In nat and in filter."""
        return PUBLISH + self.key

    @property
    def hairpin(self) -> str:
        return HAIRPIN + self.key

    @property
    def owned(self) -> List[Tuple[str, str]]:
        return [(NAT, self.publish), (NAT, self.hairpin), (FILTER, self.publish)]


class EgressOwner(NamedTuple):
    """The two chains that are jumped to, the beginning of all others, and the place among Drawbridge's jumps."""

    forwarded: str
    to_host: str
    prefix: str
    priority: int

    @property
    def owned(self) -> List[Tuple[str, str]]:
        return [(FILTER, self.forwarded), (FILTER, self.to_host), (FILTER, self.prefix + "*")]


class MasqueradeOwner(NamedTuple):
    """The table in nftables, below srcnat (100) where iptables' and Docker's nat are, and the chain in iptables where there is
    no nft."""

    table: str
    table_priority: int
    chain: str
    chain_priority: int


# What the policy says comes before what a task of its own says. Both come before the ports that are opened by name (50), which
# accept: opening one is no way past what a container may reach.
POLICY_EGRESS = EgressOwner("DB-USER-policy-EGRESS", "DB-HOST-policy", "DB-EGP-", 30)
TASK_EGRESS = EgressOwner("DB-USER-egress", "DB-HOST-egress", "DB-EGT-", 40)
POLICY_MASQUERADE = MasqueradeOwner("drawbridge-policy", 98, "DB-POST-policy", 100)
TASK_MASQUERADE = MasqueradeOwner("drawbridge-masquerade", 99, "DB-POST", 200)
# The ports of container_port have their protocol and number as key.
POLICY_PORTS = PortForwardingOwner("policy")
