# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Ansible module: who was denied, by the kernel's log."""

from __future__ import annotations

DOCUMENTATION = r"""
module: denied_info
short_description: Report who was denied by a policy, from the kernel's log
version_added: 0.1.0
description:
  - Reads the packets that a policy with C(log_denied) or C(mode=observe) had the kernel log, and says in words who was denied what, or would be, how
    often, and when last.
  - Proposes the entries that a policy which only observes would need for nobody to lose access.
  - Reads the journal of this boot (C(journalctl -k)); without one, the kernel's own buffer (C(/dev/kmsg)); or a file that journald, syslog or dmesg wrote,
    also one of another host.
  - Containers are named by what the engine answers now. A container that is gone has no name, and another one may have its address.
  - Logging is limited, so packets are at least as many as told.
  - Reads only. What C(log_denied.group) sends to NFLOG is read by programs such as C(ulogd), and not here.
author:
  - The Drawbridge authors (@drawbridge)
options:
  minutes:
    description: How far back to look. From the journal and the kernel 60 where this is left out; of a file everything.
    type: int
  path:
    description:
      - A file to read, in place of the host's log, with lines as C(journalctl) (C(short), C(short-iso), C(short-unix), C(json)), rsyslog or dmesg write
        them.
      - Lines without a full date are told with their date as written, and are never too old for O(minutes).
    type: path
  resolve:
    description: Whether to ask the engine for the containers' names, and the kernel for the sets that sources are in. Say V(false) for another host's file.
    type: bool
    default: true
  limit:
    description: The most sources and ports to report, those with most packets first.
    type: int
    default: 200
  docker_host:
    description: Address of the engine.
    type: str
    default: unix:///var/run/docker.sock
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
    description: Linux hosts.
requirements:
  - root on the host
seealso:
  - module: drawbridge.docker.host_policy
  - module: drawbridge.docker.packet_verdict
"""

EXAMPLES = r"""
- name: See who was denied in the last day
  drawbridge.docker.denied_info:
    minutes: 1440
  register: seen

- name: Say it
  ansible.builtin.debug:
    msg: "{{ seen.denied | map(attribute='words') }}"

- name: Write down what the policy would need, for review
  ansible.builtin.copy:
    content: "{{ seen.proposal_yaml }}"
    dest: "proposals/{{ inventory_hostname }}.yml"
    mode: "0644"
  delegate_to: localhost

- name: Read a log that another host sent
  drawbridge.docker.denied_info:
    path: /var/log/hosts/web1/kern.log
    resolve: false
"""

RETURN = r"""
denied:
  description: Who was denied what, those with most packets first.
  returned: success
  type: list
  elements: dict
  contains:
    words:
      description: All of it as a sentence.
      type: str
      sample: "203.0.113.9 was denied 8080/tcp at 192.0.2.7 (container 'web'), 12 times, last at 2026-05-01T10:00:00Z: no entry of published_ports lets it in"
    source:
      description: The source's address.
      type: str
      sample: 203.0.113.9
    source_container:
      description: The container that has this address now; null where none has.
      type: str
    source_sets:
      description: The named address sets of the host that the source is in.
      type: list
      elements: str
      sample: [office]
    observed:
      description: Whether the packets passed, since the policy only observes.
      type: bool
      sample: false
    interface:
      description: The interface that the packets came in by.
      type: str
      sample: eth0
    destination:
      description: The destination's address where the packet was denied. Behind DNAT it is the container's.
      type: str
      sample: 192.0.2.7
    protocol:
      description: The protocol, by name or number.
      type: str
      sample: tcp
    port:
      description: The destination's port where the packet was denied; null for protocols without.
      type: int
      sample: 8080
    host_port:
      description: The published port; null where it is none, or not known.
      type: int
      sample: 8080
    container:
      description: The container that was not reached; null where none is known.
      type: str
      sample: web
    chain:
      description: The chain that denied.
      type: str
      sample: DB-GUARD-PORTS
    reason:
      description: Why the chain denies, in words.
      type: str
      sample: no entry of published_ports lets it in
    packets:
      description: How many packets were logged. More may have been denied.
      type: int
      sample: 12
    first:
      description: When the first was, in UTC; as written, where the log does not tell the year.
      type: str
      sample: "2026-05-01T09:00:00Z"
    last:
      description: When the last was.
      type: str
      sample: "2026-05-01T10:00:00Z"
proposal:
  description:
    - What a policy lacks for those whom it only observes, as a fragment for M(drawbridge.docker.host_policy). Review it, an attacker may be among them.
    - It has entries of C(published_ports) and C(host_services), by address and port; not of egress. Neighbouring ports with the same sources are one entry.
  returned: success
  type: dict
  sample: {"published_ports": {"allow": [{"port": 8080, "protocol": "tcp", "sources": ["203.0.113.9"]}]}}
proposal_yaml:
  description: The same as YAML. Empty where nothing is missing.
  returned: success
  type: str
packets:
  description: How many logged packets were read.
  returned: success
  type: int
  sample: 12
left_out:
  description: How many sources and ports are not in RV(denied) because of O(limit).
  returned: success
  type: int
  sample: 0
log:
  description: What was read, V(journal), V(kernel) or V(file).
  returned: success
  type: str
  sample: journal
"""

from typing import Dict

from ansible_collections.drawbridge.docker.plugins.module_utils._internal.inspect.denied.task import tell_denied
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.tasks.run import ENGINE_ARGUMENTS, run_module


def main() -> None:
    arguments: Dict[str, Dict[str, object]] = {
        "minutes": {"type": "int"}, "path": {"type": "path"}, "resolve": {"type": "bool", "default": True}, "limit": {"type": "int", "default": 200},
        **ENGINE_ARGUMENTS,
    }  # fmt: skip
    run_module(arguments, tell_denied)


if __name__ == "__main__":
    main()
