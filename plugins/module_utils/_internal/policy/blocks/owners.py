# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Names in the kernel per owner. They tell the policy's chains and tables from those of single tasks."""

from __future__ import annotations

from typing import List, NamedTuple, Tuple

FILTER = "filter"
NAT = "nat"
# Names the record in force: the parts of a policy that the event service applies again. No rule jumps to this chain.
POLICY_LASTING = (FILTER, "DB-LASTING-policy")
# What the host itself sends, and the chain for what of it is denied.
OUTPUT = "DB-OUTPUT"
OUTPUT_DENIED = "DB-OUTPUT-DENIED"
# The chains of port forwarding. The owner's key follows.
PUBLISH = "DB-PUBLISH-"
HAIRPIN = "DB-HAIRPIN-"


class PortForwardingOwner(NamedTuple):
    """An owner of port forwarding. key: the suffix of its chains' names, at most 17 characters."""

    key: str

    @property
    def publish(self) -> str:
        """The name of two chains: one in nat, one in filter."""
        return PUBLISH + self.key

    @property
    def hairpin(self) -> str:
        return HAIRPIN + self.key

    @property
    def owned(self) -> List[Tuple[str, str]]:
        return [(NAT, self.publish), (NAT, self.hairpin), (FILTER, self.publish)]


class EgressOwner(NamedTuple):
    """The two chains that hooks jump to, the prefix of all other chains, and the hooks' priority."""

    forwarded: str
    to_host: str
    prefix: str
    priority: int

    @property
    def owned(self) -> List[Tuple[str, str]]:
        return [(FILTER, self.forwarded), (FILTER, self.to_host), (FILTER, self.prefix + "*")]


class MasqueradeOwner(NamedTuple):
    """The table in nftables, and the chain in iptables for hosts without nft.

    The table's priority is below srcnat (100), which iptables' and Docker's nat use.
    """

    table: str
    table_priority: int
    chain: str
    chain_priority: int


# The policy's chains come before those of a single task. Both come before port forwarding (50), which accepts: an opened port
# must not bypass the limits of egress.
POLICY_EGRESS = EgressOwner("DB-USER-policy-EGRESS", "DB-HOST-policy", "DB-EGP-", 30)
TASK_EGRESS = EgressOwner("DB-USER-egress", "DB-HOST-egress", "DB-EGT-", 40)
POLICY_MASQUERADE = MasqueradeOwner("drawbridge-policy", 98, "DB-POST-policy", 100)
TASK_MASQUERADE = MasqueradeOwner("drawbridge-masquerade", 99, "DB-POST", 200)
# For container_port the key is the port's protocol and number.
POLICY_PORTS = PortForwardingOwner("policy")
