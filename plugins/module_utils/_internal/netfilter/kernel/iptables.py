# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""iptables on this host: detect its variant (nft or legacy), and run its save and restore commands."""

from __future__ import annotations

import os
import re
from typing import Dict, List, Mapping, Optional, Sequence

from ...address import FAMILIES, IPV4, IPV6
from ...errors import DrawbridgeError
from ...host.system.lock import lock_holders
from ...host.system.system import Output, System
from ..rules import saved_ruleset
from ..rules.ownership import is_ours
from ..rules.saved_ruleset import Ruleset

NFT = "nft"
LEGACY = "legacy"
VARIANTS = (NFT, LEGACY)

_PROGRAM = {IPV4: "iptables", IPV6: "ip6tables"}
# Seconds to wait for the xtables lock. Only legacy has this lock.
XTABLES_WAIT = 30
_PACKAGE = "iptables"
_BUSY = re.compile(r"xtables lock|Resource temporarily unavailable|RULESET_GENID|Device or resource busy")
# iptables-nft-save prints this comment for a table that it leaves out.
_HIDDEN_TABLE = re.compile(r"^# Table [`'](filter|nat|mangle|raw)' is incompatible", re.MULTILINE)


class RestoreFailed(DrawbridgeError):
    """iptables-restore refused its input; nothing of the failing table was applied."""


class Transport:
    """Reads and writes one variant's rules with the host's iptables-save and iptables-restore. Serves both families."""

    def __init__(self, system: System, variant: str, env: Optional[Dict[str, str]] = None) -> None:
        self.system = system
        self.variant = variant
        self.env = env or {}
        self._commands: Dict[str, str] = {}

    def text(self, family: int) -> str:
        """Return iptables-save's output."""
        return self._saved(family, [])

    def read(self, family: int) -> Ruleset:
        """Return all tables of a family, with counters."""
        return saved_ruleset.parse(self._saved(family, ["-c"]))

    def read_expecting(self, family: int, expected: Mapping[str, Mapping[str, Sequence[str]]]) -> Ruleset:
        """Return the same without counters. This is faster if the rules are as expected. expected: rules by table and chain."""
        return saved_ruleset.parse_expecting(self._saved(family, []), expected)

    def _saved(self, family: int, options: List[str]) -> str:
        output = self.system.run([self._command(family, "save"), *options], env=self.env)
        if output.rc != 0:
            raise DrawbridgeError("%s failed: %s" % (self._command(family, "save"), words_of(output)))
        hidden = _HIDDEN_TABLE.search(output.stdout) if "is incompatible" in output.stdout else None
        if hidden:
            raise DrawbridgeError(
                "somebody wrote rules with nft into iptables' own table %s, which iptables cannot read any more" % hidden.group(1),
                None,
                "keep such rules in a table of their own (nft list table ip%s %s)" % ("" if family == IPV4 else "6", hidden.group(1)),
            )
        return output.stdout

    def restore(self, family: int, text: str) -> None:
        """Load ``text`` and keep the existing rules. Each table in the text is committed as a whole.

        Raises RestoreFailed with iptables' own message.
        """
        argv = [self._command(family, "restore"), "--noflush", "--counters", "--wait", str(XTABLES_WAIT)]
        output = self.system.run(argv, text, self.env)
        if output.rc == 0:
            return
        hint = None
        if _BUSY.search(output.stderr):
            path = lock_file(self.env)
            hint = "somebody else is changing the rules; holders of %s: %s" % (path, lock_holders(self.system, path))
        raise RestoreFailed(words_of(output), None, hint)

    def test(self, family: int, text: str) -> None:
        """Let iptables parse ``text`` without applying it. This finds fewer errors than a throwaway namespace."""
        output = self.system.run([self._command(family, "restore"), "--noflush", "--test"], text, self.env)
        if output.rc != 0:
            raise RestoreFailed(words_of(output))

    def _command(self, family: int, verb: str) -> str:
        program = _PROGRAM[family]
        name = "%s-%s" % (program, verb)
        if name not in self._commands:
            self._commands[name] = find_command(self.system, program, self.variant, verb)
        return self._commands[name]


def find_command(system: System, program: str, variant: str, verb: str) -> str:
    """Return the path of ``iptables-nft-save``, or of plain ``iptables-save`` on distributions that ship only one variant."""
    found = system.which("%s-%s-%s" % (program, variant, verb))
    if found is None and path_variant(system) == variant:
        found = system.which("%s-%s" % (program, verb))
    if found is None:
        raise DrawbridgeError(
            "%s-%s-%s is not installed" % (program, variant, verb), None, "install the package %s" % _PACKAGE
        )
    return found


