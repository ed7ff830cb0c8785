# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Ansible module: which way real packets go through a host's firewall, beside the way that the verdict says."""

from __future__ import annotations

DOCUMENTATION = r"""
module: packet_trace
short_description: Watch real packets on their way through a Docker host's firewall
version_added: 0.1.0
description:
  - Puts probes for packets of one flow, for a bounded time, takes down which rules and chains these packets meet, and takes the probes away again.
  - Tells of each packet that was seen what M(drawbridge.docker.packet_verdict) says about it, and the first difference.
  - Sends nothing. Send packets meanwhile, for instance by M(drawbridge.docker.packet_probe).
  - The probes are gone when the task ends, also if it fails, the play is interrupted, or the process is killed. The probe of nftables is a table that
    belongs to the task's process, and the kernel removes it with that process. Where the kernel (before 5.12) or nft does not know owners, and for
    iptables' rules, a process of its own removes the probes as soon as the task's process is gone, or the time is over. Should that one be killed as well,
    the next trace removes what it left.
author:
  - The Drawbridge authors (@drawbridge)
options:
  packet:
    description:
      - The flow, by the keys that O(drawbridge.docker.packet_verdict#module:packets) has. V(from) and V(to) are addresses as the packets come to this
        host, ahead of any translation. What is left out (C(source_port), C(interface)) may be anything.
      - C(state) may be V(new), the default, for first packets of connections, or V(established).
    type: dict
    required: true
  seconds:
    description: How long packets are waited for, from 1 to 300.
    type: int
    default: 10
  packets:
    description: How many packets are enough, from 1 to 100. The task ends with the last of them.
    type: int
    default: 1
  rate:
    description: How many packets a second are traced at most, from 1 to 1000. Others pass untraced.
    type: int
    default: 20
  method:
    description:
      - V(trace) has nftables trace packets, which tells every rule and every verdict, also of tables that iptables does not know. It does not see the rules
        of iptables-legacy.
      - V(nflog) puts a rule at the head of each chain of iptables, in every variant that has rules, which logs to this task alone. It tells the chains, not
        the rules.
      - V(log) does the same by rules that write to the kernel's log. In another network namespace than the machine's first one the kernel writes such lines
        only if C(net.netfilter.nf_log_all_netns) is 1. Where it is 0, the task fails before it puts anything.
      - V(auto) is V(trace), but V(nflog) where iptables-legacy has rules, or where nft is not installed.
    type: str
    choices: [auto, trace, nflog, log]
    default: auto
  lock_timeout:
    description: Seconds to wait for other tasks of this collection that are at work on the host.
    type: int
    default: 30
attributes:
  check_mode:
    support: full
    description: Puts no probe, so it sees no packet. RV(verdict) is there.
  diff_mode:
    support: none
    description: Leaves nothing changed.
  platform:
    support: full
    platforms: linux
    description: Linux hosts with iproute2, and nftables or iptables.
requirements:
  - iproute2, and nft for V(trace), or iptables with its targets C(NFLOG) or C(LOG) and its match C(conntrack)
  - root on the host
notes:
  - Probes of V(nflog) and V(log) are rules in chains of others for as long as the trace lasts. Whoever counts rules there counts them, too.
  - A packet that a bridge passes on below IP, or that a flowtable takes past the rules, is not seen.
seealso:
  - module: drawbridge.docker.packet_verdict
  - module: drawbridge.docker.packet_probe
"""

EXAMPLES = r"""
- name: Watch for the next packet from the office to the published port
  drawbridge.docker.packet_trace:
    packet: {from: 203.0.113.9, to: "192.0.2.10:8080"}
    seconds: 30
  register: traced

- name: Say it in words
  ansible.builtin.debug:
    msg: "{{ item.verdict }}: {{ item.reason }}; {{ item.difference | default('as the verdict says', true) }}"
  loop: "{{ traced.seen }}"
  loop_control:
    label: "{{ item.packet }}"

- name: Watch while another host of the inventory sends
  drawbridge.docker.packet_trace:
    packet: {from: 192.0.2.66, to: "192.0.2.10:8080"}
    seconds: 20
  async: 60
  poll: 0
  register: watching

- name: Send
  drawbridge.docker.packet_probe:
    to: 192.0.2.10
    port: 8080
  delegate_to: client

- name: Read what was seen
  ansible.builtin.async_status:
    jid: "{{ watching.ansible_job_id }}"
  register: seen
  until: seen is finished
  retries: 30
  delay: 1
"""

RETURN = r"""
method:
  description: How packets are seen, V(trace), V(nflog) or V(log).
  returned: success
  type: str
verdict:
  description: What M(drawbridge.docker.packet_verdict) says about O(packet), as an entry of its C(verdicts).
  returned: success
  type: dict
seen:
  description: The packets that came, in their order; an empty list if none came in time.
  returned: success
  type: list
  elements: dict
  contains:
    packet:
      description: The packet in words.
      type: str
      sample: tcp from 203.0.113.9:51234 to 192.0.2.10:8080 by eth0, new
    verdict:
      description:
        - V(accepted), V(dropped), V(rejected), or V(unknown) where it went out of sight and no rule was seen to stop it.
        - V(nflog) and V(log) do not tell V(rejected) from V(dropped).
      type: str
    reason:
      description: What decided, on one line.
      type: str
    end_point:
      description: Where it was seen last, C(kind) V(interface), V(host) or V(none), and C(text).
      type: dict
    path:
      description: The rules that it met, or the chains (C(rule) is null), in the form of C(path) of M(drawbridge.docker.packet_verdict).
      type: list
      elements: dict
    detail:
      description: V(rules) or V(chains), for what RV(seen[].path) has.
      type: str
    said:
      description: The verdict about this packet, as an entry of C(verdicts) of M(drawbridge.docker.packet_verdict).
      type: dict
    agrees:
      description: Whether both agree; null where the verdict is V(unknown).
      type: bool
    difference:
      description: The first difference in words, null without one.
      type: str
agrees:
  description: Whether all that was seen agrees with the verdicts; null if nothing could be compared.
  returned: success
  type: bool
difference:
  description: The first difference of all packets in words, null without one.
  returned: success
  type: str
"""

from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.trace.result import traced_values
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.tasks.run import LOCK_ARGUMENTS, Result, Task, run_module


def watch(task: Task) -> Result:
    """Trace the flow."""
    return Result(*traced_values(task.system, task.params, task.check_mode))


def main() -> None:
    run_module(
        {
            **LOCK_ARGUMENTS,
            "packet": {"type": "dict", "required": True},
            "seconds": {"type": "int", "default": 10},
            "packets": {"type": "int", "default": 1},
            "rate": {"type": "int", "default": 20},
            "method": {"type": "str", "choices": ["auto", "trace", "nflog", "log"], "default": "auto"},
        },
        watch,
    )


if __name__ == "__main__":
    main()
