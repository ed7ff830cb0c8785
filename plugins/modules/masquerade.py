# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Ansible module: source NAT of Docker's networks."""

from __future__ import annotations

DOCUMENTATION = r"""
module: masquerade
short_description: Turn masquerading of Docker networks off, or give it a fixed address
version_added: 0.1.0
description:
  - Decides, for each Docker network or subnet, whether containers appear outside with the host's address (Docker's own rule), with
    their own, or with an address that is given.
  - Docker's C(MASQUERADE) rules are neither deleted nor changed. A nat chain in a table of its own in nftables, just ahead of iptables' own,
    decides before they are asked, so it outlives the engine's restarts and the making of networks, which put Docker's rules on top again.
  - It is about what leaves a network by another interface than its bridge. Traffic between containers of one network, to the host, and
    containers that reach their own published ports are as Docker leaves them.
  - The module keeps the whole list. What is not mentioned is left to Docker.
  - The key C(masquerade) of M(drawbridge.docker.host_policy) says the same as a part of a policy, and comes first where both speak.
author:
  - The Drawbridge authors (@drawbridge)
extends_documentation_fragment:
  - drawbridge.docker.netfilter
  - drawbridge.docker.netfilter.transport
  - drawbridge.docker.engine
options:
  networks:
    description:
      - Docker networks by name, and for each V(true) (Docker decides), V(false) (the container's own address is seen outside), an
        address, or a list of one address for each family, which becomes the source.
      - A family without an address in the list is left to Docker.
      - The engine is asked for the network's subnets and bridge at each run. A network that does not exist is a warning.
    type: dict
    default: {}
  subnets:
    description:
      - The same for parts of Docker networks, or for all Docker networks within a larger one.
      - The narrowest statement decides, O(subnets) before O(networks).
    type: dict
    default: {}
  all:
    description: The same for all Docker bridge networks that exist when the task runs.
    type: raw
  state:
    description: V(absent) leaves all to Docker again.
    type: str
    choices: [present, absent]
    default: present
notes:
  - The host must have C(nft) for this to outlive Docker's changes. Without it, rules stand in C(DB-POST) at the top of nat C(POSTROUTING). Docker
    puts its own above that jump at the next network create or start, and until the next run its C(MASQUERADE) decides.
  - Connections that are open keep the source that they began with.
  - With V(false) the outside needs a route back to the containers' addresses.
  - "Docker Engine from 28 on drops whatever comes from outside for a container's own address, replies included, before any rule of ours could see
    it. V(false) is then of use only with C(allow-direct-routing) in C(daemon.json), or on networks with the gateway mode C(routed) or
    C(nat-unprotected). A warning tells where that is so."
  - An address that is given has to be one of the host's, or be routed to it.
seealso:
  - module: drawbridge.docker.host_policy
  - module: drawbridge.docker.container_egress
"""

EXAMPLES = r"""
- name: Containers on backend are seen with their own addresses, those on mail with a second address of the host
  drawbridge.docker.masquerade:
    networks:
      backend: false
      mail: [192.0.2.25, "2001:db8:1::25"]

- name: No masquerading but for one network, and for a part of another
  drawbridge.docker.masquerade:
    all: false
    networks:
      frontend: true
    subnets:
      172.20.8.0/24: true

- name: As Docker does it
  drawbridge.docker.masquerade:
    state: absent
"""

RETURN = r"""
transport:
  description: The iptables variant that was used where the host has no nft.
  returned: success
  type: str
  sample: nft
persistent:
  description: Whether the host has nft, so that Docker's own changes do not put its rules first.
  returned: success
  type: bool
  sample: true
"""

from typing import Dict, List

from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.api.connect import connect
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.daemon.nftables_backend import bridges_tables
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.facts.facts import unknown_host
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.facts.gather import ask
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.kernel.netfilter import Netfilter
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.rules.desired import DesiredState
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.blocks.owners import TASK_MASQUERADE
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.chains.masquerade import warnings_about, with_masquerade
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.language.masquerade import parse_masquerade
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.tasks.run import (
    ENGINE_ARGUMENTS,
    LOCK_ARGUMENTS,
    TRANSPORT_ARGUMENTS,
    Result,
    Task,
    run_module,
)
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.transaction.converge import converge

_NOTHING = DesiredState(chains=[], hooks=[], owned=[])


def keep_masquerade(task: Task) -> Result:
    """Bring the host's source NAT to the task's state."""
    present = task.params["state"] == "present"
    said = parse_masquerade(_given(task.params), "masquerade") if present else None
    warnings: List[str] = []
    persistent: List[bool] = []

    def wanted(netfilter: Netfilter) -> DesiredState:
        facts = unknown_host(swarm=False)
        if said is not None:
            told = ask(connect(task.params["docker_host"]), task.system)
            facts = told.facts
            warnings.extend(told.warnings + warnings_about(said, facts, netfilter.rulesets, lambda: bridges_tables(netfilter.system)))
        persistent.append(netfilter.nft.is_installed)
        return with_masquerade(_NOTHING, said, facts, persistent[0], TASK_MASQUERADE)

    outcome = converge(task.system, task.settings(), wanted)
    return Result(dict(outcome.result(), persistent=persistent[0]), warnings + outcome.warnings)


def _given(params: Dict[str, object]) -> Dict[str, object]:
    given = {key: params[key] for key in ("networks", "subnets")}
    return given if params["all"] is None else dict(given, all=params["all"])


def main() -> None:
    run_module(
        {
            **LOCK_ARGUMENTS,
            **TRANSPORT_ARGUMENTS,
            **ENGINE_ARGUMENTS,
            "networks": {"type": "dict", "default": {}},
            "subnets": {"type": "dict", "default": {}},
            "all": {"type": "raw"},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
        keep_masquerade,
    )


if __name__ == "__main__":
    main()
