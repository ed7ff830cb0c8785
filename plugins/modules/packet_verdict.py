# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Ansible module: what would happen to packets on the host, and why."""

from __future__ import annotations

DOCUMENTATION = r"""
module: packet_verdict
short_description: Tell what a Docker host's firewall does with packets, and why
version_added: 0.1.0
description:
  - Walks packets through the rules, sets, routes and bridges of a host, as the kernel would, and tells whether each is accepted, dropped or rejected, who gets
    it, and by which rules. Sends nothing and changes nothing.
  - Knows iptables' tables of both variants (nft and legacy), IPv4 and IPv6, translation of addresses, connection tracking, ipsets, routing rules, bridges with
    and without C(br_netfilter), and listening sockets.
  - Knows the other tables of nftables, too, firewalld's, those of an engine with the backend nftables and Drawbridge's own, but for tables that judge frames
    of bridges and devices. A verdict that one of these may decide is V(unknown).
  - What is not known is named. The verdict is V(unknown) only where the answer matters. It is never a guess.
author:
  - The Drawbridge authors (@drawbridge)
options:
  packets:
    description:
      - The packets. Each is a dictionary.
      - C(from) is the address of the sender, or V(host) for a packet of the host itself.
      - C(to) is the address of the receiver, with a port and a protocol behind it, V(192.0.2.10:8080), V([2001:db8::10]:53/udp). Without a port the packet is
        a ping.
      - C(port) and C(protocol) may stand for themselves. A packet with a port is one of V(tcp) by default.
      - C(interface) is the host's interface, or bridge port, that it comes by. By default it is the one that the host answers the sender by.
      - C(state) is V(new) for the first packet of a flow, V(established) for a later one from the same end, V(reply) for an answer to what C(from) and C(to)
        describe, V(invalid) for one that connection tracking does not take for part of any flow. Default is V(new).
      - C(source_port), C(mark), C(icmp_type) (a name, or numbers, V(3/4)) and C(tcp_flags) (a list) are further parts of it. A rule that asks for the source
        port leaves the verdict open if none is given.
    type: list
    elements: dict
    required: true
  snapshot:
    description:
      - The texts of another host, or of another time, to be used instead of this host. RV(snapshot) has them.
      - Keys are V(addresses) (C(ip -j -d address), needed), V(iptables) and V(ip6tables) (C(iptables-save)), V(iptables_legacy), V(ip6tables_legacy), V(ipset)
        (C(ipset save)), V(routes) and V(routes6) (C(ip -j -4 route show table all)), V(rules) and V(rules6) (C(ip -j -4 rule)), V(sockets) (C(ss -Hlntup)),
        V(nftables) (C(nft -j list ruleset)) and V(settings) (C(sysctl -a)).
    type: dict
  return_snapshot:
    description: Whether to return the host's texts as RV(snapshot), to keep them, or to judge packets by them elsewhere.
    type: bool
    default: false
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
    description: Linux hosts with iproute2 and iptables.
requirements:
  - iproute2, and what the host has of iptables, ipset and nftables
  - root on the host
seealso:
  - module: drawbridge.docker.docker_firewall_info
  - module: drawbridge.docker.host_policy
"""

EXAMPLES = r"""
- name: Ask what happens to packets
  drawbridge.docker.packet_verdict:
    packets:
      - {from: 203.0.113.9, to: "192.0.2.10:8080"}
      - {from: "2001:db8:9::9", to: "[2001:db8::10]:53/udp"}
      - {from: 172.17.0.2, to: 198.51.100.7, port: 443}
      - {from: host, to: "172.17.0.2:5432"}
  register: asked

- name: Say it in words
  ansible.builtin.debug:
    msg: "{{ item.packet }}: {{ item.verdict }}, {{ item.reason }}"
  loop: "{{ asked.verdicts }}"
  loop_control:
    label: "{{ item.packet }}"

- name: Fail where the database can be reached from outside
  drawbridge.docker.packet_verdict:
    packets:
      - {from: 203.0.113.9, to: "192.0.2.10:5432"}
  register: database
  failed_when: database.verdicts[0].verdict not in ['dropped', 'rejected']

- name: Keep a host's texts
  drawbridge.docker.packet_verdict:
    packets: []
    return_snapshot: true
  register: kept

- name: Judge by them on the controller
  drawbridge.docker.packet_verdict:
    snapshot: "{{ kept.snapshot }}"
    packets:
      - {from: 203.0.113.9, to: "192.0.2.10:8080", state: established}
  delegate_to: localhost
"""

