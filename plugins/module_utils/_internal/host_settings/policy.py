# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The host settings of a policy. Those that let less pass come before the policy's rules, those that let more pass after them."""

from __future__ import annotations

from typing import Dict, List, NamedTuple, Optional, Tuple

from ..engine.api.answers import IPTABLES
from ..engine.daemon.backend import BACKEND, Backends, backends
from ..engine.daemon.config import Configured, DesiredConfig, shown
from ..engine.daemon.config_keys import IGNORE, KEYS, SET
from ..engine.daemon.forwarding import KEY
from ..errors import DrawbridgeError
from ..host.boot import sysctl
from ..host.system.system import System
from ..netfilter.kernel.chain_policy import DROP
from ..netfilter.kernel.netfilter import Netfilter
from ..policy.language.model import Policy
from ..policy.language.settings import NUMBERS, Choices, daemon_config
from ..transaction.converge import Settings
from . import backend_move, forward_policy, ip_forward, leftovers
from .forwarding import Forwarding


class Done(NamedTuple):
    """Changes that were made, or would be. diffs: Ansible's."""

    changed: bool
    restart_required: bool
    diffs: List[Dict[str, str]]
    warnings: List[str]


class HostSettings:
    """The host settings of one run."""

    def __init__(self, system: System, settings: Settings, policy: Policy) -> None:
        self.system = system
        self.settings = settings
        self.forwarding = policy.forwarding
        self.policies = _policies(policy.forward_policy)
        self.daemon = _wish(policy.daemon)
        self.done: List[Done] = []
        self._found: Optional[Backends] = None
        self._refuse_contradiction()

    def _refuse_contradiction(self) -> None:
        off = self.forwarding is not None and False in [self.forwarding.values.get((name,)) for name in NUMBERS]
        if not off or self.daemon is None or daemon_config(self.forwarding) == IGNORE:
            return
        if self.daemon.values.get(KEY) is True or KEY in self.daemon.absent:
            raise DrawbridgeError(
                "the engine shall turn on what forwarding turns off", self.daemon.place_of(KEY), "leave it out"
            )

    def narrow(self, netfilter: Netfilter) -> None:
        """Apply settings that let less pass, and the engine's keys, which wait for its next start. The caller holds the lock."""
        off = [item for item in _forwardings(self.forwarding) if False in item.families.values()]
        only_off = [item._replace(families={key: on for key, on in item.families.items() if not on}) for item in off]
        if self.daemon is not None:
            self._daemon(backend_move.keep(self.system, self.daemon, self.settings.check_mode, self._brings()))
        if only_off:
            self._forwarding(ip_forward.keep(self._host(), only_off))
        dropped = {family: policy for family, policy in self.policies.items() if policy == DROP}
        if dropped:
            kept = {**forward_policy.at_boot(self.system, leftovers.UNIT), **dropped}
            self._forward_policy(netfilter, dropped, kept)

    def widen(self, netfilter: Netfilter) -> None:
        """Apply the rest, and write all boot settings. The caller holds the lock."""
        forwardings = _forwardings(self.forwarding)
        if forwardings:
            self._forwarding(ip_forward.keep(self._host(), forwardings, {}))
        elif sysctl.read_boot(self.system, leftovers.BOOT_FILE):
            self._forwarding(ip_forward.leave(self._host()._replace(daemon_config=IGNORE), list(NUMBERS.values()), []))
        self._forward_policy(netfilter, self.policies, self.policies)

    def result(self) -> Done:
        """Return everything together. In check mode ``widen`` finds the changes of ``narrow`` again: they are told once."""
        diffs: List[Dict[str, str]] = []
        for done in self.done:
            if done.changed and done.diffs[0] not in diffs:
                diffs += done.diffs
        warnings = list(dict.fromkeys(warning for done in self.done for warning in done.warnings))
        return Done(
            any(done.changed for done in self.done), any(done.restart_required for done in self.done), diffs, warnings
        )

    def _host(self) -> ip_forward.Host:
        # The policy may write the key itself: then do not demand it or warn about it.
        writes_it = self.daemon is not None and self.daemon.values.get(KEY) is False
        mode = SET if writes_it else daemon_config(self.forwarding)
        return ip_forward.Host(self.system, mode, self.settings.check_mode, leftovers.BOOT_FILE)

    def _brings(self) -> backend_move.Accompanying:
        """Return the rest of the policy's changes that the engine finds at its next start."""
        host = [item for item in _forwardings(self.forwarding) if not item.interfaces]
        return backend_move.Accompanying(
            frozenset(family for item in host for family, on in item.families.items() if on), self.policies, whole=True
        )

    def _engine(self) -> Backends:
        """Return the engine's backends with the policy's own keys applied: in check mode they are not written yet."""
        if self._found is None:
            self._found = backends(self.system)
        if self.daemon is None:
            return self._found
        coming = IPTABLES if BACKEND in self.daemon.absent else self._found.coming
        written = self.daemon.values
        return self._found._replace(coming=str(written[BACKEND]) if BACKEND in written else coming)

    def _daemon(self, done: Configured) -> None:
        self.done.append(Done(done.changed, done.restart_required, [shown(done)], done.warnings))

    def _forwarding(self, done: ip_forward.ForwardingChange) -> None:
        diffs = [ip_forward.texts(done)]
        if done.kept.configured is not None and done.kept.changed:
            diffs.append(shown(done.kept.configured))
        self.done.append(Done(done.changed, done.kept.restart_required, diffs, done.warnings))

    def _forward_policy(self, netfilter: Netfilter, wanted: Dict[int, str], kept: Dict[int, str]) -> None:
        engine = self._engine() if DROP in wanted.values() else None
        change = forward_policy.compare(netfilter, wanted, kept, leftovers.UNIT, engine)
        if not self.settings.check_mode:
            forward_policy.apply(netfilter, change)
        self.done.append(Done(change.changed, False, [forward_policy.texts(change)], change.warnings))


def _forwardings(section: Optional[Choices]) -> List[Forwarding]:
    """Return the host's forwarding first, then each interface's."""
    by_interface: Dict[Tuple[str, ...], Dict[int, bool]] = {}
    for key, value in sorted(({} if section is None else section.values).items(), key=lambda item: len(item[0])):
        if key[-1] in NUMBERS:
            by_interface.setdefault(key[1:-1], {})[NUMBERS[key[-1]]] = value is True
    return [Forwarding(families, names) for names, families in by_interface.items()]


def _policies(section: Optional[Choices]) -> Dict[int, str]:
    return {} if section is None else {NUMBERS[key[0]]: str(value).upper() for key, value in section.values.items()}


def _wish(section: Optional[Choices]) -> Optional[DesiredConfig]:
    if section is None:
        return None
    given = {key: section.values.get((key.replace("-", "_"),), section) for key in KEYS}
    stated = {key: value for key, value in given.items() if value is not section}
    return DesiredConfig(
        {key: value for key, value in stated.items() if value is not None},
        tuple(key for key, value in stated.items() if value is None),
        None,
        section.path,
    )
