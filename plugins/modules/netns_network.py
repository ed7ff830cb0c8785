# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Ansible module: namespaces, pairs of interfaces, bridges, addresses, routes and masquerading as one task."""

from __future__ import annotations

DOCUMENTATION = r"""
module: netns_network
short_description: Wire network namespaces by hand, as one task
version_added: 0.1.0
description:
  - Makes named network namespaces, veth pairs, bridges, addresses, routes and masquerading, what C(ip netns add), C(ip link add),
    C(ip address add), C(ip route add) and C(iptables -t nat) would do one by one.
  - The task says the whole wiring of its O(name). It changes only what differs, removes what it made and is not asked for any more, and O(state=absent)
    removes all of it. Addresses of its interfaces, and routes by them, that others added are removed as well.
  - What it did not make it does not touch. A namespace or an interface of that name that others made is an error, and so is a network that
    another interface of the host has, such as a Docker network, the host's own uplink or a VPN. The host's default route cannot be changed.
  - Fails if a step would cut the task's own SSH connection.
author:
  - The Drawbridge authors (@drawbridge)
extends_documentation_fragment:
  - drawbridge.docker.netfilter
  - drawbridge.docker.netfilter.transport
options:
  name:
    description: The name of the wiring, at most 16 letters, digits, C(-) and C(_). A host can have several that know nothing of each other.
    type: str
    required: true
  state:
    description: V(absent) removes all that tasks with this O(name) made. The other options are not looked at then.
    type: str
    choices: [present, absent]
    default: present
  namespaces:
    description: The named network namespaces, as C(ip netns list) tells them. Their loopback is always up.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: The name.
        type: str
        required: true
      forwarding:
        description: Whether the namespace forwards packets, for both families.
        type: bool
        default: false
      interfaces:
        description: Its interfaces. Each is one end of a veth pair.
        type: list
        elements: dict
        default: []
        suboptions:
          name:
            description: The name inside the namespace.
            type: str
            required: true
          peer:
            description: The name of the other end. With O(namespaces[].interfaces[].bridge) it may be left out, and is C(veth) and eight digits then.
            type: str
          peer_namespace:
            description: The namespace of this task that the other end is in. Without it, the host.
            type: str
          peer_addresses:
            description: The addresses of the other end. A port of a bridge has none.
            type: list
            elements: str
            default: []
          bridge:
            description: The bridge of this task whose port the other end becomes.
            type: str
          addresses:
            description: The addresses inside the namespace, with prefix length, as V(172.18.0.10/16). These and no others.
            type: list
            elements: str
            default: []
          mtu:
            description: The MTU of both ends.
            type: int
            default: 1500
          state:
            description: Whether both ends are up.
            type: str
            choices: [up, down]
            default: up
      routes:
        description: The routes by these interfaces. These and no others, beside those that the kernel makes for addresses.
        type: list
        elements: dict
        default: []
        suboptions:
          to:
            description: A network, an address or V(default).
            type: str
            required: true
          via:
            description: The gateway. V(default) takes its family from it.
            type: str
          dev:
            description: The interface. Without it, the one that has a network with the gateway in it.
            type: str
          metric:
            description: The metric. Without it, the kernel's own, which is 0 for IPv4 and 1024 for IPv6.
            type: int
  bridges:
    description: Bridges of the host. Their ports are the interfaces that name them.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: The name.
        type: str
        required: true
      addresses:
        description: The host's addresses on it, with prefix length. These and no others.
        type: list
        elements: str
        default: []
      stp:
        description: Whether the bridge speaks the spanning tree protocol.
        type: bool
        default: false
      state:
        description: Whether it is up.
        type: str
        choices: [up, down]
        default: up
  routes:
    description: Routes of the host by interfaces of this task.
    type: list
    elements: dict
    default: []
    suboptions:
      to:
        description: A network or an address. Default routes of the host are refused.
        type: str
        required: true
      via:
        description: The gateway.
        type: str
      dev:
        description: The interface of this task. Without it, the one that has a network with the gateway in it.
        type: str
      metric:
        description: The metric. Without it, the kernel's own.
        type: int
  masquerade:
    description: Networks whose packets get the host's address when they leave. Written to the chain C(DB-NETNS-) with O(name) in nat.
    type: list
    elements: dict
    default: []
    suboptions:
      source:
        description: The network, of either family.
        type: str
        required: true
      out_interface:
        description:
          - The interface that they leave by, or C(!) and the one that they do not, as V(!br0).
          - Without it, any interface but the one of this task that has an address in the network.
        type: str
attributes:
  check_mode:
    description: Reports what would change.
  diff_mode:
    description: Shows in words what is made and removed, and the rules as iptables-save prints them.
  platform:
    description: Linux hosts with iproute2, and with iptables where O(masquerade) is used.
requirements:
  - iproute2 4.18 or newer on the host
notes:
  - Nothing of it is kept over a boot, for named namespaces are not. Run the task again after one. The rules of O(masquerade) may be there before
    it, where M(drawbridge.docker.boot_restore) is used.
  - The record of what was made is in C(/run/drawbridge-netns). If it is removed, the task takes its own namespaces for those of others, and fails.
  - Whether the host forwards is M(drawbridge.docker.ip_forward)'s to say, and what becomes of forwarded packets is
    M(drawbridge.docker.forward_policy)'s and M(drawbridge.docker.docker_user_chain)'s. Beside Docker, frames between ports of a bridge pass
    C(FORWARD) too where C(br_netfilter) is loaded, so a policy V(DROP) stops pings between namespaces.
  - Programs that run in a namespace are not ended when it is removed. It lives on for them, without interfaces, and a warning names them.
  - If a step fails, what was made so far stays, and is recorded. The next run goes on from there, and O(state=absent) removes it.
  - It is not part of a checkpoint of M(drawbridge.docker.firewall_checkpoint), but for the rules of O(masquerade).
seealso:
  - module: drawbridge.docker.ip_forward
  - module: drawbridge.docker.forward_policy
  - module: drawbridge.docker.docker_user_chain
  - module: drawbridge.docker.masquerade
"""

