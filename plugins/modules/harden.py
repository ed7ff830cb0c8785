# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Ansible module: all that the playbook harden does on a host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: harden
short_description: Bring a Docker host to its policy, with all that this takes, in one task
version_added: 0.1.0
description:
  - Does in one task what else are four - installs missing packages, has the host boot with its rules (M(drawbridge.docker.boot_restore)), sets up the
    event service (M(drawbridge.docker.event_service)), and applies the policy (M(drawbridge.docker.host_policy)). The playbook
    C(drawbridge.docker.harden) is this task.
  - A host that is as it should be costs one round trip. What its packages, boot files and services are is looked up on the host, together with its rules.
  - The policy is read before anything is changed. What is wrong in it is told first.
  - Packages are installed only if the host lacks a command or a kernel module that one of the steps uses. Then the controller runs
    M(ansible.builtin.package) once, with fresh package lists only if it failed without, and the steps follow, in the same task.
  - If packages cannot be installed, the task fails with the reason and nothing is changed. It goes on with a warning where nothing that is missing
    is indispensable.
  - O(plan_dir) holds plans of the policy, for a host that has its packages, boot files and event service already. Where one of these steps would change
    something, or the policy is left out, making or keeping a plan is an error.
  - In check mode nothing is installed. The result says what would be, and what becomes of the host then, as far as it can be known. Rules that no
    iptables can try are shown as they were written.
author:
  - The Drawbridge authors (@drawbridge)
extends_documentation_fragment:
  - drawbridge.docker.netfilter
  - drawbridge.docker.netfilter.transport
  - drawbridge.docker.netfilter.cross_check
  - drawbridge.docker.engine
  - drawbridge.docker.policy
options:
  from_variables:
    description:
      - Take what the task does not give from the host's variables. These are the variables of the roles of this collection and of the playbook
        - C(host_policy_*), C(boot_restore_*), C(event_service_*), C(prerequisites_packages), and C(drawbridge_prerequisites),
        C(drawbridge_boot_restore), C(drawbridge_event_service), which leave a step out if they are V(false), and C(drawbridge_plan_dir), which is O(plan_dir).
      - A variable whose name nearly is one of these is a warning.
      - The tags of the run choose among the steps then, as they chose among the tasks of the roles. With C(--tags host_policy) only the policy is applied,
        and with C(--skip-tags boot_restore) everything but the boot files is done. The tags are C(prerequisites), C(boot_restore),
        C(event_service) and C(host_policy). Give the task these tags.
    type: bool
    default: false
  steps:
    description: What is done. The order is always that of the default.
    type: list
    elements: str
    choices: [prerequisites, boot_restore, event_service, policy]
    default: [prerequisites, boot_restore, event_service, policy]
  install:
    description:
      - Whether missing packages are installed. With V(false) it is an error if something indispensable is missing.
      - The variable C(drawbridge_prerequisites).
    type: bool
    default: true
  packages:
    description:
      - More packages to install where something is missing. On a distribution that is not known these are all.
      - The variable C(prerequisites_packages).
    type: list
    elements: str
  boot_restore:
    description: The options of M(drawbridge.docker.boot_restore). The variables C(boot_restore_*).
    type: dict
    default: {}
    suboptions:
      state:
        description: V(absent) removes the units and the files.
        type: str
        choices: [present, absent]
        default: present
      ssh_ports:
        description: The TCP ports that stay open if the rules cannot be loaded.
        type: list
        elements: int
        default: [22]
      engine_rules:
        description: What becomes of the engine's own rules where somebody flushes them.
        type: str
        choices: [put_back, restart, leave]
        default: put_back
      transport:
        description: Which iptables the rules are saved for.
        type: str
        choices: [auto, nft, legacy]
        default: auto
      lock_timeout:
        description: How many seconds to wait for another run of Drawbridge on the same host.
        type: int
        default: 30
  event_service:
    description: The options of M(drawbridge.docker.event_service). The variables C(event_service_*).
    type: dict
    default: {}
    suboptions:
      state:
        description: V(absent) removes the service, its files and all records.
        type: str
        choices: [present, absent]
        default: present
      docker_host:
        description: Address of the engine that is followed, a unix socket.
        type: str
        default: unix:///var/run/docker.sock
      closed_until_ready:
        description: Whether a container is closed from its start until its rules are in.
        type: bool
        default: false
      metrics_file:
        description: Where counters of denied packets are written for node_exporter.
        type: path
attributes:
  async:
    support: none
    description: A policy is confirmed over a new connection once it is in force.
requirements:
  - systemd on the host, for the boot files and the event service
