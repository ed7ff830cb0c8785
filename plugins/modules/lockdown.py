# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Ansible module: a host cut off, but for the controller's SSH."""

from __future__ import annotations

DOCUMENTATION = r"""
module: lockdown
short_description: Cut a host off from everything but the controller's own SSH, and take that back
version_added: 0.1.0
description:
  - For an incident. From one moment to the next nothing comes in, goes out or passes through but SSH from the address that this task came in by - no
    published port, no service of the host, no way out for containers or the host itself, no forwarding for others, IPv4 and IPv6.
  - Open connections are cut as well, at their next packet. Each packet is judged by its addresses alone, so a session that somebody else has
    stands still, and one from the controller's address goes on.
  - Flows that a flowtable forwards past every rule are given back to the rules, by C(conntrack -D). Where that command is missing, a warning says that
    they go on.
  - The rules stand in chains of their own in the mangle table (C(DB-LOCK), C(DB-LOCK-OUT), C(DB-LOCK-FWD)), ahead of all that Docker and
    policies do, and ask neither. The engine need not run. V(absent) removes them, and everything is as it was before, the policy of
    M(drawbridge.docker.host_policy) included.
  - The controller's address is taken from the socket of the C(sshd) that the task descends from, so C(become) makes no difference. Behind a
    bastion it is the bastion's, as the host sees it.
  - The change is confirmed over a new connection. Without one the host takes it back.
author:
  - The Drawbridge authors (@drawbridge)
extends_documentation_fragment:
  - drawbridge.docker.netfilter
  - drawbridge.docker.netfilter.transport
options:
  state:
    description: V(present) cuts off, V(absent) takes it back.
    type: str
    choices: [present, absent]
    default: present
  sources:
    description:
      - Further addresses and networks that reach the host's SSH, such as a second controller or a bastion.
      - Needed where the task does not come in by SSH.
    type: list
    elements: str
    default: []
  port:
    description: The host's SSH port. The one that the task came in by if left out, or 22.
    type: int
  confirm_timeout:
    description: Seconds within which a new connection to the host has to confirm the change; otherwise the host takes it back by itself. V(0) for no
      confirmation.
    type: int
    default: 30
notes:
  - What the host itself gets and sends all the same - the loopback, ICMP errors and path MTU discovery, IPv6 neighbour and router discovery, DHCP.
    Nothing passes through it, SSH included.
  - What only crosses a bridge, as between containers on one network or from a VM to the LAN that it is bridged to, is cut off only where the kernel
    shows such packets to iptables (C(net.bridge.bridge-nf-call-iptables=1), as where Docker set it). A warning tells where it does not.
  - Containers on macvlan and ipvlan networks, and whoever was given a network device of the host, send past the host's netfilter. They are not
    cut off. Stop them, or set their parent device down.
  - Logins that ask another machine, such as LDAP, and names of the controller that C(sshd) looks up, wait for answers that do not come.
  - While a host is cut off, policies and other modules can be applied as before. They show when it ends.
seealso:
  - module: drawbridge.docker.host_policy
  - module: drawbridge.docker.forward_policy
"""

EXAMPLES = r"""
- name: Cut the host off
  drawbridge.docker.lockdown:

- name: The same, and the forensics team keeps its way in
  drawbridge.docker.lockdown:
    sources: [192.0.2.40, "2001:db8:1::/64"]

- name: Everything as it was
  drawbridge.docker.lockdown:
    state: absent
"""

RETURN = r"""
transport:
  description: The iptables variant that was used.
  returned: success
  type: str
  sample: nft
ssh_from:
  description: Who reaches the host's SSH.
  returned: success and O(state=present)
  type: list
  elements: str
  sample: [192.0.2.100/32]
ssh_port:
  description: The host's SSH port that stays open to them.
  returned: success and O(state=present)
  type: int
  sample: 22
"""

from typing import List

from ansible_collections.drawbridge.docker.plugins.module_utils._internal.address import Network, parse_network
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.errors import DrawbridgeError
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.network.conntrack import flows, put_back
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.network.ssh import controlling_connection
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.system.system import System
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.chains.lockdown import cut_off, not_cut_off
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.preflight.bridged import unseen
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.tasks.run import (
    LOCK_ARGUMENTS,
    TRANSPORT_ARGUMENTS,
    Result,
    Task,
    run_module,
)
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.transaction.converge import converge


def keep_lockdown(task: Task) -> Result:
    """Cut the host off, or end that."""
    if task.params["state"] == "absent":
        outcome = converge(task.system, task.settings(), lambda _netfilter: not_cut_off())
        return Result(outcome.result(), outcome.warnings)
    connection = controlling_connection(task.system)
    ssh_from = [parse_network(text, "sources[%d]" % index) for index, text in enumerate(task.params["sources"])]
    if connection is not None:
        ssh_from.insert(0, parse_network(connection.remote_address))
    if not ssh_from:
        raise DrawbridgeError(
            "this task did not come in by SSH: nobody would be left who reaches the host",
            "sources",
            "say which addresses keep their SSH",
        )
    port = task.params["port"] or (connection.local_port if connection is not None else 22)
    if not 1 <= port <= 65535:
        raise DrawbridgeError("ports are from 1 to 65535", "port")
    wanted = cut_off(unique(ssh_from), port)
    outcome = converge(task.system, task.settings(), lambda _netfilter: wanted)
    reached = dict(outcome.result(), ssh_from=[str(network) for network in unique(ssh_from)], ssh_port=port)
    past = ["what only crosses a bridge, as between containers on one network, is not cut off: %s" % why for why in unseen(task.system)]
    return Result(reached, outcome.warnings + past + ([] if task.check_mode else _end_offloaded(task.system)))


def _end_offloaded(system: System) -> List[str]:
    """Put offloaded flows back under the rules → a warning if that fails."""
    kept = put_back(system, [flow for flow in flows(system) or [] if flow.offloaded])
    return ["flows that are offloaded (nft list flowtables) are not cut off: %s" % kept] if kept else []


def unique(networks: List[Network]) -> List[Network]:
    """Return each network once, in order."""
    return list(dict.fromkeys(networks))


def main() -> None:
    run_module(
        {
            **LOCK_ARGUMENTS,
            **TRANSPORT_ARGUMENTS,
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "sources": {"type": "list", "elements": "str", "default": []},
            "port": {"type": "int"},
            "confirm_timeout": {"type": "int", "default": 30},
        },
        keep_lockdown,
    )


if __name__ == "__main__":
    main()
