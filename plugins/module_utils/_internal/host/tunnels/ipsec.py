# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""IPsec between two addresses. It has no interface of its own: the kernel's policies say which packets must be encrypted."""

from __future__ import annotations

import re
from typing import List, Optional

from ...address import contains, parse_network
from ..system.system import System
from .tunnel import OuterPacket, Tunnel

# This file exists if the kernel supports IPsec.
_KNOWN = "/proc/sys/net/core/xfrm_acq_expires"
_SELECTOR = re.compile(r"src (\S+) dst (\S+)")
_PRIORITY = re.compile(r"\bpriority (\d+)")
_TEMPLATE = re.compile(r"\btmpl src (\S+) dst (\S+)\s+proto (esp|ah)\b")
_IN_UDP = re.compile(r"\bencap type espinudp\S* sport (\d+) dport (\d+)")
_ANY = ("0.0.0.0", "::")


def ipsec_of(system: System, remote: str, local: str) -> Optional[Tunnel]:
    """Return the tunnel as ``ip xfrm`` shows it, None if the kernel accepts unencrypted packets between these addresses."""
    if system.read(_KNOWN) is None:
        return None
    policies = [block for block in _blocks(system, ["policy", "list", "dir", "in"]) if _is_about(block, remote, local)]
    # The policy with the lowest priority number applies. If it has a template, its packets come encrypted.
    found = None if not policies else _TEMPLATE.search(min(policies, key=_priority))
    if found is None:
        return None
    sender = remote if found.group(1) in _ANY else found.group(1)
    receiver = local if found.group(2) in _ANY else found.group(2)
    for block in _blocks(system, ["state", "list"]):
        in_udp = _IN_UDP.search(block)
        if in_udp is not None and block.startswith("src %s dst %s" % (sender, receiver)):
            return Tunnel("of IPsec", "ipsec", [OuterPacket("udp", sender, receiver, int(in_udp.group(2)))])
    return Tunnel("of IPsec", "ipsec", [OuterPacket(found.group(3), sender, receiver)])


def _blocks(system: System, words: List[str]) -> List[str]:
    program = system.which("ip")
    output = None if program is None else system.run([program, "xfrm", *words])
    return [] if output is None or output.rc != 0 else re.split(r"\n(?=src )", output.stdout)


def _is_about(block: str, remote: str, local: str) -> bool:
    found = _SELECTOR.match(block)
    if found is None:
        return False
    return all(contains(parse_network(text), parse_network(address)) for text, address in zip(found.groups(), (remote, local)))


def _priority(block: str) -> int:
    found = _PRIORITY.search(block)
    return int(found.group(1)) if found is not None else 0
