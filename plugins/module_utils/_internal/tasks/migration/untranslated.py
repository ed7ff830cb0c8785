# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What of other firewalls' rules no policy says: each line, and why. Who gets in by it is compared all the same. Pure."""

from __future__ import annotations

import json
from typing import Dict, Iterator, List, Optional

from ...host.system.json_values import mapping
from ...netfilter.rules.matches import AddressMatch, Effect, InterfaceMatch, Module, PortMatch, TcpFlagsMatch, Translation, Unknown, Verdict
from ...netfilter.rules.saved_rule import parse
from ...netfilter.verdict.snapshot.nft_tables import pairs
from .compare import plain
from .others import Line, Others

_LOGS = "it logs; a policy logs what it denies: log_denied"
_LIMITS = "it limits how often; a policy has no rates: what depends on it is closed"
_REFUSES = "it refuses with an answer; a policy drops without one"
_SENDS = "it is about what the host itself sends; a policy does not limit that"
_CHANGES = "it changes packets; a policy does not"
_TRANSLATES = "it translates addresses; the policy's open_ports and masquerade do that, and have to be written by hand"
_BY_INTERFACE = "it asks for an interface; a policy asks for sources, and drops those that come by an interface that cannot be theirs"
_BY_SENDERS_PORT = "it asks for the sender's port; packets are compared from one port only"
_RATES = ("limit", "hashlimit", "recent", "connlimit", "quota", "statistic", "time", "connbytes")
_EFFECTS = {"LOG": _LOGS, "NFLOG": _LOGS, "ULOG": _LOGS, "AUDIT": _LOGS}
_STATEMENTS = {
    "log": _LOGS, "limit": _LIMITS, "quota": _LIMITS, "ct count": _LIMITS, "meter": _LIMITS, "reject": _REFUSES, "mangle": _CHANGES, "dnat": _TRANSLATES,
    "snat": _TRANSLATES, "masquerade": _TRANSLATES, "redirect": _TRANSLATES, "queue": "it asks a program", "xt": "nft does not tell what it does",
}  # fmt: skip


def untranslated(others: Others, bridges: List[str]) -> List[Dict[str, str]]:
    """Return the lines, each with its place, its text and the reasons. bridges: of the engine's networks."""
    found = []
    for line in others.lines:
        reasons = list(dict.fromkeys(_of_nftables(line) if line.ruleset == "nftables" else _of_iptables(line, bridges)))
        if reasons:
            found.append({"place": plain(line.place), "rule": plain(line.rule), "reason": "; ".join(reasons)})
    for place in others.policies:
        if " OUTPUT:" in place:
            found.append({"place": plain(place), "rule": "", "reason": _SENDS})
    return found


def _of_iptables(line: Line, bridges: List[str]) -> Iterator[str]:
    rule = parse(line.rule)
    stops = isinstance(rule.target, Verdict) and rule.target.name in ("DROP", "REJECT")
    if line.chain == "OUTPUT" or line.chain.endswith("-output"):
        if stops:
            yield _SENDS
        return
    if isinstance(rule.target, Effect) and rule.target.name in _EFFECTS:
        yield _EFFECTS[rule.target.name]
        return
    for match in rule.matches:
        if isinstance(match, Unknown):
            yield "it asks for what packets are not compared by"
        elif isinstance(match, Module) and match.name in _RATES:
            yield _LIMITS
        elif isinstance(match, PortMatch) and match.option in ("--sport", "--sports"):
            yield _BY_SENDERS_PORT
        elif isinstance(match, InterfaceMatch) and match.option in ("-i", "-o") and match.name not in ("lo", *bridges):
            yield _BY_INTERFACE
        elif isinstance(match, AddressMatch) and match.option == "-d" and match.network.startswith(("224.", "239.", "ff0")):
            yield "it is about multicast, which a policy has no entry for"
        elif isinstance(match, TcpFlagsMatch):
            yield "it asks for flags of TCP; packets are compared that begin a connection"
    reason = _of_target(rule.target)
    if reason:
        yield reason


def _of_target(target: object) -> Optional[str]:
    if isinstance(target, Verdict):
        return _REFUSES if target.name == "REJECT" else None
    if isinstance(target, Effect):
        return _EFFECTS.get(target.name, _CHANGES)
    if isinstance(target, Translation):
        return _TRANSLATES
    return "it has a target that is not modelled" if isinstance(target, Unknown) else None


def _of_nftables(line: Line) -> Iterator[str]:
    statements = json.loads(line.rule)
    if "output" in line.chain.lower():
        if any("drop" in mapping(statement) or "reject" in mapping(statement) for statement in statements):
            yield _SENDS
        return
    for statement in statements if isinstance(statements, list) else []:
        for key in mapping(statement):
            if key in _STATEMENTS:
                yield _STATEMENTS[key]
    for key, value in pairs(statements):
        if key == "payload" and mapping(value).get("field") == "sport":
            yield _BY_SENDERS_PORT
        elif key == "meta" and mapping(value).get("key") in ("iif", "iifname", "oif", "oifname"):
            yield _BY_INTERFACE
