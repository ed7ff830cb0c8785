# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Ansible module: a port of a running container that was not published."""

from __future__ import annotations

DOCUMENTATION = r"""
module: container_port
short_description: Open a port of a running container that publishes none
version_added: 0.1.0
description:
  - Leads a port of the host to a port of a container that is already running, so that the container need not be made anew with a
    published port.
  - The port is reachable from outside, from the host itself by its own addresses (not by the loopback), and from other containers
    by the host's addresses, those of the same network included, for IPv4 and for IPv6, as far as O(sources) lets them.
  - What leads to the container stands in chains of its own, C(DB-PUBLISH-…) and C(DB-HAIRPIN-…), ahead of Docker's chains and of
    M(drawbridge.docker.nat_filter_chain). Docker's own chains are not touched, and engines that drop what they did not publish do not
    drop this, because what was led here is accepted before.
  - O(state=absent) removes all of it, and ends the connections that go through the port.
  - Fails for a port of the host that a container publishes, that a process of the host listens on (docker-proxy is one), or that another task
    opened, and names who has it.
  - Fails on engines with the nftables firewall backend, whose drop no rule of others can overrule.
author:
  - The Drawbridge authors (@drawbridge)
extends_documentation_fragment:
  - drawbridge.docker.containers
  - drawbridge.docker.netfilter
  - drawbridge.docker.netfilter.transport
options:
  name:
    description:
      - Exact name of the container.
      - A container has to match every selector that is given. One at least has to be given unless O(state=absent), which needs none and looks
        at none.
      - Exactly one running container has to match.
  on_missing:
    description:
      - Whether it is an error that no container matches, or none that runs.
      - With V(ignore) a port that leads nowhere is closed, since another container may get the address that it led to.
  state:
    description: V(absent) closes the port, whatever it leads to.
    type: str
    choices: [present, absent]
    default: present
  port:
    description: The host's port. Together with O(protocol) and O(address) it says which opened port is meant.
    type: int
    required: true
  protocol:
    description: The protocol.
    type: str
    choices: [tcp, udp, sctp]
    default: tcp
  address:
    description: The address of the host that the port is opened on. Without it, every address of both families.
    type: str
  container_port:
    description: The port that the container listens on. Needed unless O(state=absent).
    type: int
  sources:
    description:
      - Who may come in through the port - addresses and networks of both families, C(@name) for a set that
        M(drawbridge.docker.address_set) keeps, or V(any). Needed unless O(state=absent).
      - It holds for other containers too. The host itself may always.
      - Who is taken off the list loses open connections as well.
    type: list
    elements: str
  masquerade:
    description:
      - Whether the container sees the address of the host on its own network instead of the client's. A container without a way back to
        its clients, as on an internal network, needs it.
      - Containers of the same network are always seen so, since they would otherwise be answered by an address that they did not ask.
    type: bool
    default: false
  ip_version:
    description:
      - The families that the port is opened for, as far as the container has addresses of both. A warning tells which one it has not.
      - IPv6 clients do not reach a container that has an IPv4 address only. Docker's published ports do, through docker-proxy.
    type: str
    choices: [ipv4, ipv6, both]
    default: both
notes:
  - What is let through here is accepted, in a section of C(DOCKER-USER) with the priority 50. Later sections, and lines that others have there
    behind Drawbridge's jumps, do not see it. What M(drawbridge.docker.host_policy) and M(drawbridge.docker.container_egress) say
    about the ways out of containers is asked before, and so are sections of M(drawbridge.docker.docker_user_chain) with a lower
    priority. What C(published_ports) of a policy denies does not close the port, since it is opened by name.
  - A container that starts anew may have another address. Where M(drawbridge.docker.event_service) runs, the port follows it, and is closed while
    no container is there, or several match; elsewhere run the task again.
  - Connections are ended by C(conntrack), and by C(ss) inside the container. Where C(conntrack) is not installed, a warning says that they go on.
  - After a boot the port is closed until the task is run again or M(drawbridge.docker.event_service) has found its container, with
    M(drawbridge.docker.boot_restore) too. Containers may have other addresses then.
requirements:
  - conntrack on the host, so that connections end with the port
seealso:
  - module: drawbridge.docker.host_policy
  - module: drawbridge.docker.container_netns_rule
  - module: drawbridge.docker.address_set
"""

EXAMPLES = r"""
- name: Port 8080 of the host leads to port 80 of a container that publishes nothing
  drawbridge.docker.container_port:
    name: nginx
    port: 8080
    container_port: 80
    sources: [any]

- name: For the office only, on one address, and the container sees the host
  drawbridge.docker.container_port:
    compose_project: shop
    compose_service: admin
    port: 8443
    address: 192.0.2.7
    container_port: 443
    sources: ["@office", 10.0.0.0/8]
    masquerade: true

- name: Close the port
  drawbridge.docker.container_port:
    port: 8080
    state: absent
"""

RETURN = r"""
transport:
  description: The iptables variant that was used.
  returned: success
  type: str
  sample: nft
containers:
  description: The container that the port leads to. Empty where the port is closed.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: The container's name.
      type: str
      sample: nginx
    id:
      description: Its id.
      type: str
    state:
      description: Always V(running).
      type: str
      sample: running
    reason:
      description: Always V(none).
      type: str
    changed:
      description: Whether anything was changed for it.
      type: bool
    endpoints:
      description: Where the port leads, one for each family that it is open for.
      type: list
      elements: dict
      contains:
        ip_version:
          description: The family, V(ipv4) or V(ipv6).
          type: str
          sample: ipv4
        address:
          description: The container's address.
          type: str
          sample: 172.17.0.2
        port:
          description: The container's port.
          type: int
          sample: 80
        bridge:
          description: The host's interface of the container's network.
          type: str
          sample: docker0
recorded:
  description: Whether the host keeps a record, by which the port follows the container when it starts anew.
  returned: success
  type: bool
  sample: false
"""

from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.api.connect import connect
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.containers.selector import ENGINE_SELECTORS
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.tasks.container_port import open_port, own_memory
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.tasks.run import (
    ENGINE_ARGUMENTS,
    LOCK_ARGUMENTS,
    MISSING_ARGUMENTS,
    TRANSPORT_ARGUMENTS,
    Result,
    Task,
    run_module,
)


def keep_port(task: Task) -> Result:
    """Open or close the port, as the task says."""
    return open_port(task, connect, own_memory(task))


def main() -> None:
    run_module(
        {
            **ENGINE_SELECTORS,
            **MISSING_ARGUMENTS,
            **ENGINE_ARGUMENTS,
            **LOCK_ARGUMENTS,
            **TRANSPORT_ARGUMENTS,
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "port": {"type": "int", "required": True},
            "protocol": {"type": "str", "choices": ["tcp", "udp", "sctp"], "default": "tcp"},
            "address": {"type": "str"},
            "container_port": {"type": "int"},
            "sources": {"type": "list", "elements": "str"},
            "masquerade": {"type": "bool", "default": False},
            "ip_version": {"type": "str", "choices": ["ipv4", "ipv6", "both"], "default": "both"},
        },
        keep_port,
        required_if=[("state", "present", ("container_port", "sources"))],
    )


if __name__ == "__main__":
    main()
