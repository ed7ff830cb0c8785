# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Ansible module: what the audit of all hosts found. The action plugin of the same name does it; this is its documentation."""

from __future__ import annotations

DOCUMENTATION = r"""
module: audit_summary
short_description: Tell what the audit of every host of a play found
version_added: 0.1.0
description:
  - Prints one table about all hosts of the play, made from what M(drawbridge.docker.firewall_audit_info) returned on each. Up to 12 hosts have their
    findings with evidence and remedies; of more hosts, those with the same finding are one line.
  - Writes the same as JSON, and as one HTML page that shows who reaches what, and each packet's path as a picture.
  - Fails if a host was not audited, and if findings are as severe as O(fail_on). The files are written before.
  - Runs on the controller only, once for all hosts. It needs C(run_once=true).
  - What hosts told is shown without control characters, and is never rendered as a template. In the page it is text, never markup.
author:
  - The Drawbridge authors (@drawbridge)
options:
  outcome:
    description: The variable in which each host's result of M(drawbridge.docker.firewall_audit_info) is registered.
    type: str
    default: firewall_audit_outcome
  report:
    description:
      - Write all of it to this file on the controller, as JSON, whole or not at all, with mode 0600. A relative path starts where C(ansible-playbook) was
        started.
      - C(version) is 1. It counts up when a key goes or means something else, not when one is added.
      - C(totals), how many hosts are V(audited), V(failed) and V(unreachable), and how many findings are V(high), V(medium) and V(low).
      - C(hosts), by name, with C(result) (V(audited), V(failed), V(unreachable)), C(message) if the host was not audited, else all that
        M(drawbridge.docker.firewall_audit_info) returned.
    type: path
  page:
    description:
      - Write the page to this file on the controller, whole or not at all, with mode 0600.
      - It is one file that asks no server for anything. A content security policy in it lets only its own program run.
    type: path
  fail_on:
    description: Fail if there are findings of this severity, or of a higher one.
    type: str
    choices: [never, high, medium, low]
    default: never
attributes:
  check_mode:
    description: Changes nothing on hosts. The files are written.
    support: full
  diff_mode:
    description: There is no diff.
    support: none
notes:
  - The task that audits needs C(ignore_errors) and C(ignore_unreachable), so that the other hosts are told about although one fails.
  - Nothing is printed if the standard output's callback prints JSON. RV(lines) has the table.
seealso:
  - module: drawbridge.docker.firewall_audit_info
"""

EXAMPLES = r"""
- name: Audit all Docker hosts
  hosts: docker_hosts
  become: true
  gather_facts: false
  tasks:
    - name: Look at the host
      drawbridge.docker.firewall_audit_info:
      register: firewall_audit_outcome
      ignore_errors: true
      ignore_unreachable: true

    - name: What is open
      drawbridge.docker.audit_summary:
        report: audit.json
        page: audit.html
        fail_on: high
      run_once: true
"""

RETURN = r"""
totals:
  description: How many hosts have each result, and how many findings each severity.
  returned: always
  type: dict
  sample: {audited: 12, failed: 0, unreachable: 0, high: 3, medium: 12, low: 40}
lines:
  description: The lines that were printed.
  returned: success, and on failure if nothing was printed
  type: list
  elements: str
report:
  description: The JSON file.
  returned: where O(report) is given
  type: str
  sample: /home/me/audit.json
page:
  description: The HTML file.
  returned: where O(page) is given
  type: str
  sample: /home/me/audit.html
"""
