# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Ansible module: rules inside containers' network namespaces."""

from __future__ import annotations

DOCUMENTATION = r"""
module: container_netns_rule
short_description: Manage ordered rules inside the network namespaces of containers, from the host
version_added: 0.1.0
description:
  - Keeps a section of rules in a chain of its own (C(DB-NS-section)) in the network namespace of every container that is chosen, entered
    by one jump. The host's iptables is used, so that a container needs neither C(NET_ADMIN) nor an iptables of its own.
  - The host's own rules are not touched, nor are those that a container with C(NET_ADMIN) made for itself, nor those by which the
    engine's resolver (127.0.0.11) works.
  - The namespace is held open and proven to be the container's before anything is written. A container that ends meanwhile is
    reported with the state C(exited).
  - Containers on the host's network are refused, before any other is changed. Containers that share a namespace (C(network_mode) of
    another container, pods) are handled once. Stopped ones are reported.
  - Address sets (C(@name)) are the host's, as M(drawbridge.docker.address_set) keeps them. A namespace has its own sets, so they are copied
    into it beside the rules; run the task again where a set has changed.
  - A restarted container has a new namespace, without rules. Where M(drawbridge.docker.event_service) is set up, the task is recorded on the
    host, and its rules are put into every container that starts and is chosen; elsewhere run the task again.
  - Records hold what was asked last. O(state=absent) drops those that it is for. What is chosen by O(pid) or O(path) cannot be found again
    and is not recorded.
author:
  - The Drawbridge authors (@drawbridge)
extends_documentation_fragment:
  - drawbridge.docker.containers
  - drawbridge.docker.containers.namespaces
  - drawbridge.docker.netfilter
  - drawbridge.docker.netfilter.transport
  - drawbridge.docker.netfilter.rules
options:
  section:
    description:
      - Name of the section. Letters, digits, C(_) and C(-), at most 22 characters.
      - C(policy), C(egress) and names that begin with one of them and a C(-) are kept for other modules of the collection.
    type: str
    required: true
  state:
    description: V(absent) removes the section, its chain and its jump, in whichever table and chain it is.
    type: str
    choices: [present, absent]
    default: present
  table:
    description: The table. A section is in one table only, and moves there if it was in another.
    type: str
    choices: [filter, mangle, raw, nat]
    default: filter
  chain:
    description: The built-in chain of the namespace that enters the section. Each table has some of them.
    type: str
    choices: [INPUT, OUTPUT, FORWARD, PREROUTING, POSTROUTING]
    default: INPUT
  priority:
    description: Place among the sections of one chain, lowest first, from 0 to 9999.
    type: int
    default: 500
  established:
    description:
      - Whether packets of flows that are established, and related ones, pass the section before its rules are looked at.
      - In O(table=filter) only; other tables see every packet.
    type: bool
    default: true
  loopback:
    description:
      - Whether what stays inside the namespace (C(lo)), name look-ups by the engine's resolver among it, passes the section before its
        rules are looked at.
      - In O(table=nat) what belongs to the resolver always passes, and this option has no effect.
    type: bool
    default: true
  purge:
    description:
      - Whether lines in O(chain) that are not Drawbridge's are deleted.
      - These are exactly those that the diff shows, never the lines of the engine's resolver.
    type: bool
    default: false
seealso:
  - module: drawbridge.docker.container_netns_info
  - module: drawbridge.docker.event_service
  - module: drawbridge.docker.docker_user_chain
  - module: drawbridge.docker.address_set
"""

EXAMPLES = r"""
- name: One source is dropped inside one container, which has no NET_ADMIN
  drawbridge.docker.container_netns_rule:
    name: ubuntu
    section: blocked
    rules:
      - {source: 192.0.2.47, jump: DROP}

- name: A Compose service reaches its database and nothing else
  drawbridge.docker.container_netns_rule:
    compose_project: shop
    compose_service: web
    section: outgoing
    chain: OUTPUT
    rules:
      - {protocol: tcp, destination: 10.0.5.0/24, destination_port: 5432, jump: RETURN}
      - {jump: REJECT}

- name: All containers of an image, stopped or not, and none is fine too
  drawbridge.docker.container_netns_rule:
    query: "[?Config.Image == 'nginx:1']"
    on_missing: ignore
    section: web
    rules:
      - {protocol: tcp, destination_ports: ["80", "443"], jump: RETURN}
      - {jump: DROP}

- name: A Kubernetes pod on this node
  drawbridge.docker.container_netns_rule:
    pod: ubuntu-demo
    pod_namespace: default
    section: blocked
    rules:
      - {source: 192.0.2.47, jump: DROP}

- name: Take a section away from all containers of a project
  drawbridge.docker.container_netns_rule:
    compose_project: shop
    section: outgoing
    state: absent
"""

RETURN = r"""
chain:
  description: The section's chain.
  returned: success
  type: str
  sample: DB-NS-blocked
transport:
  description: The iptables variant that was used.
  returned: success
  type: str
  sample: nft
recorded:
  description: Whether M(drawbridge.docker.event_service) puts these rules into containers that start later.
  returned: success
  type: bool
  sample: false
containers:
  description: What was chosen, by name. Returned too when the task failed in some of them.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: The container's name, C(namespace/name) of a pod, empty for a bare process or namespace.
      type: str
      sample: web
    id:
      description: Id of the container or the pod's sandbox.
      type: str
    pid:
      description: A process in the namespace, 0 where there is none.
      type: int
      sample: 4711
    state:
      description: V(running); V(exited), V(created), V(restarting) and whatever else the engine calls what has no process; V(failed) where the
        rules could not be written.
      type: str
      sample: running
    reason:
      description: Why no rules were put in.
      type: str
    namespace:
      description: Inode of the network namespace.
      type: int
      sample: 4026532281
    shared_with:
      description: Others of the chosen ones that are in the same namespace.
      type: list
      elements: str
    changed:
      description: Whether anything was changed in its namespace.
      type: bool
"""

from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.api.sdk import SdkEngine
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.containers.selector import SELECTOR_ARGUMENTS
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.tasks.container_rules import own_memory, put_rules
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.tasks.run import (
    ENGINE_ARGUMENTS,
    LOCK_ARGUMENTS,
    MISSING_ARGUMENTS,
    SECTION_ARGUMENTS,
    TRANSPORT_ARGUMENTS,
    Result,
    Task,
    run_module,
)


def keep_section(task: Task) -> Result:
    """Bring the section in every chosen namespace to the task's state, and record it for containers that start later."""
    return put_rules(task, SdkEngine, own_memory(task))


def main() -> None:
    run_module(
        {
            **SELECTOR_ARGUMENTS,
            **MISSING_ARGUMENTS,
            **ENGINE_ARGUMENTS,
            **LOCK_ARGUMENTS,
            **TRANSPORT_ARGUMENTS,
            **SECTION_ARGUMENTS,
            "table": {"type": "str", "choices": ["filter", "mangle", "raw", "nat"], "default": "filter"},
            "chain": {
                "type": "str",
                "choices": ["INPUT", "OUTPUT", "FORWARD", "PREROUTING", "POSTROUTING"],
                "default": "INPUT",
            },
            "loopback": {"type": "bool", "default": True},
        },
        keep_section,
    )


if __name__ == "__main__":
    main()