seealso:
  - module: drawbridge.docker.host_policy
  - module: drawbridge.docker.boot_restore
  - module: drawbridge.docker.event_service
"""

EXAMPLES = r"""
- name: What the playbook harden does
  drawbridge.docker.harden:
    fragments: host_policy__
    from_variables: true

- name: With --check make a plan of each host, without it apply these plans
  drawbridge.docker.harden:
    fragments: host_policy__
    from_variables: true
    plan_dir: plans

- name: A policy, and a host that boots with it, on a distribution whose package names are not known
  drawbridge.docker.harden:
    steps: [prerequisites, boot_restore, policy]
    packages: [iptables, ipset, nftables]
    policy:
      published_ports:
        allow:
          - {port: 443, sources: [any]}
"""

RETURN = r"""
steps:
  description:
    - What each step did. C(changed) is in each, C(failed) in one that failed after an earlier one had changed something.
    - C(prerequisites) has C(missing), the commands and kernel modules that were missing, and C(packages), what was, or would be, installed.
    - C(boot_restore) and C(event_service) have what the modules of these names return. What M(drawbridge.docker.host_policy) returns is beside
      RV(steps), not in it.
  returned: always, but for errors before the first change
  type: dict
  sample:
    prerequisites: {changed: false}
    boot_restore: {changed: false, closed_meanwhile: true, written: []}
    event_service: {changed: false, written: []}
    policy: {changed: true}
msg:
  description: In check mode, the packages that would be installed.
  returned: in check mode, if something is missing
  type: str
  sample: would install conntrack, ipset
rules:
  description: How many rules the policy has in the kernel. This and what follows is as M(drawbridge.docker.host_policy) returns it, with all that is not
    listed here.
  returned: success, with the step V(policy)
  type: int
  sample: 41
sets:
  description: How many ipsets the policy has in the kernel.
  returned: success, with the step V(policy)
  type: int
  sample: 16
connections_closed:
  description: How many open connections to published ports and containers the change ended, or in check mode would end.
  returned: when something changes, with O(revoke=end), on a host that tells its connections
  type: int
  sample: 2
restart_required:
  description: Whether the engine has to be restarted for what the policy's C(daemon) or C(forwarding) say to hold.
  returned: success, with the step V(policy)
  type: bool
  sample: false
plan:
  description: The C(file) of the plan that was made or kept, and its C(fingerprint), which is another one for every plan.
  returned: success, with O(plan_dir)
  type: dict
  sample: {file: /srv/plans/web1.json, fingerprint: 0f8e0f3c4a1b6d27}
cross_checked:
  description: What python-iptables found in the kernel after the change, see O(cross_check).
  returned: when rules were written by legacy iptables, unless O(cross_check=never)
  type: dict
  sample: {rules: 41, by_name_only: [], skipped: ""}
confirm_seconds:
  description: How long it took to confirm the change over a new connection.
  returned: when a change was to be confirmed
  type: float
  sample: 0.231
seconds:
  description: How long all steps took on the host, without packages and confirmation.
  returned: success
  type: float
  sample: 0.163
"""

from ansible_collections.drawbridge.docker.plugins.module_utils._internal.tasks.harden.steps import STEPS, harden
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.tasks.run import (
    BOOT_ARGUMENTS,
    CROSS_CHECK_ARGUMENTS,
    ENGINE_ARGUMENTS,
    LOCK_ARGUMENTS,
    POLICY_ARGUMENTS,
    POLICY_EXCLUSIVE,
    SERVICE_ARGUMENTS,
    TRANSPORT_ARGUMENTS,
    run_module,
)


def main() -> None:
    run_module(
        {
            **LOCK_ARGUMENTS,
            **TRANSPORT_ARGUMENTS,
            **CROSS_CHECK_ARGUMENTS,
            **ENGINE_ARGUMENTS,
            **POLICY_ARGUMENTS,
            "from_variables": {"type": "bool", "default": False},
            "steps": {"type": "list", "elements": "str", "choices": list(STEPS), "default": list(STEPS)},
            "install": {"type": "bool", "default": True},
            "packages": {"type": "list", "elements": "str"},
            "boot_restore": {"type": "dict", "default": {}, "options": {**LOCK_ARGUMENTS, **TRANSPORT_ARGUMENTS, **BOOT_ARGUMENTS}},
            "event_service": {"type": "dict", "default": {}, "options": {**ENGINE_ARGUMENTS, **SERVICE_ARGUMENTS}},
        },
        harden,
        mutually_exclusive=POLICY_EXCLUSIVE,
    )


if __name__ == "__main__":
    main()
