# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Ansible module: what is open on a Docker host, for whom, by which rules, and what is wrong."""

from __future__ import annotations

DOCUMENTATION = r"""
module: firewall_audit_info
short_description: Tell what is open on a Docker host, for whom, and by which rules
version_added: 0.1.0
description:
  - Asks for every published port, for the containers' own addresses behind them and for every listening service of the host whether each zone reaches it.
    Zones are the internet, the neighbours on each link, the address sets that rules name, Docker's networks, and those of O(zones).
  - Each answer is a verdict of M(drawbridge.docker.packet_verdict) on one packet, with the packet's path through the rules.
  - Returns findings beside that, each with a severity, evidence and a remedy.
  - Needs no policy of Drawbridge's. Reads only. Sends no packet.
author:
  - The Drawbridge authors (@drawbridge)
options:
  docker_host:
    description:
      - Address of the engine. It should be on the host that the task runs on, whose rules are read.
      - Other addresses than C(unix://) need the Docker SDK for Python on the host.
    type: str
    default: unix:///var/run/docker.sock
  transport:
    description: Which iptables to take for the one in use, see M(drawbridge.docker.docker_firewall_info). Packets are judged by the rules of both.
    type: str
    choices: [auto, nft, legacy]
    default: auto
  zones:
    description:
      - Further zones by name. Each is a list of addresses and networks, or a dictionary with such a list as C(sources) and with the C(interface) by
        which its packets come. By default they come by the one that the host answers them by.
      - Of a zone, up to three addresses are asked about, of its first entry, of one in the middle and of its last.
    type: dict
    default: {}
  most_targets:
    description: So many targets are asked about at most, published ports first. RV(reachability.left_out) says how many were left out.
    type: int
    default: 500
attributes:
  check_mode:
    support: full
    description: Changes nothing, so check mode makes no difference.
  diff_mode:
    support: N/A
    description: Changes nothing.
  platform:
    support: full
    platforms: linux
    description: Linux hosts with iptables and iproute2.
requirements:
  - iproute2, iptables 1.8 or newer, and what the host has of ipset and nftables
  - root on the host
seealso:
  - module: drawbridge.docker.audit_summary
  - module: drawbridge.docker.packet_verdict
  - module: drawbridge.docker.docker_firewall_info
"""

EXAMPLES = r"""
- name: Audit the host
  drawbridge.docker.firewall_audit_info:
    zones:
      office: [203.0.113.0/24, "2001:db8:1::/48"]
      vpn: {sources: [10.8.0.0/24], interface: wg0}
  register: firewall_audit_outcome

- name: List what the internet reaches
  ansible.builtin.debug:
    msg: "{{ item }}"
  loop: >-
    {{ firewall_audit_outcome | drawbridge.docker.pick("reachability.targets[?reach[?zone=='internet' && state=='open']].join(' ', [name, to_string(port)])") }}
"""

