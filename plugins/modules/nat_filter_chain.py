# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Ansible module: DOCKER-FILTER, the chain ahead of Docker's DNAT."""

from __future__ import annotations

DOCUMENTATION = r"""
module: nat_filter_chain
short_description: Decide in nat PREROUTING which traffic from outside Docker may DNAT to containers
version_added: 0.1.0
description:
  - Keeps the chain C(DOCKER-FILTER) in C(nat), hooked into C(PREROUTING) ahead of Docker's own jump. What is not allowed skips the DNAT.
  - A skipped DNAT is no protection by itself, because docker-proxy listens on the host port as well. So a second chain, C(DB-INPUT-PROXY)
    in C(INPUT), drops for both families what would reach docker-proxy.
  - nat sees only the first packet of a flow. Connections that exist when a client is removed go on. M(drawbridge.docker.host_policy) judges
    every packet and covers more ways into a container; prefer it for a host's whole policy.
  - Fails on engines with the nftables firewall backend, whose own nat chain DNATs whatever this one accepts.
author:
  - The Drawbridge authors (@drawbridge)
extends_documentation_fragment:
  - drawbridge.docker.netfilter
  - drawbridge.docker.netfilter.transport
  - drawbridge.docker.netfilter.cross_check
  - drawbridge.docker.engine
options:
  state:
    description: V(absent) removes both chains and their jumps.
    type: str
    choices: [present, absent]
    default: present
  default:
    description: What holds for published ports without an entry in O(allow).
    type: str
    choices: [deny, allow]
    default: deny
  allow:
    description: Who may reach which port. A port that has an entry is limited to its sources, whatever O(default) is.
    type: list
    elements: dict
    default: []
    suboptions:
      port:
        description: The host's port, or a range such as V(8000-8010).
        type: str
        required: true
      protocol:
        description: The protocol, one of V(tcp), V(udp) and V(sctp), in any case.
        type: str
        default: tcp
      address:
        description: The address of the host that the port is published on. Without it, every address of both families.
        type: str
      sources:
        description: Addresses and networks of both families, C(@name) for a set that M(drawbridge.docker.address_set) keeps, or V(any).
        type: list
        elements: str
        required: true
  unpublished:
    description:
      - V(leave) lets local destinations that are not published ports alone, other people's DNAT rules included.
      - V(deny) keeps everything that O(allow) does not name from DNAT, so that a port published later is not DNATed either. Where
        docker-proxy runs, it serves such a port until the next run.
    type: str
    choices: [leave, deny]
    default: leave
  external_interfaces:
    description:
      - The interfaces that are outside. A name may end in C(+).
      - Without it, every interface but the loopback and the bridges of Docker's networks.
    type: list
    elements: str
    default: []
seealso:
  - module: drawbridge.docker.host_policy
  - module: drawbridge.docker.docker_user_chain
"""

EXAMPLES = r"""
- name: The web ports for all, the admin port for the office, nothing else that is published
  drawbridge.docker.nat_filter_chain:
    allow:
      - {port: 80, sources: [any]}
      - {port: 443, sources: [any]}
      - {port: 8443, sources: ["@office", 10.0.0.0/8]}

- name: Everything stays open but the database
  drawbridge.docker.nat_filter_chain:
    default: allow
    allow:
      - {port: 5432, sources: [192.0.2.0/24]}

- name: Back to Docker's own behaviour
  drawbridge.docker.nat_filter_chain:
    state: absent
"""

RETURN = r"""
transport:
  description: The iptables variant that was used.
  returned: success
  type: str
  sample: nft
cross_checked:
  description:
    - What python-iptables found in the kernel after the change, see O(cross_check).
    - C(rules), how many rules it read as they were written; C(by_name_only), matches and targets whose options it cannot read; C(skipped), why nothing
      was compared, empty where it was.
  returned: when rules were written by legacy iptables, unless O(cross_check=never)
  type: dict
  sample: {rules: 41, by_name_only: [], skipped: ""}
"""

from typing import Any, Dict, List

from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.api.answers import NFTABLES
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.api.connect import connect
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.facts.gather import EngineFacts, ask
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.errors import DrawbridgeError
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.kernel.netfilter import Netfilter
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.rules.desired import DesiredState
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.chains.nat_filter import (
    NatFilter,
    compile_nat_filter,
    no_nat_filter,
)
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.preflight.external_interfaces import unseen
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.values.check import interfaces
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.values.entries import WITH_PORTS, parse_entries
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.tasks.run import (
    CROSS_CHECK_ARGUMENTS,
    ENGINE_ARGUMENTS,
    LOCK_ARGUMENTS,
    TRANSPORT_ARGUMENTS,
    Result,
    Task,
    run_module,
)
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.transaction.converge import converge


def keep_filter(task: Task) -> Result:
    """Bring the chains in nat and filter to the task's state."""
    if task.params["state"] == "absent":
        outcome = converge(task.system, task.settings(), lambda _netfilter: no_nat_filter())
        return Result(outcome.result(), outcome.warnings)
    wanted = _wanted(task.params)
    engagements: List[EngineFacts] = []

    def compiled(_netfilter: Netfilter) -> DesiredState:
        engagements.append(_asked(task))
        return compile_nat_filter(wanted, engagements[0].facts)

    outcome = converge(task.system, task.settings(), compiled)
    warnings = unseen(task.system, wanted.external_interfaces) + engagements[0].warnings
    return Result(outcome.result(), outcome.warnings + warnings)


def _wanted(params: Dict[str, Any]) -> NatFilter:
    allow = [{key: value for key, value in entry.items() if value is not None} for entry in params["allow"]]
    return NatFilter(
        denies=params["default"] == "deny",
        allow=parse_entries(allow, "allow", WITH_PORTS),
        denies_unpublished=params["unpublished"] == "deny",
        external_interfaces=interfaces(params["external_interfaces"], "external_interfaces"),
    )


def _asked(task: Task) -> EngineFacts:
    engagement = ask(connect(task.params["docker_host"]), task.system)
    if engagement.backend is not None and engagement.backend.driver == NFTABLES:
        raise DrawbridgeError(
            "this engine uses its nftables backend: its own nat chain DNATs whatever DOCKER-FILTER lets skip, so nothing would be closed",
            None,
            "use host_policy, or docker_user_chain with published_port",
        )
    return engagement


def main() -> None:
    run_module(
        {
            **LOCK_ARGUMENTS,
            **TRANSPORT_ARGUMENTS,
            **CROSS_CHECK_ARGUMENTS,
            **ENGINE_ARGUMENTS,
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "default": {"type": "str", "choices": ["deny", "allow"], "default": "deny"},
            "allow": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "port": {"type": "str", "required": True},
                    "protocol": {"type": "str", "default": "tcp"},
                    "address": {"type": "str"},
                    "sources": {"type": "list", "elements": "str", "required": True},
                },
            },
            "unpublished": {"type": "str", "choices": ["leave", "deny"], "default": "leave"},
            "external_interfaces": {"type": "list", "elements": "str", "default": []},
        },
        keep_filter,
    )


if __name__ == "__main__":
    main()
