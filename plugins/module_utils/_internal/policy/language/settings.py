# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Sections of a policy that hold plain settings: IP forwarding, FORWARD's policy, the keys of daemon.json."""

from __future__ import annotations

import re
from typing import Dict, NamedTuple, Optional, Tuple

from ...address import IPV4, IPV6
from ...engine.daemon.config_keys import KEYS, MODES, SET, check_value
from ...errors import DrawbridgeError
from ..values import check
from ..values.limits import parse_rate

Key = Tuple[str, ...]
FAMILIES = ("ipv4", "ipv6")
NUMBERS = {"ipv4": IPV4, "ipv6": IPV6}
FORWARDED: check.Keys = dict.fromkeys(FAMILIES, "boolean")
FORWARDING_KEYS: check.Keys = {**FORWARDED, "interfaces": "forwarded_interfaces", "daemon_config": "daemon_config"}
FORWARD_KEYS: check.Keys = dict.fromkeys(FAMILIES, "forward_verdict")
LOG_KEYS: check.Keys = {"rate": "rate", "burst": "burst", "group": "group", "per_port": "boolean", "sections": "logged_sections"}
# The options of docker_daemon_config, with the keys of the file.
DAEMON_NAMES = {key.replace("-", "_"): key for key in KEYS}
POLICIES = ("accept", "drop")
# The sections whose denied packets are logged, and the check of sources that comes with each of them.
LOGGED = ("published_ports", "host_services", "egress", "host_egress", "sources")
RATE = re.compile(r"([0-9]{1,3})/(second|minute|hour|sec|min)\Z")
MAX_GROUP = 65535
# The kernel refuses a longer time to fill the bucket than this many an hour take.
MOST_AT_ONCE = 100


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
    given = check.mapping(policy["forwarding"], path, FORWARDING_KEYS)
    values = _families(given, path, ())
    interfaces = check.any_mapping(given.get("interfaces", {}), path + ".interfaces")
    for name in check.check_interfaces(list(interfaces), path + ".interfaces"):
        place = "%s.interfaces.%s" % (path, name)
        values.update(_families(check.mapping(interfaces[name], place, FORWARDED), place, ("interfaces", name)))
    if "daemon_config" in given:
        values[("daemon_config",)] = check.choice(given["daemon_config"], path + ".daemon_config", MODES)
    return Choices(path, values)


def _families(given: Dict[str, object], path: str, inside: Key) -> Dict[Key, object]:
    return {(*inside, name): check.boolean(given[name], "%s.%s" % (path, name)) for name in FAMILIES if name in given}


def parse_forward_policy(policy: Dict[str, object], path: str) -> Optional[Choices]:
    """Parse ``forward_policy: {ipv4: drop, ipv6: accept}``."""
    if "forward_policy" not in policy:
        return None
    given = check.mapping(policy["forward_policy"], path, FORWARD_KEYS)
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
    given = check.mapping(policy["daemon"], path, DAEMON_NAMES)
    values: Dict[Key, object] = {}
    for name, value in given.items():
        values[(name,)] = None if value is None else check_value(DAEMON_NAMES[name], value, "%s.%s" % (path, name))
    return Choices(path, values)


def parse_log_denied(policy: Dict[str, object], path: str) -> Optional[Choices]:
    """Parse ``log_denied: {rate: 10/minute, burst: 20, group: 5, sections: [published_ports]}``."""
    if "log_denied" not in policy:
        return None
    given = check.mapping(policy["log_denied"], path, LOG_KEYS)
    values: Dict[Key, object] = {}
    if "rate" in given:
        values[("rate",)] = parse_rate(given["rate"], path + ".rate", RATE, MOST_AT_ONCE)
    if "burst" in given:
        values[("burst",)] = check.number(given["burst"], path + ".burst", 1, MOST_AT_ONCE)
    if "group" in given:
        values[("group",)] = check.number(given["group"], path + ".group", 1, MAX_GROUP)
    if "per_port" in given:
        values[("per_port",)] = check.boolean(given["per_port"], path + ".per_port")
    if "sections" in given:
        place = path + ".sections"
        named = [check.choice(item, "%s[%d]" % (place, index), LOGGED) for index, item in enumerate(check.sequence(given["sections"], place))]
        if not named:
            raise DrawbridgeError("the list is empty", place, "leave log_denied out: then nothing is logged")
        values[("sections",)] = [name for name in LOGGED if name in named]
    return Choices(path, values)


def daemon_config(choices: Optional[Choices]) -> str:
    """Return the value of ``forwarding.daemon_config``."""
    return SET if choices is None else str(choices.values.get(("daemon_config",), SET))


SECTIONS = ("forwarding", "forward_policy", "daemon")
