# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Ansible module: a policy that says what another firewall's rules do, and every packet that it treats differently."""

from __future__ import annotations

DOCUMENTATION = r"""
module: migration_info
short_description: Propose a policy from the rules of ufw, ufw-docker, firewalld or DOCKER-USER, and tell what would differ
version_added: 0.2.0
description:
  - Reads the rules that a host has in the kernel, whoever wrote them, and the engine's published ports. Proposes a policy that lets in whom these rules
    let in today.
  - It goes by verdicts, as M(drawbridge.docker.packet_verdict) gives them, not by the files of a program. So it serves ufw, ufw-docker, firewalld, rules
    in C(DOCKER-USER) and rules of one's own alike.
  - A packet is judged for every class of senders and every class of ports that the rules tell apart, on the host as it is, with the policy beside the
    rules of others, and with the policy alone. Whatever is treated differently is listed.
  - Where a verdict is unknown, or a policy cannot say the same, the proposal is closed, and that is listed, too.
  - Reads only. Sends no packet, and applies nothing.
author:
  - The Drawbridge authors (@drawbridge)
options:
  docker_host:
    description:
      - Address of the engine, which has to be on the host that the task runs on and has to run.
      - Other addresses than C(unix://) need the Docker SDK for Python on the host.
    type: str
    default: unix:///var/run/docker.sock
  transport:
    description: Which iptables the policy would be written to, see M(drawbridge.docker.docker_firewall_info). The rules of both are read.
    type: str
    choices: [auto, nft, legacy]
    default: auto
  most_targets:
    description: So many published ports, containers' addresses and services are looked at. The proposal has no entry for others. RV(left_out) counts them.
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
  - module: drawbridge.docker.host_policy
  - module: drawbridge.docker.packet_verdict
  - module: drawbridge.docker.firewall_audit_info
"""

EXAMPLES = r"""
- name: Propose a policy
  drawbridge.docker.migration_info:
  register: migration_outcome

- name: Show it
  ansible.builtin.debug:
    msg: "{{ migration_outcome.policy_text.splitlines() }}"

- name: Show what it would treat differently
  ansible.builtin.debug:
    msg: "{{ migration_outcome.differences | map(attribute='message') }}"
"""

RETURN = r"""
firewalls:
  description:
    - Whose rules were found, V(ufw), V(ufw-docker), V(firewalld), V(DOCKER-USER) for lines there that nobody is known to write, V(others) for such
      lines elsewhere. Whatever is not known here is read as well.
  returned: success
  type: list
  elements: str
  sample: [ufw]
policy:
  description: The proposal, as O(drawbridge.docker.host_policy#module:policy) takes it.
  returned: success
  type: dict
policy_text:
  description: The same as YAML.
  returned: success
  type: str
differences:
  description: What is treated differently, what becomes wider first. Packets that are alike are one item.
  returned: success
  type: list
  elements: dict
  contains:
    message:
      description: The difference in words.
      type: str
    kind:
      description:
        - What is dialled. V(published) for published ports, V(direct) for containers' own addresses, V(service) for services of the host.
        - V(named) for ports that rules name and nobody listens at, V(other_ports) for all others, V(ping).
      type: str
    family:
      description: V(ipv4) or V(ipv6).
      type: str
    protocol:
      description: The protocol.
      type: str
    ports:
      description: The ports, single ones and ranges.
      type: list
      elements: str
    name:
      description: The container, or the process.
      type: str
    to:
      description: The addresses that are dialled.
      type: list
      elements: str
    interface:
      description: By which the packets come in.
      type: str
    sources:
      description: Who sends them, up to eight networks.
      type: list
      elements: str
    more_sources:
      description: How many networks are not named.
      type: int
    today:
      description: V(open), V(closed), or V(unknown) if it depends on what is not modelled or on a rate.
      type: str
    beside:
      description: The same with the policy beside the rules of others.
      type: str
    alone:
      description: The same with the policy, once the rules of others are gone.
      type: str
    wider:
      description: Whether it is open with the policy, or may be, and not today.
      type: bool
    forged:
      description:
        - Whether the host answers these senders by another interface, so that they cannot be who they say.
        - They are listed only if RV(differences[].wider), and are looked at only where some senders get in and others do not.
      type: bool
    reason_today:
      description: What decides today.
      type: str
    reason_then:
      description: What decides with the policy.
      type: str
wider:
  description: How many of the differences are wider.
  returned: success
  type: int
packets:
  description: How many packets were judged on each side.
  returned: success
  type: int
unknown:
  description: How many of them are unknown on each side alike.
  returned: success
  type: int
untranslated:
  description: Lines of others' rules that say more than a policy does. Who gets in by them is compared all the same, except for what RV(not_compared) has.
  returned: success
  type: list
  elements: dict
  contains:
    place:
      description: Ruleset, table, chain and number.
      type: str
      sample: iptables filter ufw-user-limit, rule 1
    rule:
      description: The rule, that of nftables as JSON.
      type: str
    reason:
      description: What no policy says of it.
      type: str
not_compared:
  description: What is not compared on any host.
  returned: success
  type: list
  elements: str
left_out:
  description: How many targets were not looked at.
  returned: success
  type: int
"""

from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.api.connect import connect
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.errors import DrawbridgeError
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.tasks.migration.migrate import look
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.tasks.run import (
    ENGINE_ARGUMENTS,
    TRANSPORT_ARGUMENTS,
    Result,
    Task,
    run_module,
)


def propose(task: Task) -> Result:
    """Read the host, propose, and compare."""
    params = task.params
    if params["most_targets"] < 1:
        raise DrawbridgeError("%d targets are none" % params["most_targets"], "most_targets", "it is 1 or more")
    return look(task.system, connect(params["docker_host"]), params["transport"], params["most_targets"])


def main() -> None:
    run_module({**ENGINE_ARGUMENTS, **TRANSPORT_ARGUMENTS, "most_targets": {"type": "int", "default": 500}}, propose)


if __name__ == "__main__":
    main()
