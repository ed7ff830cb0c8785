# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Check whether a host supports the table that closes it while its rules are gone. Ask its nft, iptables and kernel; change nothing."""

from __future__ import annotations

from typing import Optional, Sequence

from ...errors import DrawbridgeError
from ...host.system.system import System
from ...netfilter.kernel.iptables import words_of
from ...netfilter.kernel.judge import Bench, Judge
from ...policy.compile.labels import is_answer

# The features that the table needs. This table drops nothing.
_PROBE = """table inet drawbridge-probe {
flags owner;
chain probe { type nat hook postrouting priority 90; iif 0 ct label 127 return; }
}
"""
_CHAIN = ("mangle", "DB-GUARD")
_LINE = "-m conntrack --ctstate NEW -m connlabel --label 127 --set"


def reason_against(system: System, variant: str, families: Sequence[int]) -> Optional[str]:
    """Return the reason why the host cannot have the table; None if it can."""
    nft = system.which("nft")
    if nft is None:
        return "nft is not installed"
    checked = system.run([nft, "-c", "-f", "-"], _PROBE)
    if checked.rc != 0:
        return "nftables has no tables with an owner here (kernel 5.12 or newer): %s" % words_of(checked)
    if system.run([nft, "-i"], "\n").rc != 0:
        return "this nft has no interactive mode, which would hold the table"
    for family in families:
        try:
            spelt = Judge(system, variant).canonical(family, {_CHAIN: [_LINE]}, Bench([], []))[_CHAIN]
        except DrawbridgeError as error:
            return "iptables has no match connlabel here: %s" % error.message
        if len(spelt) != 1 or not is_answer(spelt[0]):
            return "the connection's label 127 has a name in /etc/xtables/connlabel.conf"
    return None
