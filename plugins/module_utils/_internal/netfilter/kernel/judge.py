# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The host's own iptables checks rules and gives their spelling.

Rules are loaded into a throwaway network namespace, beside empty ipsets of the same names and types, and read back. This gives the
exact spelling and the kernel's full validation, and touches no live rule.
"""

from __future__ import annotations

import os
import tempfile
from typing import Callable, Dict, Iterable, List, NamedTuple, Optional, Tuple

from ...errors import DrawbridgeError
from ...host.system.netns import in_new_netns
from ...host.system.system import System
from ..rules import saved_ruleset
from .iptables import LEGACY, RestoreFailed, Transport

ChainKey = Tuple[str, str]


class Bench(NamedTuple):
    """The content that the throwaway namespace needs before rules can load.

    chains: every chain that rules may jump to, as (table, name). sets: ``ipset restore`` lines that create the sets that rules may name.
    """

    chains: List[ChainKey]
    sets: List[str]


class Judge:
    """Gives the canonical spelling of rules, for one iptables variant of the host."""

    def __init__(self, system: System, variant: str) -> None:
        self.system = system
        self.variant = variant

    def canonical(
        self, family: int, chains: Dict[ChainKey, List[str]], bench: Bench
    ) -> Dict[ChainKey, List[str]]:
        """Return the chains as iptables-save prints them. One rule may become several.

        Raises RuleRefused with the place of the first rule that the kernel refuses, and NamespaceUnavailable if no namespace can be created.
        """
        return self._inside(bench, lambda transport: _load(transport, family, chains, bench))

    def _inside(self, bench: Bench, work: Callable[[Transport], Dict[ChainKey, List[str]]]) -> Dict[ChainKey, List[str]]:
        lockfile: Optional[str] = None
        env: Dict[str, str] = {}
        if self.variant == LEGACY:
            # Without a lock file of its own, iptables would take the host's lock even in the namespace.
            handle, lockfile = tempfile.mkstemp(prefix="drawbridge-")
            os.close(handle)
            env["XTABLES_LOCKFILE"] = lockfile
        transport = Transport(self.system, self.variant, env)

        def body() -> Dict[ChainKey, List[str]]:
            if bench.sets:
                output = self.system.run([self.system.require("ipset", "ipset"), "restore"], "\n".join(bench.sets) + "\n")
                if output.rc != 0:
                    raise DrawbridgeError("ipset restore failed: %s" % output.stderr.strip())
            return work(transport)

        try:
            return in_new_netns(body)
        finally:
            if lockfile is not None:
                os.unlink(lockfile)


class RuleRefused(DrawbridgeError):
    """The kernel or iptables refuses a rule. chain, index: the rule's place, counted from 0."""

    def __init__(self, chain: ChainKey, index: int, words: str) -> None:
        super().__init__("iptables refuses the rule: %s" % words)
        self.chain = chain
        self.index = index


def _load(transport: Transport, family: int, chains: Dict[ChainKey, List[str]], bench: Bench) -> Dict[ChainKey, List[str]]:
    try:
        transport.restore(family, restore_text(chains, bench.chains))
    except RestoreFailed as error:
        raise _refused(transport, family, chains, bench, error) from None
    ruleset = transport.read(family)
    return {key: ruleset.rules(*key) for key in chains}


def restore_text(chains: Dict[ChainKey, List[str]], declared: Iterable[ChainKey]) -> str:
    """Return iptables-restore input for these chains. declared: other chains to declare, so that rules can jump to them."""
    text: List[str] = []
    tables = sorted({table for table, _name in list(chains) + list(declared)})
    for table in tables:
        text.append("*" + table)
        names = [name for of, name in list(declared) + list(chains) if of == table]
        text.extend(":%s - [0:0]" % name for name in dict.fromkeys(names) if not _is_builtin(name))
        text.extend(saved_ruleset.render({name: rules for (of, name), rules in chains.items() if of == table}))
        text.append("COMMIT\n")
    return "\n".join(text)


def _is_builtin(name: str) -> bool:
    return name in ("PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING")


def _refused(
    transport: Transport, family: int, chains: Dict[ChainKey, List[str]], bench: Bench, error: RestoreFailed
) -> DrawbridgeError:
    """Find the first bad rule by bisection. iptables' own line numbers are off by one for some errors, and missing for others."""
    rules = [(key, index, text) for key, texts in chains.items() for index, text in enumerate(texts)]

    def loads(count: int) -> bool:
        subset: Dict[ChainKey, List[str]] = {key: [] for key in chains}
        for key, _index, text in rules[:count]:
            subset[key].append(text)
        try:
            transport.restore(family, restore_text(subset, bench.chains))
        except RestoreFailed as failure:
            words.append(failure.message)
            return False
        return True

    words = [error.message]
    good, bad = 0, len(rules)
    if not loads(good):
        return error
    while bad - good > 1:
        middle = (good + bad) // 2
        if loads(middle):
            good = middle
        else:
            bad = middle
    key, index, text = rules[bad - 1]
    loads(bad)
    return RuleRefused(key, index, "%s: %s" % (text, words[-1]))
