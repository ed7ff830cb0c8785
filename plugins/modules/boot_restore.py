# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Ansible module: have a host boot with its rules."""

from __future__ import annotations

DOCUMENTATION = r"""
module: boot_restore
short_description: Have a Docker host boot with Drawbridge's rules in force
version_added: 0.1.0
description:
  - Saves all of Drawbridge's rules and sets to files that only root can read, and sets up a systemd unit that loads them before the network
    and Docker start. Neither Python nor Ansible nor a network is needed for that.
  - Where this was done, every module of this collection that changes rules or sets keeps the files in step, and puts them right where they are
    missing or damaged. The generation before the current one is kept.
  - If the rules cannot be loaded, a fixed ruleset without sets closes the ports that containers are known to publish, SSH stays open, and the unit
    fails with the reason in the journal.
  - Where nftables.service, netfilter-persistent, ufw or iptables-services are started, stopped or reloaded by systemd and take the rules along, they
    are loaded again in the same job.
  - C(drawbridge-watch.service) brings back what somebody else takes, whoever it is, within a second or so. Until then a table of nftables that
    nobody else can flush lets in nothing new but SSH, ICMP and DHCP, see RV(closed_meanwhile). It asks for labels of connection tracking that the
    rules of M(drawbridge.docker.host_policy) set, from its next run on.
  - The role P(drawbridge.docker.boot_restore#role) is this module as a role.
author:
  - The Drawbridge authors (@drawbridge)
extends_documentation_fragment:
  - drawbridge.docker.netfilter
  - drawbridge.docker.netfilter.transport
options:
  state:
    description:
      - V(absent) removes the units and the files. The rules that are in force stay so until the host is booted.
    type: str
    choices: [present, absent]
    default: present
  ssh_ports:
    description: The TCP ports that stay open if the rules cannot be loaded.
    type: list
    elements: int
    default: [22]
  engine_rules:
    description:
      - What becomes of the engine's own rules where somebody flushes them along with ours (C(nft flush ruleset), C(iptables -F)). The journal of
        C(drawbridge-watch) says what was done.
      - V(put_back) puts them back as they were, if no interface came or went meanwhile, so that nothing can lead to an address that
        another container has by now. Otherwise the same as V(restart).
      - V(restart) restarts the engine if its containers live through that (C(live-restore)), and else says that it has to be restarted.
      - V(leave) does nothing.
    type: str
    choices: [put_back, restart, leave]
    default: put_back
requirements:
  - systemd on the host
seealso:
  - module: drawbridge.docker.firewall_checkpoint
"""

EXAMPLES = r"""
- name: The host boots with its rules
  drawbridge.docker.boot_restore:

- name: SSH listens on two ports
  drawbridge.docker.boot_restore:
    ssh_ports: [22, 2222]
"""

RETURN = r"""
transport:
  description: The iptables variant that the rules are saved for.
  returned: success and O(state=present)
  type: str
  sample: nft
closed_meanwhile:
  description:
    - Whether somebody who flushes the rules finds the host closed, by a table of nftables that others cannot flush (kernel 5.12 or newer).
    - If not, what the rules closed is open from the flush until they are back, and a warning says why.
  returned: success and O(state=present)
  type: bool
  sample: true
written:
  description: What was, or would be, written.
  returned: success
  type: list
  elements: str
  sample: [/etc/drawbridge/boot.sh, /etc/systemd/system/drawbridge.service]
"""

from ansible_collections.drawbridge.docker.plugins.module_utils._internal.tasks.boot_restore import keep_boot
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.tasks.run import (
    BOOT_ARGUMENTS,
    LOCK_ARGUMENTS,
    TRANSPORT_ARGUMENTS,
    run_module,
)


def main() -> None:
    run_module({**LOCK_ARGUMENTS, **TRANSPORT_ARGUMENTS, **BOOT_ARGUMENTS}, keep_boot)


if __name__ == "__main__":
    main()
