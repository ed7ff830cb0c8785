# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""dockerd's arguments: those of the running process, and those in its systemd unit."""

from __future__ import annotations

import shlex
from typing import Dict, List, NamedTuple, Optional

from ...host.system.system import System
from .process import Daemon

UNIT = "docker.service"


class Arguments(NamedTuple):
    """Both are without the program's own name, None if there is no such process or unit."""

    running: Optional[List[str]]
    unit: Optional[List[str]]

    @property
    def next(self) -> List[str]:
        """Return the expected arguments of the next start."""
        return self.unit or self.running or []

    @property
    def all(self) -> List[str]:
        return (self.running or []) + (self.unit or [])


def arguments(system: System, daemon: Optional[Daemon]) -> Arguments:
    """Read the arguments. A host without systemd has no unit."""
    return Arguments(None if daemon is None else daemon.cmdline[1:], _unit_arguments(system))


def without_config_file(words: List[str]) -> List[str]:
    """Return the arguments without ``--config-file``."""
    kept: List[str] = []
    skip = False
    for word in words:
        if skip or word == "--config-file":
            skip = not skip
        elif not word.startswith("--config-file="):
            kept.append(word)
    return kept


def _unit_arguments(system: System) -> Optional[List[str]]:
    systemctl = system.which("systemctl")
    if systemctl is None:
        return None
    asked = ["--property=%s" % name for name in ("ExecStart", "Environment", "EnvironmentFiles")]
    shown = system.run([systemctl, "show", UNIT, *asked]).stdout
    words: Optional[List[str]] = None
    own: Dict[str, str] = {}
    variables: Dict[str, str] = {}
    for line in shown.splitlines():
        name, _equals, value = line.partition("=")
        if name == "EnvironmentFiles":
            variables.update(environment(system.read(value.rpartition(" (")[0] or value) or ""))
        elif name == "Environment":
            own = environment("\n".join(_words(value)))
        elif name == "ExecStart" and "argv[]=" in value:
            words = value.partition("argv[]=")[2].partition(" ; ")[0].split()[1:]
    # Environment files override the unit's Environment.
    return None if words is None else _expanded(words, {**own, **variables})


def _words(text: str) -> List[str]:
    try:
        return shlex.split(text)
    except ValueError:
        return text.split()


def _expanded(words: List[str], variables: Dict[str, str]) -> List[str]:
    """Expand variables as systemd does: it splits a separate $NAME at white space, and inserts ${NAME} as one word."""
    expanded: List[str] = []
    for word in words:
        if word.startswith("${") and word.endswith("}"):
            expanded.append(variables.get(word[2:-1], ""))
        elif word.startswith("$"):
            expanded += variables.get(word[1:], "").split()
        else:
            expanded.append(word)
    return expanded


def environment(text: str) -> Dict[str, str]:
    """Parse ``NAME=value`` lines as systemd does, as far as dockerd's arguments need it."""
    found = {}
    for line in text.splitlines():
        name, equals, value = line.strip().partition("=")
        if equals and not name.startswith(("#", ";")):
            try:
                found[name.strip()] = " ".join(shlex.split(value))
            except ValueError:
                found[name.strip()] = value
    return found