RETURN = r"""
engine:
  description: The engine, see RV(drawbridge.docker.docker_firewall_info#module:engine).
  returned: success
  type: dict
iptables:
  description: The variants of iptables, see RV(drawbridge.docker.docker_firewall_info#module:iptables).
  returned: success
  type: dict
event_service:
  description: V(running), V(stopped) or V(absent).
  returned: success
  type: str
late_ports:
  description: What closes ports that are published from now on, see RV(drawbridge.docker.docker_firewall_info#module:late_ports).
  returned: success
  type: str
boot_restore:
  description: Whether the host loads Drawbridge's rules at boot, V(running), V(stopped) or V(absent).
  returned: success
  type: str
networks:
  description: Docker's networks, see RV(drawbridge.docker.docker_firewall_info#module:networks).
  returned: success
  type: list
  elements: dict
published_ports:
  description: The published ports, see RV(drawbridge.docker.docker_firewall_info#module:published_ports).
  returned: success
  type: list
  elements: dict
containers:
  description: The running containers' privileges.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: The container.
      type: str
    privileged:
      description: Whether it was started with C(--privileged), null if that is not known.
      type: bool
    net_admin:
      description: Whether it has NET_ADMIN.
      type: bool
    net_raw:
      description: Whether it has NET_RAW.
      type: bool
    engine_socket:
      description: Whether an engine's socket, or a folder with one, is mounted in it.
      type: bool
    host_network:
      description: Whether it is on the host's network.
      type: bool
findings:
  description: What is wrong, or worth knowing, the severest first.
  returned: success
  type: list
  elements: dict
  contains:
    id:
      description:
        - A key for programs. Those of RV(drawbridge.docker.docker_firewall_info#module:findings[].code), and these.
        - V(open_to_internet), V(wider_than_policy), V(ipv6_wider), V(open_by_direct_routing), V(served_by_proxy), about ports and who reaches them.
        - V(engine_api_reachable), an engine's API on the network.
        - V(container_privileged), V(container_engine_socket), V(container_net_admin), V(container_host_network), V(container_net_raw), what containers may do.
        - V(no_boot_restore), V(no_event_service), V(event_service_stopped), units that are missing.
        - V(not_filtered), V(lines_ahead_of_ours), V(not_known), V(engine_not_asked), V(targets_left_out).
      type: str
      sample: open_to_internet
    severity:
      description: V(high), V(medium) or V(low).
      type: str
    message:
      description: What was found.
      type: str
    evidence:
      description: What it was seen by, a line each.
      type: list
      elements: str
      sample: ["ipv4 0.0.0.0:5432/tcp (db): from internet; the policy of chain FORWARD in table filter: policy ACCEPT"]
    remedy:
      description: What to do about it.
      type: str
reachability:
  description: Who reaches what.
  returned: success
  type: dict
  contains:
    zones:
      description: The zones.
      type: list
      elements: dict
      contains:
        name:
          description: Its name.
          type: str
          sample: internet
        kind:
          description: V(internet), V(link) for the neighbours by an interface, V(given) for those of O(zones), V(set), V(network) for Docker's.
          type: str
        interface:
          description: The interface by which its packets come, null where the host's routes tell it.
          type: str
        addresses:
          description: The addresses that stand for it, by family. That of the internet is one that no rule and no set names.
          type: dict
          sample: {"ipv4": ["45.99.88.77"]}
    targets:
      description: What can be reached.
      type: list
      elements: dict
      contains:
        kind:
          description: V(published) for published ports, V(direct) for containers' own addresses, V(service) for services of the host.
          type: str
        family:
          description: V(ipv4) or V(ipv6).
          type: str
        address:
          description: The address, null for every address of the host.
          type: str
        port:
          description: The port.
          type: int
        protocol:
          description: V(tcp), V(udp) or V(sctp).
          type: str
        name:
          description: The container, or the process.
          type: str
        container_port:
          description: The port inside the container, null for services.
          type: int
        loopback:
          description: Whether it is published on the loopback only.
          type: bool
        reach:
          description: An answer for each zone, in their order.
          type: list
          elements: dict
          contains:
            zone:
              description: The zone's name.
              type: str
            state:
              description:
                - V(open), V(closed), or V(some) if some of the zone's addresses get in and others do not.
                - V(unknown) if it depends on what is not modelled, V(none) if no packet can come from there.
              type: str
            reason:
              description: Why.
              type: str
            asked:
              description: The packet, as O(drawbridge.docker.packet_verdict#module:packets) has it, null if none was asked about.
              type: dict
            verdict:
              description: The verdict on it.
              type: str
            packet:
              description: The packet in words.
              type: str
            end_point:
              description: Who gets it, see RV(drawbridge.docker.packet_verdict#module:verdicts[].end_point).
              type: dict
            path:
              description: Its path's number in RV(reachability.paths).
              type: int
    paths:
      description: Each path as the numbers of its steps in RV(reachability.steps).
      type: list
      elements: list
    steps:
      description: The steps, see RV(drawbridge.docker.packet_verdict#module:verdicts[].path).
      type: list
      elements: dict
    left_out:
      description: How many targets were not asked about.
      type: int
"""

from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.api.connect import connect
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.errors import DrawbridgeError
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.inspect.audit.look import Asked, audit
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.inspect.audit.zones import parse_zones
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.tasks.run import (
    ENGINE_ARGUMENTS,
    TRANSPORT_ARGUMENTS,
    Result,
    Task,
    run_module,
)


def look(task: Task) -> Result:
    """Look at the host, ask about the packets, and report."""
    params = task.params
    if params["most_targets"] < 1:
        raise DrawbridgeError("%d targets are none" % params["most_targets"], "most_targets", "it is 1 or more")
    asked = Asked(params["transport"], parse_zones(params["zones"]), params["most_targets"])
    values, warnings = audit(task.system, connect(params["docker_host"]), asked)
    return Result(dict(values, changed=False), warnings)


def main() -> None:
    run_module(
        {**ENGINE_ARGUMENTS, **TRANSPORT_ARGUMENTS, "zones": {"type": "dict", "default": {}}, "most_targets": {"type": "int", "default": 500}},
        look,
    )


if __name__ == "__main__":
    main()
