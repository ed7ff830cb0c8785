# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Find out whether the engine runs docker-proxy: from the engine, its configuration, or the rules that it made."""

from __future__ import annotations

import json
from typing import Iterable, List, Optional

from ...host.system.json_values import JsonObject
from ..api.answers import IPTABLES, backend_details, parse_backend

ON = "on"
OFF = "off"
UNKNOWN = "unknown"

DEFAULT_CONFIG = "/etc/docker/daemon.json"

_FLAG = "--userland-proxy"
# False for strconv.ParseBool, which reads the values of dockerd's flags.
FALSE = ("0", "f", "F", "false", "False", "FALSE")


def userland_proxy(
    info: JsonObject, cmdline: Optional[List[str]], config: Optional[str], nat_output: Iterable[str]
) -> str:
    """Return ``on``, ``off`` or ``unknown``.

    info: the engine's ``/info``. Engines since 29.5 tell it there.
    cmdline: dockerd's arguments, None if its process was not found.
    config: the text of its daemon.json, None if there is none.
    nat_output: the rules of IPv4's nat OUTPUT chain, as iptables-save prints them after ``-A OUTPUT``.

    The file is used last: it may have changed since the engine's start.
    """
    told = backend_details(info).get("EnableUserlandProxy")
    if told is not None:
        return _on_or_off(told.lower() != "false")
    for word in reversed(cmdline or []):
        flag, equals, value = word.partition("=")
        if flag == _FLAG:
            return _on_or_off(not equals or value not in FALSE)
    # Only with the iptables backend: rules of an earlier run with iptables may be left over.
    for line in nat_output if parse_backend(info).driver == IPTABLES else ():
        words = line.split()
        if words[-2:] == ["-j", "DOCKER"]:
            return _on_or_off("127.0.0.0/8" in words)
    if cmdline is None:
        return UNKNOWN
    return _on_or_off(_configured(config) is not False)


def config_file(cmdline: List[str]) -> str:
    """Return the path of the daemon.json that dockerd reads with these arguments."""
    for at, word in enumerate(cmdline):
        flag, equals, value = word.partition("=")
        if flag == "--config-file":
            return value if equals else "".join(cmdline[at + 1:at + 2])
    return DEFAULT_CONFIG


def _configured(config: Optional[str]) -> object:
    try:
        values = json.loads(config) if config else {}
    except ValueError:
        return None
    return values.get("userland-proxy") if isinstance(values, dict) else None


def _on_or_off(on: bool) -> str:
    return ON if on else OFF
