# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The names of sets: those that the compiler makes, and what users may call theirs."""

from __future__ import annotations

import re

from ...address import quoted
from ...errors import DrawbridgeError

PORTS = {"tcp": "pub-tcp", "udp": "pub-udp", "sctp": "pub-sctp"}
ADDRESS_PORTS = "pub-addr"
CONTAINER_NETWORKS = "container-nets"
# Those of them whose containers are meant to be reached at their own addresses.
ROUTED_NETWORKS = "routed-nets"
# What the host routes to a container, which forwards for others.
BEHIND_CONTAINERS = "behind-containers"
BRIDGES = "bridges"
CLOSED_BRIDGES = "closed-bridges"
SWARM_NODES = "swarm-nodes"
# Ports that the engine itself listens on.
ENGINE_OWN = "engine-own"
# Holds every address, until somebody flushes all sets.
UNFLUSHED = "unflushed"
# Followed by twelve hexadecimal digits.
ANONYMOUS = "src-"

# Interfaces that are named like Docker's bridges and are none; and the subnets of Docker's networks with their interfaces.
FOREIGN_BRIDGES = "other-bridges"
SAME_NETWORK = "same-network"
# Followed by ten hexadecimal digits: one of Docker's networks, some containers.
NETWORK = "egn-"
CONTAINERS = "egc-"
# Stands for an interface beside an address that a policy names, so that a set says which address it is for while no network has it.
NOWHERE = "drawbridge-none"

# With what is put around it (owner, family, generation) within ipset's 31 characters.
MAX_NAME = 18
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*\Z")
_FIXED = (
    ADDRESS_PORTS, CONTAINER_NETWORKS, ROUTED_NETWORKS, BEHIND_CONTAINERS, BRIDGES, CLOSED_BRIDGES, FOREIGN_BRIDGES, SAME_NETWORK, SWARM_NODES, ENGINE_OWN,
    UNFLUSHED,
)
_RESERVED = re.compile(
    r"(?:%s|%s[0-9a-f]{12}|(?:%s|%s)[0-9a-f]{10})\Z"
    % ("|".join([*PORTS.values(), *_FIXED]), ANONYMOUS, NETWORK, CONTAINERS)
)


def set_name(value: object, path: str) -> str:
    """A user's name of a set.

    Raises DrawbridgeError where it could not be part of an ipset's name, or is one that the compiler uses itself.
    """
    if not isinstance(value, str) or not _NAME.match(value):
        raise DrawbridgeError(
            "%s is not a name for an address set" % quoted(value), path, "letters, digits, _, . and - are possible"
        )
    if len(value) > MAX_NAME:
        raise DrawbridgeError("%s: an address set's name has at most %d characters" % (quoted(value), MAX_NAME), path)
    if _RESERVED.match(value):
        raise DrawbridgeError("%s is a name that Drawbridge uses itself" % quoted(value), path, "choose another one")
    return value
