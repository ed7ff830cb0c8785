# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The host as it will be with a policy: a snapshot with the plan's rules and sets, the policy's settings, and our own tables. Pure."""

from __future__ import annotations

import json
from typing import Dict, List, Optional, Sequence

from ...host.system.json_values import JsonObject, mapping, text
from ...netfilter.reconcile.plan import Plan
from ...netfilter.rules.desired import INET, DesiredState
from ...netfilter.rules.ownership import ENGINE_TABLE, OUR_TABLES
from ...netfilter.verdict.snapshot.planned import planned
from ...netfilter.verdict.snapshot.texts import Snapshot, save_name
from ...netfilter.verdict.walk.path import Step
from ..blocks import engine_table
from ..language.model import Policy
from ..language.settings import NUMBERS

_FORWARDING = {"ipv4": ("net.ipv4.ip_forward", "net.ipv4.conf.%s.forwarding"), "ipv6": ("net.ipv6.conf.all.forwarding", "net.ipv6.conf.%s.forwarding")}


def with_policy(snapshot: Snapshot, plan: Plan, policy: Policy, variant: str) -> Snapshot:
    """Return the snapshot as it will be. variant: of iptables, the one that the plan is for."""
    texts: Dict[str, str] = dict(planned(snapshot, plan, variant).texts)
    if snapshot.text("nftables") is not None:
        # Tables that could not be read stay unknown.
        texts["nftables"] = json.dumps({"nftables": [*_of_others(snapshot), *_engine_table(snapshot, plan)]})
    texts["settings"] = texts.get("settings", "") + "".join(line + "\n" for line in _settings(policy, snapshot))
    if policy.forward_policy is not None:
        for name, value in policy.forward_policy.values.items():
            place = save_name(variant, NUMBERS[name[0]])
            texts[place] = _with_forward_policy(texts.get(place, ""), str(value).upper())
    return Snapshot(texts)


def _of_others(snapshot: Snapshot) -> List[JsonObject]:
    """Return nftables' objects without those of our tables.

    Ours either masquerade, or stop only what does not come by the rules (forged sources, what is closed for a time), or are modelled by themselves.
    """
    return [item for item in snapshot.objects("nftables") if not _table_of(item).startswith(OUR_TABLES)]


def _table_of(item: JsonObject) -> str:
    inner = next((mapping(value) for value in item.values()), {})
    return text(inner.get("table")) or text(inner.get("name"))


def _engine_table(snapshot: Snapshot, plan: Plan) -> List[JsonObject]:
    """Return the table that closes the engine's sockets, if the host will have it."""
    change = next((change for change in plan.tables if change.key == (INET, ENGINE_TABLE)), None)
    is_there = any(_table_of(item) == ENGINE_TABLE for item in snapshot.objects("nftables"))
    return engine_table.as_json() if (is_there if change is None else change.after is not None) else []


def _settings(policy: Policy, snapshot: Snapshot) -> List[str]:
    """Return what a policy says about forwarding, as sysctl prints it. The last line about a setting is the one that counts."""
    if policy.forwarding is None:
        return []
    known = snapshot.settings()
    lines = []
    for key, value in policy.forwarding.values.items():
        if len(key) == 1 and key[0] in _FORWARDING:
            host, per_interface = _FORWARDING[key[0]]
            # The kernel sets every interface when it sets the host.
            names = [name for name in known if name.startswith("net/%s/conf/" % key[0]) and name.endswith("/forwarding")]
            lines += ["%s = %d" % (host, bool(value)), *("%s = %d" % (name.translate(_SWAPPED), bool(value)) for name in names)]
    for key, value in policy.forwarding.values.items():
        if len(key) == 3:
            lines.append("%s = %d" % (_FORWARDING[key[2]][1] % key[1].replace(".", "/"), bool(value)))
    return lines


_SWAPPED = str.maketrans("./", "/.")


def _with_forward_policy(saved: str, policy: str) -> str:
    lines = saved.splitlines(True)
    table = ""
    for place, line in enumerate(lines):
        table = line.strip() if line.startswith("*") else table
        if table == "*filter" and line.startswith(":FORWARD "):
            lines[place] = ":FORWARD %s [0:0]\n" % policy
            return "".join(lines)
    return saved + "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD %s [0:0]\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n" % policy


def entry_of(plan: Plan, wanted: DesiredState, family: int, step: Step) -> Optional[str]:
    """Return the place in the user's data of a rule of ours; None if it is nobody's entry, or nobody knows."""
    part = plan.families.get(family)
    state = part.new.get(step.table) if part is not None else None
    rules: Sequence[str] = state.chains.get(step.chain, ()) if state is not None else ()
    for chain in wanted.chains:
        if (chain.table, chain.name) == (step.table, step.chain) and family in chain.families and step.rule is not None:
            lines = [line for line in chain.lines if family in line.families]
            # Lines about ipsets of the other family are left out of the plan.
            return lines[step.rule - 1].path if len(lines) == len(rules) >= step.rule else None
    return None
