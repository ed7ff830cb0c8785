# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The firewall backend of this host's running engine and of its next start, found out without asking the engine."""

from __future__ import annotations

from typing import Dict, List, NamedTuple, Optional, Tuple

from ...errors import DrawbridgeError
from ...host.system.system import System
from ..api.answers import IPTABLES, NFTABLES
from . import running_config
from .arguments import Arguments, arguments
from .config_file import DaemonFile
from .config_keys import KEYS
from .nftables_backend import has_bridges_table
from .process import Daemon, find_daemon
from .proxy import FALSE, config_file

BACKEND = "firewall-backend"
IP_FORWARD = "ip-forward"


class Backends(NamedTuple):
    """running: the running engine's backend, None if none runs.

    coming: the backend of the next start, None if there is no engine or its file cannot be read.
    demands_forwarding: whether the next start fails if IP forwarding is off.
    """

    running: Optional[str]
    coming: Optional[str]
    demands_forwarding: bool

    @property
    def nftables(self) -> Optional[str]:
        """Return a message about an engine with the nftables backend, None for other engines."""
        if self.running == NFTABLES:
            return "the engine runs with its nftables backend"
        return "the engine's next start will be with its nftables backend" if self.coming == NFTABLES else None


def backends(system: System, note: str = running_config.NOTE) -> Backends:
    """Return the backends of this host's engine."""
    daemon = find_daemon(system)
    words = arguments(system, daemon)
    coming = ip_forward = None
    if daemon is not None or system.which("dockerd") is not None:
        stated = _keys(system, words.next)
        coming = None if stated is None else _stated(words.next, stated)
        ip_forward = _states_no_forwarding(words.next, stated or {})
    return Backends(_running(system, daemon, words, note), coming, coming == NFTABLES and not ip_forward)


def next_start(system: System) -> Tuple[str, Optional[str]]:
    """Return the configuration file of the engine's next start, and the backend in its arguments, None if they state none."""
    words = arguments(system, find_daemon(system)).next
    return config_file(words), _flag(words, BACKEND)


def _running(system: System, daemon: Optional[Daemon], words: Arguments, note: str) -> Optional[str]:
    process = running_config.running(system, daemon)
    if process is None or words.running is None:
        return None
    now = _keys(system, words.running)
    keys = running_config.started_with(system, process, now or {}, _changed_at(system, config_file(words.running)), note)
    if keys is None and _flag(words.running, BACKEND) is None:
        # The file was changed after the engine's start. The engine's tables tell its backend.
        return NFTABLES if has_bridges_table(system) else IPTABLES
    return _stated(words.running, keys or {})


def _changed_at(system: System, path: str) -> Optional[float]:
    """Return the file's modification time, None if it is not a regular file: an engine may be given /dev/null."""
    try:
        held = system.look(path)
    except DrawbridgeError:
        return None
    return None if held is None else held.mtime


def _stated(words: List[str], keys: Dict[str, object]) -> str:
    return str(_flag(words, BACKEND) or keys.get(BACKEND) or KEYS[BACKEND].default)


def _states_no_forwarding(words: List[str], keys: Dict[str, object]) -> bool:
    flag = _flag(words, IP_FORWARD)
    return keys.get(IP_FORWARD) is False if flag is None else flag in FALSE


def _flag(words: List[str], key: str) -> Optional[str]:
    """Return the last value of a key in dockerd's arguments, None if they do not state it."""
    found = None
    for at, word in enumerate(words):
        name, equals, value = word.partition("=")
        if name == "--" + key:
            # A boolean flag without a value is true. Another flag's value may be the next word.
            found = value if equals else "".join(words[at + 1:at + 2]) if key == BACKEND else "true"
    return found


def _keys(system: System, words: List[str]) -> Optional[Dict[str, object]]:
    path = config_file(words)
    try:
        return DaemonFile(system.read(path) or "", path).values
    except DrawbridgeError:
        return None
