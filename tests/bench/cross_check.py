# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""What the second reader costs a change of legacy rules, without Ansible."""

from __future__ import annotations

from functools import partial

from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.system.system import System
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.kernel import cross_check
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.kernel.cross_check import Interpreter
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.kernel.netfilter import Netfilter
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.reconcile.packed import pack
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.reconcile.user_chain import section_wanted
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.rules.canonical import is_plain
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.rules.desired import DesiredState
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.transaction.converge import Settings, converge

from tests.integration.kernel.support.python_iptables import SOURCES, NotHere, interpreter

from . import subjects
from .inside import SECTION
from .measure import Finding, compare, milliseconds, timed

RULES = (100, 10_000)
CHOICES = {"without": cross_check.NEVER, "with": cross_check.ALWAYS}


def findings(count: int) -> list[Finding]:
    """First apply and one rule more, by the library from each source it can be had from."""
    found = []
    for source in SOURCES:
        try:
            library = interpreter(source)
        except NotHere as error:
            print(f"without python-iptables from {source}: {error}")
            continue
        cross_check.own_interpreter = partial(_itself, library)
        for rules in RULES:
            rounds = [_round(rules) for _round_number in range(count + 1)][1:]
            for step in ("first apply", "one rule more"):
                sides = [{side: times[step] for side, times in item.items()} for item in rounds]
                what = f"{rules:,} rules, {source}'s python-iptables: {step}"
                found.append(compare(what, sides, "with", "without", note=milliseconds(sides)))
    return found


def _round(rules: int) -> dict[str, dict[str, float]]:
    """Seconds by side and step."""
    most = subjects.rules(rules + 1)
    steps = {"first apply": pack(most[:-1], "rules"), "one rule more": pack(most, "rules")}
    took: dict[str, dict[str, float]] = {}
    for side, choice in CHOICES.items():
        took[side] = {step: timed(partial(_change, packed, choice)) for step, packed in steps.items()}
        gone = section_wanted(SECTION._replace(present=False), [], "rules")
        converge(System(), Settings("legacy", 30, False), partial(_whatever, gone))
    return took


def _itself(library: Interpreter) -> Interpreter:
    return library


def _whatever(wanted: DesiredState, _netfilter: Netfilter) -> DesiredState:
    return wanted


def _change(packed: str, choice: str) -> None:
    is_plain.cache_clear()  # each task is a process of its own
    wanted = section_wanted(SECTION, packed, "rules")
    converge(System(), Settings("legacy", 30, False, cross_check=choice), partial(_whatever, wanted))
