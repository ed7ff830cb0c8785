# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The probe of nftables: a table that has packets of one flow traced. Where kernel and nft know owners, it goes with the process that holds it."""

from __future__ import annotations

import re
import subprocess
import time
from typing import Dict, List, NamedTuple, Optional, Tuple

from ...errors import DrawbridgeError
from ...host.system.netns import NamespaceUnavailable, in_new_netns
from ...host.system.system import System
from .flow import Flow
from .leftovers import Label, find_label, is_left_over

# Behind defragmentation and ahead of everything else; behind connection tracking; behind everything but its end.
_FIRST, _TRACKED, _LAST = -399, -199, 2147483646
_SECONDS = 5.0
_TABLE = re.compile(r"table (\S+) (\S+) \{.*")
_CHAIN = re.compile(r"\tchain (\S+) \{.*")
_RULE = re.compile(r"\t\t(.*) # handle ([0-9]+)")
BEGIN_IN, BEGIN_OUT, END_IN, END_OUT = "begin-in", "begin-out", "end-in", "end-out"


class NftRule(NamedTuple):
    """number: its place in the chain, from 1."""

    number: int
    text: str


# Rules by the table's family and name, the chain, and the handle.
Rules = Dict[Tuple[str, str, str], Dict[int, NftRule]]


class NftProbe:
    """put() sets the probe, take() removes it. rate: packets a second that are traced at most."""

    def __init__(self, system: System, label: Label, flow: Flow, rate: int) -> None:
        self._nft = system.require("nft", "nftables")
        self._system = system
        self._flow, self._rate = flow, rate
        self.table = str(label)
        self._holder: Optional[subprocess.Popen[bytes]] = None

    def put(self, has_owner: bool) -> Rules:
        """Set the probe, and return all rules of nftables as they are then. Raises DrawbridgeError."""
        lines = self._lines("flags owner; " if has_owner else "")
        words = ""
        if has_owner:
            environment = {"LC_ALL": "C", "PATH": self._system.path}
            # The table is there as long as this process, which ends with its input.
            self._holder = subprocess.Popen(  # pylint: disable=ansible-bad-function,consider-using-with
                [self._nft, "-i"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment
            )
            if self._holder.stdin is not None:
                self._holder.stdin.write("".join(line + "\n" for line in lines).encode())
                self._holder.stdin.flush()
        else:
            words = self._system.run([self._nft, "-f", "-"], "".join(line + "\n" for line in lines)).stderr
        until = time.monotonic() + _SECONDS
        while True:
            rules = nft_rules(self._system, self._nft)
            if len([1 for key in rules if key[1] == self.table and rules[key]]) == len([1 for line in lines if line.startswith("add rule")]):
                return rules
            if time.monotonic() > until or words:
                self.take()
                raise DrawbridgeError("nft does not trace packets: %s" % (" ".join(words.split())[:300] or "the table was not made"))
            time.sleep(0.02)

    def take(self) -> None:
        """Remove the probe."""
        holder, self._holder = self._holder, None
        if holder is not None:
            holder.kill()
            holder.communicate()
        until = time.monotonic() + _SECONDS
        # A process that was killed takes a moment to let go of its table.
        while time.monotonic() < until:
            self._system.run([self._nft, "delete", "table", "inet", self.table])
            if self._system.run([self._nft, "list", "table", "inet", self.table]).rc != 0:
                return
            time.sleep(0.02)
        raise DrawbridgeError("the table inet %s could not be removed" % self.table, None, "the next trace removes it")

    def _lines(self, flags: str) -> List[str]:
        hooks = {
            "state-in": ("prerouting", _TRACKED), "state-out": ("output", _TRACKED), END_IN: ("input", _LAST), END_OUT: ("postrouting", _LAST),
            BEGIN_IN: ("prerouting", _FIRST), BEGIN_OUT: ("output", _FIRST),
        }  # fmt: skip
        chains = ["add chain inet %s %s { type filter hook %s priority %d; policy accept; }" % (self.table, name, *place) for name, place in hooks.items()]
        others = "established, related" if self._flow.state == "new" else "new"
        rules = [(chain, "ct state { %s, invalid } meta nftrace set 0" % others) for chain in ("state-in", "state-out")]
        # Only a rule has the kernel show the packet, and where it goes.
        rules += [(END_IN, "counter"), (END_OUT, "counter")]
        mark = "%s limit rate %d/second burst %d packets meta nftrace set 1" % (self._flow.nft(), self._rate, self._rate)
        rules += [] if self._flow.is_local else [(BEGIN_IN, mark)]
        rules += [] if self._flow.interface else [(BEGIN_OUT, mark)]
        return ["add table inet %s { %s}" % (self.table, flags), *chains, *("add rule inet %s %s %s" % (self.table, *rule) for rule in rules)]


def has_owners(system: System) -> bool:
    """Tell whether kernel and nft know tables that belong to a process. Leaves nothing: the process that would own it ends at once."""
    nft = system.require("nft", "nftables")
    text = "add table inet drawbridge-owner { flags owner; }\nlist tables\n"
    try:
        return "table inet drawbridge-owner" in in_new_netns(lambda: system.run([nft, "-i"], text)).stdout.splitlines()
    except NamespaceUnavailable:
        return False


def remove_left_over(system: System) -> None:
    """Remove probes of nftables that nobody takes away any more."""
    nft = system.which("nft")
    if nft is None:
        return
    for line in system.run([nft, "list", "tables"]).stdout.splitlines():
        words = line.split()
        label = find_label(line)
        if label is not None and words[2:] == [str(label)] and is_left_over(system, label):
            system.run([nft, "delete", "table", words[1], words[2]])


def nft_rules(system: System, nft: str) -> Rules:
    """Return all rules of nftables with their places."""
    found: Rules = {}
    table, rules = ("", ""), {}
    for line in system.run([nft, "-a", "list", "ruleset"]).stdout.splitlines():
        opened, chain, rule = _TABLE.fullmatch(line), _CHAIN.fullmatch(line), _RULE.fullmatch(line)
        if opened:
            table = opened.group(1), opened.group(2)
        elif chain:
            rules = found.setdefault((*table, chain.group(1)), {})
        elif rule:
            rules[int(rule.group(2))] = NftRule(len(rules) + 1, rule.group(1))
    return found
