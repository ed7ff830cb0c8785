# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Ansible module: what containers' network namespaces hold, and what the containers may do to networks."""

from __future__ import annotations

DOCUMENTATION = r"""
module: container_netns_info
short_description: Tell rules, addresses and network privileges of containers
version_added: 0.1.0
description:
  - Looks into the network namespace of each container that is chosen, or of all containers, from the host. Changes nothing.
  - Finds what a container holds (C(NET_ADMIN), the engine's socket, the host's network) that a rule from the host would make needless,
    and gives the rules that it keeps by itself as arguments of M(drawbridge.docker.container_netns_rule).
author:
  - The Drawbridge authors (@drawbridge)
extends_documentation_fragment:
  - drawbridge.docker.containers
  - drawbridge.docker.containers.namespaces
attributes:
  check_mode:
    support: full
    description: Changes nothing, so check mode makes no difference.
  diff_mode:
    support: none
    description: Has nothing to compare.
  platform:
    support: full
    platforms: linux
    description: Linux hosts with iproute2, and iptables where containers have rules.
requirements:
  - iproute2, and iptables to read rules, on the host
  - root on the host
seealso:
  - module: drawbridge.docker.container_netns_rule
  - module: drawbridge.docker.docker_firewall_info
"""

EXAMPLES = r"""
- name: Look into all containers
  drawbridge.docker.container_netns_info:
  register: inside

- name: List the containers that could do with less
  ansible.builtin.debug:
    msg: "{{ item.name }}: {{ item.findings | map(attribute='code') | join(', ') }}"
  loop: "{{ inside.containers | rejectattr('findings', 'equalto', []) }}"
  loop_control:
    label: "{{ item.name }}"

- name: Look into one Compose service
  drawbridge.docker.container_netns_info:
    compose_project: shop
    compose_service: web
  register: web

- name: Keep from the host what its first container keeps by itself
  drawbridge.docker.container_netns_rule:
    id: "{{ web.containers[0].id }}"
    section: "own-{{ item.table }}-{{ item.chain | lower }}-{{ item.ip_version[-1] }}"
    table: "{{ item.table }}"
    chain: "{{ item.chain }}"
    ip_version: "{{ item.ip_version }}"
    established: false
    loopback: false
    rules: "{{ item.rules }}"
  loop: "{{ web.containers[0].findings | map(attribute='rules') | flatten }}"
"""

RETURN = r"""
containers:
  description: The containers, by name.
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
    state:
      description: V(running), or what the engine calls what has no process.
      type: str
      sample: running
    reason:
      description: Why no rule can be put into it, or why something could not be read.
      type: str
    namespace:
      description: Its network namespace, null in both where it is stopped.
      type: dict
      contains:
        inode:
          description: The number that tells it from others.
          type: int
          sample: 4026532281
        path:
          description: Its file on the host, as the engine keeps one for each container that it gave a network; for others that of a process.
          type: str
          sample: /proc/4711/root/run/docker/netns/e6f9e9d06866
    shared_with:
      description: Others of the chosen ones that are in the same namespace.
      type: list
      elements: str
    addresses:
      description: Its addresses, without those of the loopback; empty on the host's network.
      type: list
      elements: dict
      contains:
        interface:
          description: The interface inside.
          type: str
          sample: eth0
        address:
          description: The address and its prefix length.
          type: str
          sample: 172.17.0.2/16
    rules:
      description: What its tables hold, in both variants of iptables; empty on the host's network.
      type: list
      elements: dict
      contains:
        transport:
          description: V(nft) or V(legacy).
          type: str
        family:
          description: V(ipv4) or V(ipv6).
          type: str
        table:
          description: The table.
          type: str
        lines:
          description: Policies other than ACCEPT, chains and rules, in the words of iptables-save.
          type: list
          elements: str
    privileged:
      description: Whether it was started privileged; null where no engine tells.
      type: bool
    net_admin:
      description: Whether processes in it can have C(NET_ADMIN), by the kernel where it runs, else by its configuration.
      type: bool
    net_raw:
      description: The same for C(NET_RAW), which engines give by default.
      type: bool
    host_network:
      description: Whether it is on the host's network.
      type: bool
    engine_socket:
      description: Whether a socket of an engine, or a folder with one in it, is mounted into it; null where no engine tells.
      type: bool
    findings:
      description: What a rule from the host would make needless.
      type: list
      elements: dict
      contains:
        code:
          description: V(host_network), V(engine_socket), V(privileged), V(net_admin) or V(net_raw).
          type: str
          sample: net_admin
        message:
          description: What was found.
          type: str
        hint:
          description: What to do instead.
          type: str
        rules:
          description: The rules that it keeps by itself in built-in chains, as arguments of M(drawbridge.docker.container_netns_rule).
          type: list
          elements: dict
          contains:
            table:
              description: The table.
              type: str
            chain:
              description: The built-in chain.
              type: str
            ip_version:
              description: The family.
              type: str
            rules:
              description: The rules, in iptables' syntax.
              type: list
              elements: str
"""

from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.api.sdk import SdkEngine
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.containers.select import (
    every_container,
    nothing_matches,
    select,
)
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.containers.selector import (
    SELECTOR_ARGUMENTS,
    parse_selector,
)
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.inspect.container_namespaces import look_inside
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.tasks.run import (
    ENGINE_ARGUMENTS,
    MISSING_ARGUMENTS,
    Result,
    Task,
    run_module,
)


def look(task: Task) -> Result:
    """Read the namespaces of the chosen containers, or of all."""
    params = task.params
    chosen = {key: params[key] for key in SELECTOR_ARGUMENTS if params[key] is not None}
    if not chosen:
        targets = every_container(task.system, SdkEngine(params["docker_host"]))
        return Result({"changed": False, "containers": look_inside(task.system, targets)})
    targets = select(parse_selector(chosen), task.system, lambda: SdkEngine(params["docker_host"]))
    if not targets and params["on_missing"] == "fail":
        raise nothing_matches()
    return Result({"changed": False, "containers": look_inside(task.system, targets)})


def main() -> None:
    run_module({**SELECTOR_ARGUMENTS, **MISSING_ARGUMENTS, **ENGINE_ARGUMENTS}, look)


if __name__ == "__main__":
    main()
