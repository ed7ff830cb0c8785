# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""transport: python-iptables beside the default, on legacy iptables, without Ansible."""

from __future__ import annotations

import tempfile
from functools import partial

from ansible_collections.drawbridge.docker.plugins.module_utils.netfilter import python_iptables
from ansible_collections.drawbridge.docker.plugins.module_utils.netfilter.packed import pack
from ansible_collections.drawbridge.docker.plugins.module_utils.netfilter.user_chain import Section, section_wanted

from tests.integration.kernel.support.python_iptables import SOURCES, LegacyHost, NotHere, interpreter

from . import subjects
from .measure import Finding, compare, milliseconds, timed

RULES = (10, 100, 1_000)
STEPS = ("first apply", "one rule more", "no change")
SECTION = Section("bench", 500, False, (4,), False, True)


def transports(count: int) -> list[Finding]:
    """First apply, one rule more, and no change, by the library from each source it can be had from."""
    found = []
    for source in SOURCES:
        try:
            program = interpreter(source)
        except NotHere as error:
            print(f"without python-iptables from {source}: {error}")
            continue
        python_iptables.own_interpreter = partial(python_iptables.Interpreter, program, [])
        for rules in RULES:
            found += _beside(source, rules, count)
    return found


def _beside(source: str, rules: int, count: int) -> list[Finding]:
    with tempfile.TemporaryDirectory() as folder:
        hosts = {"default": LegacyHost(folder, "legacy"), "library": LegacyHost(folder, "python-iptables")}
        rounds = [_round(hosts, rules) for _round_number in range(count + 1)][1:]
    found = []
    for step in STEPS:
        sides = [{side: times[step] for side, times in item.items()} for item in rounds]
        what = f"{rules:,} rules, {source}'s python-iptables: {step}"
        found.append(compare(what, sides, "library", "default", note=milliseconds(sides)))
    return found


def _round(hosts: dict[str, LegacyHost], rules: int) -> dict[str, dict[str, float]]:
    """Seconds by side and step."""
    most = subjects.rules(rules + 1)
    contents = dict(zip(STEPS, (pack(most[:-1], "rules"), pack(most, "rules"), pack(most, "rules")), strict=True))
    took: dict[str, dict[str, float]] = {}
    for side, host in hosts.items():
        wanted = {step: section_wanted(SECTION, packed, "rules") for step, packed in contents.items()}
        took[side] = {step: timed(partial(host.converge, what)) for step, what in wanted.items()}
        host.converge(section_wanted(SECTION._replace(present=False), [], "rules"))
    return took
