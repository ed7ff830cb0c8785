# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Containers that an entry names in place of a port of the host, and the names of the sets that follow them.

A set's name tells the container's port, and a digest of whom the entry names. So the engine's answer alone says what is in the set.
"""

from __future__ import annotations

import base64
import hashlib
import re
from typing import Dict, Iterator, Mapping, NamedTuple, Optional, Tuple

from ...address import quoted
from ...errors import DrawbridgeError
from . import check
from .reserved_names import BY_NAME, OF_CONTAINERS, OF_HOST
from .values import Chosen, Target

CHOOSERS = ("container", "label", "compose_project")
KEYS: check.Keys = {
    "container": "container_name", "label": "egress_selector", "compose_project": "compose_name", "compose_service": "compose_name",
    "container_port": "one_port",
}  # fmt: skip
# Keys that say something of the host's port, which nobody knows.
NOT_BY_NAME = ("port", "address", "mode")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
LABEL = re.compile(r"[\x21-\x7e][\x20-\x7e]{0,299}\Z")
_PROJECT = "com.docker.compose.project"
_SERVICE = "com.docker.compose.service"
# What ipset's limit leaves. Whoever chooses labels must not find one with the digest of another's name.
_DIGITS = 13
_SET = re.compile(r"%s([hc])-([A-Za-z0-9_-]{%d})-([tus])([1-9][0-9]{0,4})\Z" % (BY_NAME, _DIGITS))
_LETTERS = {"t": "tcp", "u": "udp", "s": "sctp"}


class Followed(NamedTuple):
    """What a set's name says. of_host: whether it holds addresses and ports of the host, or of the containers. digest: of whom the entry names."""

    of_host: bool
    digest: str
    protocol: str
    port: int


def is_by_name(given: Mapping[str, object]) -> bool:
    """Whether an entry names containers in place of a port."""
    return any(key in given for key in KEYS)


def parse_chosen(given: Mapping[str, object], path: str) -> Chosen:
    """Parse whom an entry names: a container, a label, or a Compose project with or without one of its services."""
    named = [key for key in CHOOSERS if key in given]
    if len(named) != 1:
        raise DrawbridgeError("exactly one of %s says whose port" % ", ".join(CHOOSERS), path)
    for key in NOT_BY_NAME:
        if key in given:
            hint = "container_port is the container's port; the host's follows"
            raise DrawbridgeError("%s and %s are in one entry" % (named[0], key), "%s.%s" % (path, key), hint)
    if "container_port" not in given:
        raise DrawbridgeError("an entry that names containers needs container_port", path)
    if "compose_service" in given and named[0] != "compose_project":
        raise DrawbridgeError("compose_service goes with compose_project only", path + ".compose_service")
    parts = [_text(given[key], "%s.%s" % (path, key), LABEL if key == "label" else NAME) for key in (named[0], "compose_service") if key in given]
    return Chosen(named[0], "/".join(parts))


def _text(value: object, path: str, pattern: re.Pattern[str]) -> str:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise DrawbridgeError("%s is not a %s" % (quoted(value), path.rpartition(".")[2].replace("_", " ")), path)
    return value


def chosen_as(name: str, labels: Mapping[str, str]) -> Iterator[Chosen]:
    """Yield all by which an entry may name a container."""
    yield Chosen("container", name)
    for key, value in labels.items():
        yield Chosen("label", key)
        yield Chosen("label", "%s=%s" % (key, value))
    project, service = labels.get(_PROJECT), labels.get(_SERVICE)
    # A slash would make one name of two: no entry has it.
    if project and "/" not in project:
        yield Chosen("compose_project", project)
        if service and "/" not in service:
            yield Chosen("compose_project", "%s/%s" % (project, service))


def digest(chosen: Chosen) -> str:
    """Return the same for the same choice, in letters of which none is an attacker's."""
    whole = hashlib.sha256("\0".join(chosen).encode("utf-8", "surrogatepass")).digest()
    return base64.urlsafe_b64encode(whole).decode("ascii")[:_DIGITS]


def set_of_host(target: Target) -> str:
    """Return the name of the set of the host's addresses and ports that lead to the containers."""
    return _set(OF_HOST, target)


def set_of_containers(target: Target) -> str:
    """Return the name of the set of the containers' own addresses, with the port."""
    return _set(OF_CONTAINERS, target)


def _set(prefix: str, target: Target) -> str:
    if target.chosen is None or target.ports is None:
        raise ValueError(target)
    return "%s-%s-%s%d" % (prefix, digest(target.chosen), target.protocol[0], target.ports.first)


def followed(name: str) -> Optional[Followed]:
    """Read a set's name; None for any other set."""
    found = _SET.match(name)
    if found is None:
        return None
    kind, text, letter, port = found.groups()
    return Followed(kind == OF_HOST[-1], text, _LETTERS[letter], int(port))


def spoken(target: Target) -> str:
    """``port 80/tcp of container 'web'``"""
    if target.chosen is None:
        raise ValueError(target)
    kind, value = target.chosen
    project, _slash, service = value.partition("/")
    whom = {"container": "container " + quoted(value), "label": "containers with label " + quoted(value), "compose_project": _compose(project, service)}[kind]
    return "port %s/%s of %s" % (target.ports, target.protocol, whom)


def _compose(project: str, service: str) -> str:
    return "service %s of project %s" % (quoted(service), quoted(project)) if service else "Compose project " + quoted(project)


def spoken_by_set(targets: Tuple[Target, ...]) -> Dict[str, str]:
    """Return the words for each target, by the names of its sets."""
    return {name: spoken(target) for target in targets if target.chosen is not None for name in (set_of_host(target), set_of_containers(target))}