EXAMPLES = r"""
- name: One namespace at the end of a cable
  drawbridge.docker.netns_network:
    name: lab
    namespaces:
      - name: netns0
        interfaces:
          - {name: ceth0, addresses: [172.18.0.10/16], peer: veth0, peer_addresses: [172.18.0.11/16]}

- name: Two namespaces at a bridge, for both families, masqueraded, as Docker does it
  drawbridge.docker.netns_network:
    name: lab
    bridges:
      - {name: br0, addresses: [172.18.0.1/16, "fd00:18::1/64"]}
    namespaces:
      - name: netns0
        interfaces: [{name: ceth0, peer: veth0, bridge: br0, addresses: [172.18.0.10/16, "fd00:18::10/64"]}]
        routes: [{to: default, via: 172.18.0.1}, {to: default, via: "fd00:18::1"}]
      - name: netns1
        interfaces: [{name: ceth1, peer: veth1, bridge: br0, addresses: [172.18.0.20/16, "fd00:18::20/64"]}]
        routes: [{to: default, via: 172.18.0.1}, {to: default, via: "fd00:18::1"}]
    masquerade:
      - {source: 172.18.0.0/16}
      - {source: "fd00:18::/64"}

- name: A router between two namespaces
  drawbridge.docker.netns_network:
    name: routed
    namespaces:
      - name: left
        interfaces: [{name: eth0, peer: to-left, peer_namespace: router, addresses: [10.1.0.2/24], peer_addresses: [10.1.0.1/24]}]
        routes: [{to: 10.2.0.0/24, via: 10.1.0.1}]
      - name: right
        interfaces: [{name: eth0, peer: to-right, peer_namespace: router, addresses: [10.2.0.2/24], peer_addresses: [10.2.0.1/24]}]
        routes: [{to: 10.1.0.0/24, via: 10.2.0.1}]
      - {name: router, forwarding: true}

- name: Without a trace
  drawbridge.docker.netns_network:
    name: lab
    state: absent
"""

RETURN = r"""
transport:
  description: The iptables variant that was used.
  returned: when there are rules of O(masquerade), or were
  type: str
  sample: nft
"""

from typing import Dict

from ansible_collections.drawbridge.docker.plugins.module_utils._internal.tasks.run import LOCK_ARGUMENTS, TRANSPORT_ARGUMENTS, run_module
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.tasks.wiring.keep import keep_network

_NAME: Dict[str, object] = {"type": "str", "required": True}
_TEXT: Dict[str, object] = {"type": "str"}
_TEXTS: Dict[str, object] = {"type": "list", "elements": "str", "default": []}
_NO: Dict[str, object] = {"type": "bool", "default": False}
_UP: Dict[str, object] = {"type": "str", "choices": ["up", "down"], "default": "up"}


def _each(**options: object) -> Dict[str, object]:
    return {"type": "list", "elements": "dict", "default": [], "options": options}


_ROUTES = _each(to=_NAME, via=_TEXT, dev=_TEXT, metric={"type": "int"})


def main() -> None:
    run_module(
        {
            **LOCK_ARGUMENTS,
            **TRANSPORT_ARGUMENTS,
            "name": _NAME,
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "namespaces": _each(
                name=_NAME,
                forwarding=_NO,
                interfaces=_each(
                    name=_NAME,
                    peer=_TEXT,
                    peer_namespace=_TEXT,
                    peer_addresses=_TEXTS,
                    bridge=_TEXT,
                    addresses=_TEXTS,
                    mtu={"type": "int", "default": 1500},
                    state=_UP,
                ),
                routes=_ROUTES,
            ),
            "bridges": _each(name=_NAME, addresses=_TEXTS, stp=_NO, state=_UP),
            "routes": _ROUTES,
            "masquerade": _each(source=_NAME, out_interface=_TEXT),
        },
        keep_network,
    )


if __name__ == "__main__":
    main()
