# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The engine's handling of IP forwarding, and the ``ip-forward`` key that stops it.

Measured on 20.10, 26.1 and 28.5: an engine turns IPv4 forwarding on at its start, since 28 also when a network is created.
It turns IPv6 forwarding on when it starts with an IPv6 network, and when one is created. With ``ip-forward: false`` it does neither.
An engine with the nftables backend (29) never turns forwarding on. While forwarding is off, it refuses to start, to create networks
and to start containers.
"""

from __future__ import annotations

from typing import List, NamedTuple, Optional

from ...errors import DrawbridgeError
from ...host.system.system import System
from ..api.answers import NFTABLES
from . import running_config
from .arguments import arguments
from .backend import Backends, backends
from .config import Configured, DesiredConfig, configure
from .config_keys import IGNORE, SET
from .process import find_daemon
from .proxy import FALSE

KEY = "ip-forward"

_OFF = DesiredConfig({KEY: False})
_DEFAULT = DesiredConfig({}, (KEY,))
_COMES_BACK = (
    "Docker turns IP forwarding on again when it is started, IPv6 forwarding when an IPv6 network is made, and from 28 on"
    " IPv4 forwarding when any network is made"
)
_REFUSES = "the engine has the nftables backend: it refuses to start, and to make networks, while IP forwarding is off"


class Kept(NamedTuple):
    """The change to the engine's configuration. ``configured`` is None if nothing was checked or there was nothing to do."""

    configured: Optional[Configured]
    warnings: List[str]

    @property
    def restart_required(self) -> bool:
        return self.configured is not None and self.configured.restart_required

    @property
    def changed(self) -> bool:
        return self.configured is not None and self.configured.changed


def has_engine(system: System) -> bool:
    """Tell whether Docker is installed or runs on this host."""
    return system.which("dockerd") is not None or find_daemon(system) is not None


def keep_off(system: System, mode: str, check_mode: bool, note: str = running_config.NOTE) -> Kept:
    """Stop the engine from turning forwarding on, demand that this is configured, or only warn, depending on the mode.

    Raises DrawbridgeError if it is demanded and not configured, or if the engine would not start with the key.
    """
    if not has_engine(system) or _flag_says_so(system):
        return Kept(None, [])
    engine = backends(system, note)
    if mode == IGNORE:
        return Kept(None, _comes_back(system, engine, note))
    done = configure(system, _OFF, check_mode or mode != SET, note)
    if mode == SET:
        return Kept(done, done.warnings + ([_until_restart(engine)] if done.restart_required else []))
    if done.changed:
        raise DrawbridgeError(
            "%s does not say %s: false, and %s" % (done.path, KEY, _without_the_key(engine)),
            "daemon_config",
            "set it by docker_daemon_config and restart the engine, or let this task set it",
        )
    return Kept(done, [_until_restart(engine)] if done.restart_required else [])


def _without_the_key(engine: Backends) -> str:
    return _REFUSES if engine.coming == NFTABLES else _COMES_BACK


def _comes_back(system: System, engine: Backends, note: str) -> List[str]:
    """Return warnings about an engine whose configuration is left as it is."""
    try:
        done = configure(system, _OFF, True, note)
    except DrawbridgeError as error:
        return ["%s, unless it is told not to, which cannot be seen: %s" % (_without_the_key(engine), error)]
    if not done.changed:
        return [_until_restart(engine)] if done.restart_required else []
    return ["%s, unless daemon.json says %s: false" % (_without_the_key(engine), KEY)]


def _flag_says_so(system: System) -> bool:
    """Tell whether the next start's arguments have the key with false. The engine does not start if the file states the key too."""
    for word in reversed(arguments(system, find_daemon(system)).next):
        flag, _equals, value = word.partition("=")
        if flag == "--" + KEY:
            return value in FALSE
    return False


def leave_to_engine(system: System, mode: str, check_mode: bool, note: str = running_config.NOTE) -> Kept:
    """Remove the key, or warn about its effect if it stays."""
    if not has_engine(system):
        return Kept(None, [])
    if mode != SET:
        return Kept(None, _stays_off(system, note))
    done = configure(system, _DEFAULT, check_mode, note)
    return Kept(done, done.warnings)


def _stays_off(system: System, note: str) -> List[str]:
    try:
        says_off = configure(system, _DEFAULT, True, note).before.get(KEY) is False
    except DrawbridgeError:
        return []
    warning = (
        "daemon.json goes on saying %s: false, so from the next boot on nobody turns IP forwarding on, and containers reach nothing"
        " outside: ip_forward with state absent takes it out" % KEY
    )
    return [warning] if says_off else []


def _until_restart(engine: Backends) -> str:
    if engine.running == NFTABLES:
        return "the engine has to be restarted: with its nftables backend it makes no network until then"
    return "the engine has to be restarted: until then a new network may turn forwarding on again"
