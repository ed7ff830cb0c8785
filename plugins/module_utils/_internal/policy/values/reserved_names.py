# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Names of sets: those that the compiler uses itself, and the check of users' names."""

from __future__ import annotations

import re
from typing import Optional

from ...address import quoted
from ...errors import DrawbridgeError

PORTS = {"tcp": "pub-tcp", "udp": "pub-udp", "sctp": "pub-sctp"}
ADDRESS_PORTS = "pub-addr"
CONTAINER_NETWORKS = "container-nets"
# Container networks whose containers may be reached at their own addresses.
ROUTED_NETWORKS = "routed-nets"
# Networks that the host routes to a container, which forwards for them.
BEHIND_CONTAINERS = "behind-containers"
BRIDGES = "bridges"
CLOSED_BRIDGES = "closed-bridges"
SWARM_NODES = "swarm-nodes"
# Ports that the engine itself listens on.
ENGINE_OWN = "engine-own"
# Holds every address. It is empty after somebody flushed all sets.
UNFLUSHED = "unflushed"
# Followed by twelve hexadecimal digits.
ANONYMOUS = "src-"

# Interfaces that are named like Docker's bridges but are none.
FOREIGN_BRIDGES = "other-bridges"
# The subnets of Docker's networks with their interfaces.
SAME_NETWORK = "same-network"
# Followed by ten hexadecimal digits: a Docker network, or some containers.
NETWORK = "egn-"
CONTAINERS = "egc-"
# What entries name by containers: addresses and ports of the host that lead to them, and their own. Followed by thirteen letters and digits, the
# protocol's first letter and the containers' port: longer than any name that a user may give.
BY_NAME = "nm"
OF_HOST, OF_CONTAINERS = BY_NAME + "h", BY_NAME + "c"
# Followed by a time without punctuation. Holds every address until then.
UNTIL = "until-"
# A placeholder for an interface. It keeps an address that a policy names in its set while no network has the address.
NOWHERE = "drawbridge-none"

# The kernel's name adds owner, family and generation. ipset allows 31 characters.
MAX_NAME = 18
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*\Z")
_FIXED = (
    ADDRESS_PORTS, CONTAINER_NETWORKS, ROUTED_NETWORKS, BEHIND_CONTAINERS, BRIDGES, CLOSED_BRIDGES, FOREIGN_BRIDGES, SAME_NETWORK, SWARM_NODES, ENGINE_OWN,
    UNFLUSHED,
)
RESERVED = re.compile(
    r"(?:%s|%s[0-9a-f]{12}|(?:%s|%s)[0-9a-f]{10}|%s[0-9]{8}T[0-9]{6}Z)\Z"
    % ("|".join([*PORTS.values(), *_FIXED]), ANONYMOUS, NETWORK, CONTAINERS, UNTIL)
)
_TIME = re.compile(UNTIL + r"([0-9]{4})([0-9]{2})([0-9]{2}T[0-9]{2})([0-9]{2})([0-9]{2}Z)\Z")


def set_name(value: object, path: str) -> str:
    """Check a user's name of a set.

    Raises DrawbridgeError if the name cannot be part of an ipset's name, or if the compiler uses it itself.
    """
    if not isinstance(value, str) or not NAME.match(value):
        raise DrawbridgeError(
            "%s is not a name for an address set" % quoted(value), path, "letters, digits, _, . and - are possible"
        )
    if len(value) > MAX_NAME:
        raise DrawbridgeError("%s: an address set's name has at most %d characters" % (quoted(value), MAX_NAME), path)
    if is_reserved(value):
        raise DrawbridgeError("%s is a name that Drawbridge uses itself" % quoted(value), path, "choose another one")
    return value


def zone_name(value: object, path: str) -> str:
    """Check the name of a zone. The kernel never sees it."""
    if not isinstance(value, str) or not NAME.match(value) or len(value) > MAX_NAME:
        raise DrawbridgeError(
            "%s is not a name for a zone" % quoted(value), path, "letters, digits, _, . and - are possible, %d characters at most" % MAX_NAME
        )
    return value


def until_set(time: str) -> str:
    """Return the name of the set that holds everybody until a time, ``2026-12-01T18:00:00Z``."""
    return UNTIL + time.replace("-", "").replace(":", "")


def end_of(name: str) -> Optional[str]:
    """Return the time in such a name; None for other names."""
    found = _TIME.match(name)
    return "%s-%s-%s:%s:%s" % found.groups() if found else None


def is_reserved(name: str) -> bool:
    """Whether the compiler uses the name itself."""
    return RESERVED.match(name) is not None
