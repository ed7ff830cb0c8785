# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Rulesets for the tests: real dumps of engines, and lines put into them as the tests need."""
from __future__ import annotations

import re
from pathlib import Path

from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.rules.saved_ruleset import Ruleset, SavedChain, parse
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.chains.source_check import source_check

CAPTURES = Path(__file__).resolve().parents[1] / "fixtures" / "captures"


def captured(version: str) -> dict[int, Ruleset]:
    """{4: Ruleset, 6: Ruleset} of a real engine with one network of its own and three published ports."""
    text = (CAPTURES / ("docker-%s.c.iptables-save" % version)).read_text(encoding="utf-8")
    _title, four, six = text.replace("# ip6tables-save\n", "\0").replace("# iptables-save\n", "\0").split("\0")
    return {4: parse(four), 6: parse(six)}


def chains(**content: list[str]) -> Ruleset:
    """Ruleset of ``table__CHAIN=[rules]``; ``_`` in the chain's name stands for ``-``."""
    ruleset = Ruleset()
    for name, rules in content.items():
        table, _two, chain = name.partition("__")
        put(ruleset, table, chain.replace("_", "-"), rules)
    return ruleset


def put(ruleset: Ruleset, table: str, chain: str, rules: list[str]) -> None:
    """Make a chain, or give one other rules."""
    builtin = chain in ("PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING")
    saved = SavedChain("ACCEPT" if builtin else "-", list(rules), [""] * len(rules))
    ruleset.tables.setdefault(table, {})[chain] = saved


GUARD = [
    "-i lo -j RETURN",
    "-m conntrack --ctdir REPLY -j RETURN",
    "-m addrtype --dst-type LOCAL,BROADCAST,ANYCAST,MULTICAST -g DB-GUARD-LOCAL",
    "-m set --match-set DBP-bridges-4a src,src -j RETURN",
    "-m set --match-set DBP-container-nets-4a dst -j DROP",
]
GUARD_LOCAL = [
    "-p tcp -m set --match-set DBP-pub-tcp-4a dst -g DB-GUARD-PORTS",
    "-p udp -m set --match-set DBP-pub-udp-4a dst -g DB-GUARD-PORTS",
    "-p sctp -m set --match-set DBP-pub-sctp-4a dst,dst -g DB-GUARD-PORTS",
    "-m set --match-set DBP-pub-addr-4a dst,dst -g DB-GUARD-PORTS",
]


def add_guard(ruleset: Ruleset) -> None:
    """The chains and the hook that host_policy makes, as far as they are read here."""
    put(ruleset, "mangle", "PREROUTING", ["-j DB-GUARD", "-m conntrack ! --ctstate RELATED,ESTABLISHED -j DB-SOURCE"])
    put(ruleset, "mangle", "DB-SOURCE", [re.sub(r"@(\S+)", r"DBP-\1-4a", line.text) for line in source_check("DB-SOURCE", False).lines])
    put(ruleset, "mangle", "DB-GUARD", GUARD)
    put(ruleset, "mangle", "DB-GUARD-LOCAL", GUARD_LOCAL)
    put(ruleset, "mangle", "DB-GUARD-PORTS", ["-m set --match-set DBP-bridges-4a src,src -j RETURN", "-j DROP"])
