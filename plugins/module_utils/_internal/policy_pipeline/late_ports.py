# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Late ports are published after the run and served by docker-proxy. The kernel, the event service or the next run closes them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple, Optional

from ..engine.daemon.process import Daemon, find_daemon
from ..errors import DrawbridgeError
from ..host.system import cgroup
from ..host.system.system import System
from ..netfilter.kernel.netfilter import Netfilter
from ..netfilter.kernel.nft_table import Nft
from ..netfilter.reconcile.plan import Plan
from ..persistence.boot_program.engine_unit import cgroup_of, drop_in
from ..persistence.records.service_status import RUNNING, event_service
from ..policy.blocks import engine_table
from ..policy.language.model import Policy
from .part import Part, Report

if TYPE_CHECKING:
    from ..engine.facts.gather import EngineFacts
    from ..transaction.converge import Outcome
    from .desired import Desired

KERNEL = "kernel"
UNTIL_RESTART = "kernel_until_restart"
EVENT_SERVICE = "event_service"
NEXT_RUN = "next_run"

_DEFAULT_HOSTS = ("unix:///var/run/docker.sock", "unix:///run/docker.sock")
# The engine's unit may restart in between.
_TRIES = 5


class Settled(NamedTuple):
    """holds: one of the four constants above. changed: whether the kernel had to be told the engine's cgroup."""

    holds: str
    changed: bool


class LatePorts(Part):
    """The late ports of a policy that limits ports."""

    def __init__(self, desired: Desired) -> None:
        self._desired = desired
        self._settled = Settled(NEXT_RUN, False)

    def after(self, outcome: Outcome, _asked: EngineFacts) -> None:
        self._settled = settle(self._desired.system, outcome.plan, self._desired.check_mode)

    def report(self) -> Report:
        return Report(self._settled.changed, {"late_ports": self._settled.holds})


def limits_ports(policy: Policy) -> bool:
    """Whether the policy has any port to close."""
    ports = policy.published_ports
    return ports is not None and ports.limits


def engine_cgroup(system: System, nft: Nft, docker_host: str) -> Optional[str]:
    """Return the cgroup by which the kernel can tell the engine's sockets; None if it cannot. The engine is the one at ``docker_host``."""
    if not nft.is_installed:
        return None
    daemon = find_daemon(system)
    if not _is_reached_by(daemon, docker_host):
        return None
    live = engine_table.path_in(nft.read([engine_table.KEY])[engine_table.KEY])
    path = live if daemon is None and live is not None else cgroup_of(system, daemon)
    if path is None or path == live:
        return path
    return path if engine_table.is_possible(nft, path) else None


def _is_reached_by(daemon: Optional[Daemon], docker_host: str) -> bool:
    """Whether ``docker_host`` is the daemon's. A host may have several engines; those of other users are in no unit."""
    return docker_host in _DEFAULT_HOSTS or (daemon is not None and any(word.endswith(docker_host) for word in daemon.cmdline))


def settle(system: System, plan: Plan, check_mode: bool) -> Settled:
    """Make the table know the engine's cgroup, once the policy is in force."""
    path = next((engine_table.path_in(change.after) for change in plan.tables if change.key == engine_table.KEY), None)
    if path is None:
        return Settled(_without_kernel(system), False)
    changed = False
    nft = Nft(system)
    is_there = all(change.before is not None for change in plan.tables if change.key == engine_table.KEY)
    if is_there or not check_mode:
        changed = not engine_table.is_filled(nft, path)
    if changed and not check_mode:
        _fill(nft, path)
    return Settled(_with_kernel(system, path), changed)


def standing(system: System, netfilter: Netfilter) -> str:
    """Return the current ``holds`` without a change."""
    nft = netfilter.nft
    text = nft.read([engine_table.KEY])[engine_table.KEY]
    path = engine_table.path_in(text)
    if path is None or not engine_table.is_filled(nft, path) or cgroup_of(system, find_daemon(system)) != path:
        return _without_kernel(system)
    try:
        wanted = nft.canonical({engine_table.KEY: engine_table.body(path)})[0][engine_table.KEY]
    except DrawbridgeError:
        wanted = None
    return _with_kernel(system, path) if text == wanted else _without_kernel(system)


def _with_kernel(system: System, path: str) -> str:
    """The kernel's entry holds until the engine restarts, unless the unit tells the new cgroup."""
    if os.path.exists(drop_in(path)):
        return KERNEL
    other = _without_kernel(system)
    return UNTIL_RESTART if other == NEXT_RUN else other


def _without_kernel(system: System) -> str:
    return EVENT_SERVICE if event_service(system) == RUNNING else NEXT_RUN


def _fill(nft: Nft, path: str) -> None:
    for left in range(_TRIES, 0, -1):
        try:
            engine_table.fill(nft, path)
        except DrawbridgeError:
            if left == 1 and cgroup.as_nft_names(path) is not None:
                raise
        if engine_table.is_filled(nft, path):
            return
    raise DrawbridgeError("the kernel does not keep the engine's cgroup", None, "the engine is started all the time: see its journal, and run again")
