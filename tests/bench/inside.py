# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""The collection's code on the host's side, without Ansible, against the bare tools with the same content."""

from __future__ import annotations

import shutil
import subprocess
from functools import partial

from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.system.system import System
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.reconcile.packed import pack
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.reconcile.user_chain import Section, section_wanted
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.reconcile.user_set import UserSet
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.rules.canonical import is_plain
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.transaction.converge import Settings, converge
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.transaction.converge_set import converge_set

from . import subjects
from .measure import Finding, compare, milliseconds, timed

RULES = 10_000
ADDRESSES = 100_000
CHANGED = 100
SECTION = Section("bench", 500, False, (4, 6), False, True)


def rules(count: int) -> list[Finding]:
    """10,000 rules by each variant of iptables that is installed."""
    packed = pack(subjects.rules(RULES), "rules")
    text = subjects.restore_text("BENCH", subjects.lines(RULES))
    found = []
    for variant in ("nft", "legacy"):
        if shutil.which(f"iptables-{variant}-restore"):
            rounds = [_rules_round(variant, packed, text) for _round in range(count + 1)][1:]
            found += [compare(f"10,000 rules, {variant}: first apply", rounds, "first", "bare", 2.0, note=milliseconds(rounds)),
                      compare(f"10,000 rules, {variant}: no change", rounds, "again", "bare", 2.0)]
    return found


def _rules_round(variant: str, packed: str, text: str) -> dict[str, float]:
    restore = [f"iptables-{variant}-restore", "--noflush"]
    took = {"bare": timed(lambda: _feed(restore, text))}
    _feed(restore, "*filter\n:BENCH - [0:0]\n-X BENCH\nCOMMIT\n")
    took["first"] = timed(lambda: _converge(variant, packed, True))
    took["again"] = timed(lambda: _converge(variant, packed, False))
    section = SECTION._replace(present=False)
    converge(System(), Settings(variant, 30, False), lambda _netfilter: section_wanted(section, [], "rules"))
    return took


def _converge(variant: str, packed: str, changes: bool) -> None:
    is_plain.cache_clear()  # each task is a process of its own
    wanted = section_wanted(SECTION, packed, "rules")  # ahead of all else, as in docker_user_chain
    outcome = converge(System(), Settings(variant, 30, False), lambda _netfilter: wanted)
    if outcome.plan.is_change != changes:
        raise RuntimeError(f"changed had to be {changes}")


def sets(count: int) -> list[Finding]:
    """A set of 100,000 addresses of which 100 change."""
    addresses = [subjects.address(number) for number in range(ADDRESSES + CHANGED)]
    contents = [frozenset(addresses[:ADDRESSES]), frozenset(addresses[CHANGED:])]
    texts = [_swapped(content) for content in contents]
    _feed(["ipset", "restore"], f"create bare hash:net maxelem {1 << 17}\n")
    _converge_set(contents[0])
    rounds = []
    for index in range(1, count + 2):
        rounds.append({"bare": timed(partial(_feed, ["ipset", "restore"], texts[index % 2])),
                       "changed": timed(partial(_converge_set, contents[index % 2])),
                       "unchanged": timed(partial(_converge_set, contents[index % 2]))})
    rounds = rounds[1:]
    what = "a set of 100,000 addresses"
    return [compare(f"{what}, {CHANGED} replaced", rounds, "changed", "bare", 0.4, note=milliseconds(rounds)),
            compare(f"{what}, no change", rounds, "unchanged", "bare")]


def _swapped(content: frozenset[str]) -> str:
    adds = "\n".join(f"add fresh {address}" for address in sorted(content))
    return f"create fresh hash:net maxelem {1 << 17}\n{adds}\nswap fresh bare\ndestroy fresh\n"


def _converge_set(content: frozenset[str]) -> None:
    converge_set(System(), Settings("auto", 30, False), UserSet("bench", "hash:net", content, "exact", True, "entries"))


def _feed(argv: list[str], text: str) -> None:
    subprocess.run(argv, input=text, text=True, check=True)
