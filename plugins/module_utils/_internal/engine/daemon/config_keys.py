# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The keys of daemon.json that affect the firewall: their values, the first engine release with them, and their defaults."""

from __future__ import annotations

import re
from typing import Dict, List, Mapping, NamedTuple, Optional, Tuple

from ...address import quoted
from ...errors import DrawbridgeError

Release = Tuple[int, ...]

# Modes for the key ip-forward if forwarding is turned off: write it, demand it, or leave it alone.
SET = "set"
REQUIRE = "require"
IGNORE = "ignore"
MODES = (SET, REQUIRE, IGNORE)

BOOL = "true or false"
BACKENDS = ("iptables", "nftables")
BACKEND = " or ".join(BACKENDS)
MARK = "a mark, as 0x1 or 0x1/0x3"
OPTIONS = "a mapping of network drivers to mappings of their options to texts"
MARK_FORM = re.compile(r"(0[xX][0-9a-fA-F]{1,8}|[0-9]{1,10})(/(0[xX][0-9a-fA-F]{1,8}|[0-9]{1,10}))?\Z")


class Key(NamedTuple):
    """takes: a description of its values. since: the first release that knows it. default: the engine's default."""

    takes: str
    since: Release = ()
    default: object = None


# An engine refuses to start with a key that it does not know.
KEYS: Dict[str, Key] = {
    "ip-forward": Key(BOOL, default=True),
    "ip-masq": Key(BOOL, default=True),
    "iptables": Key(BOOL, default=True),
    "ip6tables": Key(BOOL, (20, 10), True),
    "userland-proxy": Key(BOOL, default=True),
    "icc": Key(BOOL, default=True),
    "ip-forward-no-drop": Key(BOOL, (28,), False),
    "allow-direct-routing": Key(BOOL, (28, 2), False),
    "firewall-backend": Key(BACKEND, (29,), "iptables"),
    "bridge-accept-fwmark": Key(MARK, (29,), ""),
    "default-network-opts": Key(OPTIONS, (24,), {}),
}
# On by default since this release. Before, only for experimental engines.
_IP6TABLES_ON = (27,)


def check_value(key: str, value: object, path: str) -> object:
    """Return the value. Raises DrawbridgeError if it is not valid for the key."""
    takes = KEYS[key].takes
    if takes == BOOL:
        right = isinstance(value, bool)
    elif takes == BACKEND:
        right = value in BACKENDS
    elif takes == MARK:
        right = isinstance(value, str) and MARK_FORM.match(value) is not None
    else:
        right = _is_options(value)
    if not right:
        raise DrawbridgeError("%s is not %s" % (quoted(value), takes), path)
    return value


def _is_options(value: object) -> bool:
    if not isinstance(value, dict):
        return False
    texts = list(value)
    for options in value.values():
        if not isinstance(options, dict):
            return False
        texts += [*options, *options.values()]
    return all(isinstance(text, str) for text in texts)


def check_known(key: str, engine: Release, path: str) -> None:
    """Raises DrawbridgeError if the engine does not know the key. An engine of unknown release is assumed to know all."""
    since = KEYS[key].since
    if engine and engine < since:
        raise DrawbridgeError(
            "the installed engine %s does not know %s and would not start" % (dotted(engine), key),
            path,
            "%s came with %s" % (key, dotted(since)),
        )


def check_together(values: Mapping[str, object], engine: Release, path: str) -> None:
    """Raises DrawbridgeError if keys of a file are valid alone, but the engine does not start with them together."""
    if values.get("iptables") is False and values.get("icc") is False:
        raise DrawbridgeError("the engine does not start with both iptables and icc off", path, "icc needs iptables")
    if engine and engine < _IP6TABLES_ON and values.get("ip6tables") is True and values.get("experimental") is not True:
        raise DrawbridgeError(
            "the installed engine %s starts with ip6tables only where experimental is on too" % dotted(engine), path
        )


def effective(values: Mapping[str, object], engine: Release) -> Dict[str, object]:
    """Return the effective values for a file's keys. Missing keys have their defaults."""
    found = {}
    for key, meaning in KEYS.items():
        default = meaning.default
        if key == "ip6tables" and engine and engine < _IP6TABLES_ON:
            default = False
        value = values.get(key)
        found[key] = default if value is None else value
    return found


def flags_given(words: List[str]) -> List[str]:
    """Return the keys in dockerd's arguments. The engine refuses to start if the file has them too."""
    names = {word[2:].partition("=")[0] for word in words if word.startswith("--")}
    return [key for key in KEYS if (key[:-1] if key == "default-network-opts" else key) in names]


def parse_release(text: str) -> Release:
    """``Docker version 26.1.5+dfsg1, build 411e817`` → (26, 1, 5). Empty if there is no release."""
    found = re.search(r"\bversion v?([0-9]{1,9}(?:\.[0-9]{1,9})*)", text)
    return tuple(int(part) for part in found.group(1).split(".")) if found else ()


def dotted(release: Optional[Release]) -> str:
    """Return a release as text."""
    return ".".join(str(part) for part in release) if release else "of unknown release"
