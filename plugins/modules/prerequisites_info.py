# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Ansible module: what a host lacks of what Drawbridge uses."""

from __future__ import annotations

DOCUMENTATION = r"""
module: prerequisites_info
short_description: Report what a host lacks of what Drawbridge uses, and the packages that have it
version_added: 0.1.0
description:
  - Looks for the commands in C(PATH) and for the modules of the running kernel, each with what needs it.
  - Names packages as the host's distribution does, which it takes from C(/etc/os-release). Known are Debian, Ubuntu, RHEL and its rebuilds, Fedora,
    Amazon Linux, SUSE, Alpine, Arch, and distributions that say that they are like one of these.
  - Reads only, and runs no command. The role P(drawbridge.docker.prerequisites#role) installs what this module finds.
author:
  - The Drawbridge authors (@drawbridge)
options:
  parts:
    description:
      - The parts of Drawbridge that the host is for.
      - V(policy) is M(drawbridge.docker.host_policy) and the other modules that write rules.
    type: list
    elements: str
    choices: [policy, boot_restore, event_service]
    default: [policy, boot_restore, event_service]
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
requirements: []
seealso:
  - module: drawbridge.docker.docker_firewall_info
"""

EXAMPLES = r"""
- name: See what is missing
  drawbridge.docker.prerequisites_info:
  register: found

- name: Install it
  ansible.builtin.package:
    name: "{{ found.packages }}"
    state: present
  when: found.packages | length > 0
"""

RETURN = r"""
missing:
  description: What is missing; empty on a host that has everything.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: A command, a module of the kernel, or V(systemd).
      type: str
      sample: ipset
    kind:
      description: V(command), V(kernel module) or V(init system).
      type: str
      sample: command
    needed_by:
      description: What uses it.
      type: str
      sample: every policy (address sets, published ports, containers' networks)
    needed:
      description: Whether that fails without it. Otherwise it does less, and warns.
      type: bool
      sample: true
    package:
      description: The package that has it; null where there is none, or none is known for this distribution.
      type: str
      sample: ipset
    instead:
      description: What to do where there is no package; else empty.
      type: str
      sample: ""
packages:
  description: The packages that have all of it, as far as packages do.
  returned: success
  type: list
  elements: str
  sample: [ipset, nftables]
distribution:
  description: The host's distribution in its own words; null where nothing is missing.
  returned: success
  type: str
  sample: Debian GNU/Linux 13 (trixie)
family:
  description: Whose packages these are, V(debian), V(rhel), V(fedora), V(amazon), V(suse), V(alpine) or V(arch); null where nothing is missing, or where the
    distribution is not known.
  returned: success
  type: str
  sample: debian
"""

from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.prerequisites.missing import look
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.prerequisites.needs import EVERY
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.tasks.run import Result, Task, run_module


def find(task: Task) -> Result:
    """Look at the host and report."""
    found = look(task.system, task.params["parts"])
    missing = [
        {"name": item.name, "kind": item.kind, "needed_by": item.needed_by, "needed": item.is_needed, "package": item.package, "instead": item.instead}
        for item in found.missing
    ]
    name, family = (None, None) if found.distribution is None else (found.distribution.name, found.distribution.family)
    return Result({"changed": False, "missing": missing, "packages": found.packages, "distribution": name, "family": family})


def main() -> None:
    run_module({"parts": {"type": "list", "elements": "str", "choices": EVERY, "default": EVERY}}, find)


if __name__ == "__main__":
    main()
