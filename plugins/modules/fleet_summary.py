# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Ansible module: what came of each host of a play. The action plugin of the same name does it; this is its documentation."""

from __future__ import annotations

DOCUMENTATION = r"""
module: fleet_summary
short_description: Tell what came of every host of a play
version_added: 0.1.0
description:
  - Prints one table about all hosts of the play, made from what M(drawbridge.docker.host_policy) returned on each - what changed, in words, what failed and
    what to do, and which hosts were unreachable or not reached.
  - Up to 12 hosts have a line each. More hosts are grouped, by what changed and by what failed.
  - With C(serial) the task tells each batch briefly, and the whole play at its end, also where it ends early by C(max_fail_percentage).
  - Runs on the controller only, once for all hosts. It needs C(run_once=true).
  - What hosts told is shown without control characters, and is never rendered as a template.
author:
  - The Drawbridge authors (@drawbridge)
options:
  outcome:
    description: The variable in which each host's result of M(drawbridge.docker.host_policy) is registered.
    type: str
    default: host_policy_outcome
  report:
    description:
      - Write the same to this file on the controller, as JSON, whole or not at all, with mode 0600. A relative path starts where C(ansible-playbook) was
        started. It is written in check mode too, and after each batch.
      - A file that cannot be written is a warning.
      - C(version) is 1. It counts up when a key goes or means something else, not when one is added.
      - C(check_mode), and C(finished), whether the play begins no further hosts.
      - C(result), one for all hosts - V(failed) if any failed, was unreachable or was not reached, else V(changed) or V(would change) if any has that,
        else V(unchanged).
      - C(totals), how many hosts have each result.
      - C(hosts), by name, with C(result) (V(changed), V(would change), V(unchanged), V(failed), V(unreachable), V(not reached)), C(message) if there is one,
        and C(changes), C(rules), C(sets), C(connections_closed), C(seconds), C(confirm_seconds) and C(restart_required) as
        M(drawbridge.docker.host_policy) returned them.
      - Texts are as the hosts told them. A program that prints them has to escape control characters.
    type: path
attributes:
  check_mode:
    description: Changes nothing on hosts.
    support: full
  diff_mode:
    description: There is no diff.
    support: none
notes:
  - A host that an earlier play lost counts as V(unreachable).
  - If all hosts of a batch are unreachable, Ansible ends the play without running any further task, this one included.
  - With the strategies C(free) and C(host_pinned), which do not know C(run_once), each host has its own line.
  - Nothing is printed if the standard output's callback prints JSON. RV(lines) has the table.
seealso:
  - module: drawbridge.docker.host_policy
"""

EXAMPLES = r"""
- name: Apply the policy and tell what came of it
  hosts: docker_hosts
  become: true
  gather_facts: false
  tasks:
    - name: Bring the host to its policy
      block:
        - name: Apply the policy
          drawbridge.docker.host_policy:
            fragments: host_policy__
          register: host_policy_outcome
      always:
        - name: What came of it
          drawbridge.docker.fleet_summary:
            report: /var/log/drawbridge-report.json
          run_once: true
"""

RETURN = r"""
finished:
  description: Whether the play begins no further hosts.
  returned: success
  type: bool
  sample: true
totals:
  description: How many hosts have each result.
  returned: success
  type: dict
  sample: {changed: 97, unchanged: 2, failed: 1}
lines:
  description: The lines that were printed.
  returned: success
  type: list
  elements: str
report:
  description: The file that was written.
  returned: where O(report) is given, and could be written
  type: str
  sample: /var/log/drawbridge-report.json
"""
