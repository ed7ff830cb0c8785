# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Ansible module: the service that follows the engine's events."""

from __future__ import annotations

DOCUMENTATION = r"""
module: event_service
short_description: Have rules follow containers that start, and sets follow the engine
version_added: 0.1.0
description:
  - Sets up C(drawbridge-events.service), a small program that systemd runs and that listens to the Docker engine's events.
  - From then on M(drawbridge.docker.container_netns_rule), M(drawbridge.docker.container_port), M(drawbridge.docker.quarantine) and
    M(drawbridge.docker.host_policy) (of its C(containers), C(open_ports) and C(masquerade)) leave a record of each task on the host
    (C(/var/lib/drawbridge/records), for root alone), and the service does again what they ask for when a container starts that is chosen. Run these
    tasks after this module.
  - A port that can be led nowhere is closed until it can, since somebody else may have the address that it led to.
  - It keeps the sets that follow the engine up to date (published ports, networks and bridges, addresses of containers, a swarm's nodes), so that a port
    that is published after the policy was applied is guarded on docker-proxy's way too.
  - When it loses the engine it connects again, and then looks at everything anew. So it does every ten minutes, and every 30 seconds where
    records choose Kubernetes pods, of which no engine tells anything. Sets and opened ports it looks at every minute too, and at once when a
    change was confirmed or taken back, since that may bring back those that were.
  - The program is this collection's own code in one file for root alone (C(/usr/local/lib/drawbridge/events.pyz)). It needs Python and what the
    rules need, iptables and ipset, and C(jmespath) where records choose containers by a query; not the Docker SDK.
  - The role P(drawbridge.docker.event_service#role) is this module as a role.
author:
  - The Drawbridge authors (@drawbridge)
options:
  state:
    description:
      - V(absent) removes the service, its files and all records.
      - Rules that are in containers stay until these end; sets stay as they are.
    type: str
    choices: [present, absent]
    default: present
  docker_host:
    description: Address of the engine that is followed, a unix socket. Records about containers of another engine are left alone.
    type: str
    default: unix:///var/run/docker.sock
  closed_until_ready:
    description:
      - Whether a container is closed from its start until its rules are in. A table of nftables drops all that goes through ports of bridges
        whose name begins with C(veth), but for those that the service has found ready; it finds those of containers that no record is for
        ready at once, and those on bridges that are not Docker's within a second.
      - While the service does not run, containers that run go on, and those that start stay closed. A unit of its own loads the table at
        boot, before Docker starts. Where records choose by a query and C(jmespath) is missing, all that start stay closed.
      - Containers on the host's network, on macvlan, ipvlan and overlay networks have no such ports, and one that joins another
        container's namespace finds that one's ready.
      - Needs C(nft).
    type: bool
    default: false
  metrics_file:
    description:
      - A file of node_exporter's textfile collector, whose name ends in C(.prom). The service writes the counters of denied packets there every 15 seconds,
        as root's file that everybody may read. Left out, it writes none, and one that it wrote before is removed.
      - C(drawbridge_denied_packets_total) counts what the policy dropped, C(drawbridge_observed_packets_total) what passed by C(mode=observe), each by family,
        reason (a section of C(log_denied)), chain, protocol and port. Rules about every port have an empty port. With C(log_denied.per_port) each port of the
        policy has its own.
      - The folder has to exist, and the service has to be able to write to it, so it is not below C(/usr), C(/home), C(/root) or C(/tmp).
    type: path
attributes:
  check_mode:
    support: full
    description: Reports what would be written and started.
  diff_mode:
    support: full
    description: Shows the unit, and the digest of the program.
  platform:
    support: full
    platforms: linux
    description: Linux hosts that were booted by systemd.
requirements:
  - systemd and root on the host
seealso:
  - module: drawbridge.docker.container_netns_rule
  - module: drawbridge.docker.container_port
  - module: drawbridge.docker.host_policy
"""

EXAMPLES = r"""
- name: Rules follow containers from now on
  drawbridge.docker.event_service:

- name: A service of Compose keeps its rules when it is recreated
  drawbridge.docker.container_netns_rule:
    compose_project: shop
    compose_service: web
    on_missing: ignore
    section: blocked
    rules:
      - {source: 192.0.2.47, jump: DROP}

- name: Nothing follows any more
  drawbridge.docker.event_service:
    state: absent
"""

RETURN = r"""
written:
  description: The files and folders that were, or would be, written or removed, and the unit where it was, or would be, started.
  returned: success
  type: list
  elements: str
  sample: [/usr/local/lib/drawbridge/events.pyz, /etc/systemd/system/drawbridge-events.service]
"""

from ansible_collections.drawbridge.docker.plugins.module_utils._internal.service.keep_service import keep_service
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.tasks.run import ENGINE_ARGUMENTS, SERVICE_ARGUMENTS, run_module


def main() -> None:
    run_module({**ENGINE_ARGUMENTS, **SERVICE_ARGUMENTS}, keep_service)


if __name__ == "__main__":
    main()
