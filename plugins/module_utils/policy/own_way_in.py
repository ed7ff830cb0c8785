# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A policy that would shut out the task's own SSH connection is refused before anything is written."""

from __future__ import annotations

from typing import Optional, Tuple

from ..errors import DrawbridgeError
from ..host.ssh import Connection, controlling_connection
from ..host.system import System
from ..netfilter.ipset import Ipset
from ..netfilter.names import user_set
from .check import names_interface
from .host import HostFacts
from .lockout import shut_out
from .model import Policy


def refuse_lockout(system: System, ipset: Ipset, policy: Policy, facts: HostFacts) -> None:
    """Raises DrawbridgeError that names the place in the policy. Where no SSH connection is found there is nothing to say."""
    if policy.host_services is not None:
        _refuse_from_outside(system, ipset, policy, facts)
    if policy.egress is not None:
        from .lockout_within import refuse_egress_lockout  # pylint: disable=import-outside-toplevel

        refuse_egress_lockout(system, policy.egress, facts)


def refuse(connection: Connection, place: str) -> DrawbridgeError:
    """What is said of a change that shuts out the connection that brought it."""
    return DrawbridgeError(
        "this shuts %s out from port %d, by which this task came in; nothing was changed"
        % (connection.remote_address, connection.local_port),
        place,
        "allow it, or set allow_lockout",
    )


def _refuse_from_outside(system: System, ipset: Ipset, policy: Policy, facts: HostFacts) -> None:
    connection = controlling_connection(system)
    if connection is None or not _comes_from_outside(system, connection, policy.external_interfaces):
        return

    def in_host_set(name: str, family: int, address: str) -> bool:
        return ipset.holds(user_set(name, family), address)

    place = shut_out(policy, facts, *connection, in_host_set)
    if place is not None:
        raise refuse(connection, place)


def _comes_from_outside(system: System, connection: Connection, external: Tuple[str, ...]) -> bool:
    if not external:
        return True
    interface = interface_to(system, connection.remote_address)
    return interface is None or any(names_interface(name, interface) for name in external)


def interface_to(system: System, address: str) -> Optional[str]:
    """The interface that the host answers the address by."""
    words = system.run([system.require("ip", "iproute2"), "-o", "route", "get", address]).stdout.split()
    return words[words.index("dev") + 1] if "dev" in words[:-1] else None
