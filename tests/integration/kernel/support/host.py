# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""A host, which is the namespace that the test is in: what a task does to it, and what it then holds."""
from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.system.system import System
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.kernel.netfilter import Netfilter
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.reconcile.apply import apply
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.reconcile.plan import Plan, Planner
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.reconcile.user_chain import Section, section_wanted
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.reconcile.user_set import UserSet
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.rules.desired import DesiredState
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.transaction import converge as converging
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.transaction.converge_set import converge_set

PROGRAMS = {4: "iptables", 6: "ip6tables"}
CAPTURES = Path(__file__).resolve().parents[3] / "unit" / "fixtures" / "captures"


class Host:
    """One variant of iptables in this namespace."""

    def __init__(self, variant: str, system: System | None = None) -> None:
        self.variant = variant
        self.system = System() if system is None else system

    # What tasks do.

    def converge(self, wanted: DesiredState, check: bool = False) -> converging.Outcome:
        """Bring the host to a Wanted."""
        settings = converging.Settings(self.variant, 5, check)
        return converging.converge(self.system, settings, lambda _netfilter: wanted)

    def section(self, rules: object, name: str = "web", check: bool = False, **changes: Any) -> converging.Outcome:
        """What docker_user_chain does."""
        section = Section(name, 500, False, (4, 6), False, True)._replace(**changes)
        return self.converge(section_wanted(section, rules, "rules"), check)

    def address_set(self, name: str, entries: Iterable[str], kind: str = "hash:net", mode: str = "exact", present: bool = True, check: bool = False) -> Plan:
        """What address_set does."""
        wanted = UserSet(name, kind, frozenset(entries), mode, present, "entries")
        return converge_set(self.system, converging.Settings("auto", 5, check), wanted).plan

    def planned(self, wanted: DesiredState) -> tuple[Planner, Plan]:
        """The planner and its plan, for tests that apply it by themselves."""
        planner = Planner(Netfilter(self.system, self.variant), wanted)
        return planner, planner.plan(planner.read())

    def apply(self, planner: Planner, plan: Plan) -> None:
        apply(planner, plan)

    # What others do.

    def sh(self, *argv: str, text: str = "") -> str:
        """Run a command that has to succeed, and give its output."""
        done = subprocess.run(argv, input=text, capture_output=True, text=True, check=False, errors="surrogateescape")
        assert done.returncode == 0, "%s: %s" % (" ".join(argv), done.stderr)
        return done.stdout

    def iptables(self, rule: str, family: int = 4) -> str:
        """One iptables command, its words by white space."""
        return self.sh("%s-%s" % (PROGRAMS[family], self.variant), "--wait", *rule.split())

    def restore(self, text: str, family: int = 4) -> str:
        return self.sh("%s-%s-restore" % (PROGRAMS[family], self.variant), "--noflush", "--wait", text=text)

    def docker(self, engine: str = "20.10.24") -> None:
        """The rules that a real engine had made, IPv4."""
        self.restore((CAPTURES / ("docker-%s.c.iptables-save" % engine)).read_text(encoding="utf-8"))

    # What the host holds.

    def save(self, family: int = 4, counters: bool = False) -> str:
        """iptables-save without its comments; the counters of built-in chains only if asked for."""
        text = self.sh("%s-%s-save" % (PROGRAMS[family], self.variant), *(["-c"] if counters else []))
        text = re.sub(r"^#.*\n", "", text, flags=re.MULTILINE)
        return text if counters else re.sub(r"^(:\S+ \S+) \[\d+:\d+\]", r"\1", text, flags=re.MULTILINE)

    def everything(self) -> tuple[str, str, str]:
        """All that a run could change, for comparing before and after."""
        return self.save(4), self.save(6), self.sh("ipset", "save")

    def rules(self, chain: str, table: str = "filter", family: int = 4) -> list[str] | None:
        """A chain's rules in order, or None where there is no such chain."""
        body = self.save(family).partition("*%s\n" % table)[2].partition("COMMIT\n")[0]
        if not re.search(r"^:%s " % re.escape(chain), body, re.MULTILINE):
            return None
        return re.findall(r"^-A %s (.*)$" % re.escape(chain), body, re.MULTILINE)

    def targets(self, chain: str, table: str = "filter", family: int = 4) -> list[str]:
        """Where each rule of a chain leads."""
        return [rule.rpartition("-j ")[2] for rule in self.rules(chain, table, family) or []]

    def entries(self, name: str) -> set[str] | None:
        """A set's entries, or None where there is no such set."""
        text = self.sh("ipset", "save")
        if not re.search(r"^create %s " % re.escape(name), text, re.MULTILINE):
            return None
        return set(re.findall(r"^add %s (.*)$" % re.escape(name), text, re.MULTILINE))
