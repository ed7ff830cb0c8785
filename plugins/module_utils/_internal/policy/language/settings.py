# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Sections of a policy that hold plain settings: IP forwarding, FORWARD's policy, the keys of daemon.json."""

from __future__ import annotations

from typing import Dict, NamedTuple, Optional, Tuple

from ...address import IPV4, IPV6
from ...engine.daemon.config_keys import KEYS, MODES, SET, check_value
from ...errors import DrawbridgeError
from . import check

Key = Tuple[str, ...]
FAMILIES = ("ipv4", "ipv6")
NUMBERS = {"ipv4": IPV4, "ipv6": IPV6}
POLICIES = ("accept", "drop")


class Choices(NamedTuple):
    """A section's settings. values: by path inside of the section, for example ("interfaces", "eth1", "ipv4")."""

    path: str
    values: Dict[Key, object]

    def place(self, key: Key) -> str:
        return ".".join((self.path, *key))


def parse_forwarding(policy: Dict[str, object], path: str) -> Optional[Choices]:
    """Parse ``forwarding: {ipv4: true, ipv6: false, interfaces: {eth1: {ipv4: false}}, daemon_config: set}``."""
    if "forwarding" not in policy:
        return None
    given = check.mapping(policy["forwarding"], path, (*FAMILIES, "interfaces", "daemon_config"))
    values = _families(given, path, ())
    interfaces = check.any_mapping(given.get("interfaces", {}), path + ".interfaces")
    for name in check.check_interfaces(list(interfaces), path + ".interfaces"):
        place = "%s.interfaces.%s" % (path, name)
        values.update(_families(check.mapping(interfaces[name], place, FAMILIES), place, ("interfaces", name)))
    if "daemon_config" in given:
        values[("daemon_config",)] = check.choice(given["daemon_config"], path + ".daemon_config", MODES)
    return Choices(path, values)


def _families(given: Dict[str, object], path: str, inside: Key) -> Dict[Key, object]:
    return {(*inside, name): _bool(given[name], "%s.%s" % (path, name)) for name in FAMILIES if name in given}


def _bool(value: object, path: str) -> bool:
    if not isinstance(value, bool):
        raise DrawbridgeError("expected true or false, got %s" % check.kind(value), path)
    return value


def parse_forward_policy(policy: Dict[str, object], path: str) -> Optional[Choices]:
    """Parse ``forward_policy: {ipv4: drop, ipv6: accept}``."""
    if "forward_policy" not in policy:
        return None
    given = check.mapping(policy["forward_policy"], path, FAMILIES)
    values: Dict[Key, object] = {}
    for name in FAMILIES:
        if name in given:
            value = given[name]
            lower = value.lower() if isinstance(value, str) else value
            values[(name,)] = check.choice(lower, "%s.%s" % (path, name), POLICIES)
    return Choices(path, values)


def parse_daemon(policy: Dict[str, object], path: str) -> Optional[Choices]:
    """Parse ``daemon: {userland_proxy: false, icc: null}``. null removes a key from the file."""
    if "daemon" not in policy:
        return None
    names = {key.replace("-", "_"): key for key in KEYS}
    given = check.mapping(policy["daemon"], path, tuple(names))
    values: Dict[Key, object] = {}
    for name, value in given.items():
        values[(name,)] = None if value is None else check_value(names[name], value, "%s.%s" % (path, name))
    return Choices(path, values)


def daemon_config(choices: Optional[Choices]) -> str:
    """Return the value of ``forwarding.daemon_config``."""
    return SET if choices is None else str(choices.values.get(("daemon_config",), SET))


SECTIONS = ("forwarding", "forward_policy", "daemon")
