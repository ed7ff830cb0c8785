# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The policy of the FORWARD chain in the table filter. It applies to packets that no rule decides on."""

from __future__ import annotations

from typing import Dict, List, Mapping

from ...address import IPV4
from ...errors import DrawbridgeError
from ..rules.saved_ruleset import Ruleset
from .iptables import find_command
from .netfilter import Netfilter

TABLE = "filter"
CHAIN = "FORWARD"
ACCEPT = "ACCEPT"
DROP = "DROP"
POLICIES = (ACCEPT, DROP)
_PROGRAM = {True: "iptables", False: "ip6tables"}


def policies_in(rulesets: Mapping[int, Ruleset]) -> Dict[int, str]:
    """Return the policy by family. A table that does not exist yet accepts everything."""
    found = {}
    for family, ruleset in rulesets.items():
        chain = ruleset.chain(TABLE, CHAIN)
        found[family] = ACCEPT if chain is None else chain.policy
    return found


def policy_text(policy: str) -> str:
    """Return iptables-restore input. With --noflush, naming a built-in chain sets its policy and keeps its rules (measured with nft
    and legacy)."""
    return "*%s\n:%s %s [0:0]\nCOMMIT\n" % (TABLE, CHAIN, policy)


def set_policies(netfilter: Netfilter, wanted: Mapping[int, str]) -> None:
    """Change the policies of all families and read the kernel again. Raises DrawbridgeError; the old policies then stay unless the
    message says otherwise."""
    before = policies_in(netfilter.rulesets())
    done: List[int] = []
    try:
        for family, policy in wanted.items():
            netfilter.transport.restore(family, policy_text(policy))
            done.append(family)
    except DrawbridgeError as error:
        for family in done:
            netfilter.transport.restore(family, policy_text(before[family]))
        raise DrawbridgeError("%s; nothing was changed" % error.message, error.path, error.hint) from None
    now = policies_in(netfilter.rulesets())
    if any(now[family] != policy for family, policy in wanted.items()):
        raise DrawbridgeError("the kernel does not hold the policy of FORWARD that was written", None, "run again")


def command(netfilter: Netfilter, family: int, policy: str) -> str:
    """Return the command line that sets a policy, for a systemd unit."""
    program = find_command(netfilter.system, _PROGRAM[family == IPV4], netfilter.variant, "restore")
    # Distributions that ship one variant have no command with the variant in its name.
    return "%s -w 30 -t %s -P %s %s" % (program[: -len("-restore")], TABLE, CHAIN, policy)