def path_variant(system: System) -> Optional[str]:
    """Return the variant of plain ``iptables``, the command that dockerd runs. None if iptables is not installed."""
    found = system.which("iptables")
    if found is None:
        return None
    program = os.path.basename(os.path.realpath(found))
    for variant in VARIANTS:
        if variant in program:
            return variant
    return NFT if "nf_tables" in system.run([found, "--version"]).stdout else LEGACY


def held_rulesets(system: System) -> Dict[str, Dict[int, Ruleset]]:
    """Return the rules by variant and family, for each variant that has rules. Reading creates no tables."""
    found: Dict[str, Dict[int, Ruleset]] = {}
    for variant in VARIANTS:
        if holds_rules(system, variant):
            transport = Transport(system, variant)
            families = [family for family in FAMILIES if family == IPV4 or system.read("/proc/net/if_inet6") is not None]
            found[variant] = {family: transport.read(family) for family in families}
    return found


class Detected:
    """The variant to use, and a warning if the other variant has rules too."""

    def __init__(self, variant: str, warning: Optional[str] = None) -> None:
        self.variant = variant
        self.warning = warning


def detect(system: System, choice: str) -> Detected:
    """Choose the variant. ``choice``: nft, legacy or auto. auto takes the variant with Docker's chains; if none or both have these, the one
    with our chains; else the variant of plain iptables.

    Raises DrawbridgeError if both variants have rules, and neither Docker's chains nor ours decide.
    """
    if choice != "auto":
        return Detected(choice)
    default = path_variant(system)
    if default is None:
        raise DrawbridgeError("iptables is not installed", None, "install the package %s" % _PACKAGE)
    other = LEGACY if default == NFT else NFT
    theirs = _summary(system, other)
    if theirs is None:
        return Detected(default)
    here = _summary(system, default)
    if here is None:
        return Detected(other) if theirs.docker or theirs.ours else Detected(default, _beside(other, default, "which plain iptables is"))
    if here.docker != theirs.docker:
        chosen = default if here.docker else other
        return Detected(chosen, _beside(other if here.docker else default, chosen, "where Docker's chains are"))
    # Docker with the nftables backend has its chains in neither variant. Docker that changed its variant leaves chains in both.
    if here.ours != theirs.ours:
        chosen = default if here.ours else other
        return Detected(chosen, _beside(other if here.ours else default, chosen, "where Drawbridge's chains are"))
    raise DrawbridgeError(
        "rules in both iptables-nft and iptables-legacy, and Docker's chains in %s"
        % ("both" if theirs.docker else "neither"),
        None,
        "set transport to nft or legacy, whichever dockerd uses",
    )


def _beside(left: str, chosen: str, why: str) -> str:
    return "iptables-%s holds rules too; only iptables-%s, %s, is managed" % (left, chosen, why)


class _Summary:
    """docker, ours: whether the rules contain Docker's chains, and Drawbridge's."""

    def __init__(self, docker: bool, ours: bool) -> None:
        self.docker = docker
        self.ours = ours


def _summary(system: System, variant: str) -> Optional[_Summary]:
    """Return whether a variant's rules contain Docker's chains and ours. None: no rules, or not installed.

    iptables-legacy-save would create the legacy tables, so it runs only if tables exist already.
    """
    if variant == LEGACY and not _legacy_tables(system):
        return None
    texts: List[str] = []
    for family in FAMILIES:
        try:
            command = find_command(system, _PROGRAM[family], variant, "save")
        except DrawbridgeError:
            continue
        texts.append(system.run([command]).stdout)
    text = "".join(texts)
    if not re.search(r"^(-A |:\S+ (-|DROP) )", text, re.MULTILINE):
        return None
    chains = re.findall(r"^:(\S+) -", text, re.MULTILINE)
    return _Summary("DOCKER" in chains, any(is_ours(chain) for chain in chains))


def holds_rules(system: System, variant: str) -> bool:
    """Return whether the namespace of the calling thread has rules of this variant."""
    return _summary(system, variant) is not None


def _legacy_tables(system: System) -> bool:
    # /proc/net shows the main thread's namespace.
    return any((system.read("/proc/thread-self/net/%s_tables_names" % name) or "").strip() for name in ("ip", "ip6"))


def words_of(output: Output) -> str:
    """Return a command's error message on one line."""
    lines = [line.strip() for line in (output.stderr or output.stdout).splitlines()]
    kept = [line for line in lines if line and not line.startswith(("Try `", "Error occurred at line"))]
    return " ".join(kept)[:500] or "exit status %d" % output.rc


def lock_file(env: Dict[str, str]) -> str:
    """Return the path of the lock file that every legacy iptables command takes. env: variables added to the commands' environment."""
    return env.get("XTABLES_LOCKFILE") or os.environ.get("XTABLES_LOCKFILE") or "/run/xtables.lock"