RETURN = r"""
verdicts:
  description: An answer for each packet, in their order.
  returned: success
  type: list
  elements: dict
  contains:
    packet:
      description: The packet in words.
      type: str
      sample: tcp from 203.0.113.9 to 192.0.2.10:8080 by eth0, new
    verdict:
      description: V(accepted), V(dropped), V(rejected) or V(unknown).
      type: str
      sample: dropped
    reason:
      description: What decides, on one line.
      type: str
      sample: "rule 4 of chain DB-GUARD in table mangle: -j DROP"
    end_point:
      description: Who gets the packet.
      type: dict
      contains:
        kind:
          description:
            - V(listener) for a socket of the host, V(nobody) for a port of the host where nobody listens, V(host) where sockets are not known or the protocol
              has none, V(interface) for a packet that leaves by an interface, V(bridge) for one that a bridge passes on, V(none) for one that goes nowhere,
              V(unknown) if it depends on what is not known.
          type: str
        text:
          description: The same in words.
          type: str
          sample: 172.17.0.2:80, by docker0
    path:
      description:
        - The rules that the packet meets, in order, with routes and other places that matter. Of an unknown verdict, what is certain.
        - Where RV(verdicts[].not_decisive) names something, it is the path of a packet that does not meet that.
      type: list
      elements: dict
      contains:
        table:
          description: The table, null for places outside of tables. A table of nftables is named with its family, V(inet firewalld).
          type: str
        chain:
          description: The chain.
          type: str
        rule:
          description: The rule's number in the chain, from 1; null for the chain's policy, and outside of tables.
          type: int
        text:
          description: The rule as iptables-save prints it behind the chain's name, or much as nft prints it, or the route, or words.
          type: str
        change:
          description: What changes in the packet, null without a change.
          type: str
          sample: destination is 172.17.0.2:80
        variant:
          description: V(nft) or V(legacy) where both have rules, else null.
          type: str
    unknown:
      description: What makes the verdict unknown, with the rule that asks for it. Empty for other verdicts.
      type: list
      elements: str
      sample: ["rule 3 of chain INPUT in table filter: -m recent --name ssh --update"]
    not_decisive:
      description: What is not known on the packet's way, and does not matter to the verdict.
      type: list
      elements: str
snapshot:
  description: The texts that the verdicts are made of, by the keys of O(snapshot).
  returned: O(return_snapshot=true)
  type: dict
"""

from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.verdict.snapshot.texts import from_texts, read_host
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.verdict.walk.asked import parse_asked
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.verdict.walk.judge import Judge
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.tasks.run import Result, Task, run_module


def judge(task: Task) -> Result:
    """Judge the packets by the host, or by the texts that the user gave."""
    asked = parse_asked(task.params["packets"])
    given = task.params["snapshot"]
    snapshot = read_host(task.system) if given is None else from_texts(given, "snapshot")
    judges = Judge(snapshot)
    verdicts = [judges.judge(packet, "packets[%d]" % place).shown for place, packet in enumerate(asked)]
    values = {"changed": False, "verdicts": verdicts}
    return Result(dict(values, snapshot=dict(snapshot.texts)) if task.params["return_snapshot"] else values)


def main() -> None:
    run_module(
        {
            "packets": {"type": "list", "elements": "dict", "required": True},
            "snapshot": {"type": "dict"},
            "return_snapshot": {"type": "bool", "default": False},
        },
        judge,
    )


if __name__ == "__main__":
    main()
