# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Ansible module: one container or Compose project cut off from everything."""

from __future__ import annotations

DOCUMENTATION = r"""
module: quarantine
short_description: Cut one container or Compose project off from everything, and take that back
version_added: 0.1.0
description:
  - For an incident. Nothing comes into the container and nothing leaves it - not by published ports (DNAT and docker-proxy), not from or to its
    neighbours on the same network, the host and the outside, IPv4 and IPv6. The container's processes and files stay as they are, C(docker exec) and
    C(docker logs) work, and its own loopback does.
  - Two things hold it. Rules stand in its network namespace (C(DB-QUARANTINE) and C(DB-QUARANTINE-OUT) in mangle). A table of nftables on the host
    (C(bridge drawbridge-quarantine)) drops every frame at the container's ports of the host's bridges; no process in the container reaches it,
    whatever capabilities it has. It needs C(nft); without it a warning says that the rules inside hold alone.
  - Open connections end. TCP sockets inside the container are closed, and so are the host's to it, as docker-proxy's. The host forgets its flows.
  - Names are not resolved either. The engine's resolver in the container asks other name servers from the host, by which data could leave.
  - A container that shares a chosen one's namespace is cut off with it, and named.
  - A container that restarts has a new namespace and new ports. Where M(drawbridge.docker.event_service) is set up, the quarantine is recorded, and the
    service cuts the container off again a moment after its start, after Compose made it anew and after a boot too. With its option
    C(closed_until_ready) nothing passes in between. Elsewhere the quarantine holds until the restart. RV(holds) and a warning say which of the two it
    is.
  - Who asked for it, when and why is noted on the host (C(/var/lib/drawbridge/quarantines), for root alone), and returned.
  - O(state=absent) removes the rules, the ports, the record and the note, and everything is as it was before, but for the connections that ended.
  - A container that several quarantines choose is cut off until the last of them is lifted.
author:
  - The Drawbridge authors (@drawbridge)
extends_documentation_fragment:
  - drawbridge.docker.netfilter
  - drawbridge.docker.netfilter.transport
  - drawbridge.docker.engine
options:
  name:
    description:
      - Exact name of a container.
      - One of O(name), O(id) and O(compose_project) has to be given.
    type: str
  id:
    description: Id of a container, or a beginning of it that fits no other.
    type: str
  compose_project:
    description: Name of a Compose project. All its containers are cut off, from each other too.
    type: str
  state:
    description:
      - V(present) cuts off, V(absent) takes it back.
      - A quarantine is taken back by the selector that it was made with.
    type: str
    choices: [present, absent]
    default: present
  reason:
    description: Why. Needed unless O(state=absent). Another reason in a later run replaces it.
    type: str
  by:
    description:
      - Who asks for it. The user who logged in to the host if left out, and the address that they came from by SSH.
      - It is noted with the reason. A later run with the same reason leaves the note as it is.
    type: str
  on_missing:
    description:
      - Whether it is an error that no container matches. With V(ignore) and M(drawbridge.docker.event_service) the quarantine waits for one that starts.
      - Lifting a quarantine that is noted is no error, whether or not its container is still there.
    type: str
    choices: [fail, ignore]
    default: fail
notes:
  - A container on the host's network cannot be cut off, since it has no namespace of its own. The task fails before anything is changed.
    Stop the container, or use M(drawbridge.docker.lockdown).
  - On macvlan, ipvlan and overlay networks a container has no port of a bridge of the host. There the rules in its namespace hold alone. A process with
    C(NET_ADMIN) removes those, and one with C(NET_RAW) sends past them. A warning tells.
  - Processes with C(NET_ADMIN) in the container can remove the rules inside. The host's ports stay closed. The engine's resolver would answer them again, and
    data can leave in the names that it asks for. A warning tells which containers have that capability.
  - What is no network is not cut off - volumes, pipes, sockets in folders that are shared, the engine's socket if it is mounted.
  - Fails where the task's own SSH connection comes from the container.
  - Sockets are closed by C(ss), flows forgotten by C(conntrack). Where one is missing, a warning says so. Nothing passes all the same.
requirements:
  - nft, ss and conntrack on the host, for all of it
seealso:
  - module: drawbridge.docker.lockdown
  - module: drawbridge.docker.event_service
  - module: drawbridge.docker.container_netns_rule
"""

EXAMPLES = r"""
- name: Cut a container off, and look into it at leisure
  drawbridge.docker.quarantine:
    name: web
    reason: "INC-4711: it opens connections to unknown addresses"

- name: A whole Compose project
  drawbridge.docker.quarantine:
    compose_project: shop
    reason: "INC-4711"

- name: As it was before
  drawbridge.docker.quarantine:
    name: web
    state: absent
"""

RETURN = r"""
transport:
  description: The iptables variant that was used.
  returned: success
  type: str
  sample: nft
holds:
  description: V(over_restarts) where the event service runs and has the record, V(until_restart) elsewhere.
  returned: success and O(state=present)
  type: str
  sample: over_restarts
recorded:
  description: Whether the event service has a record of the quarantine.
  returned: success
  type: bool
  sample: true
quarantine:
  description: The note on the host - C(selector), C(reason), C(by) and C(since), in UTC. Of O(state=absent) the one that was removed.
  returned: success
  type: dict
  sample: {selector: {name: web}, reason: INC-4711, by: alice from 192.0.2.100, since: "2026-12-01T18:00:00Z"}
also_cut_off:
  description: Names of containers that were not chosen and share the namespace of one that was.
  returned: success
  type: list
  elements: str
  sample: [web-sidecar]
connections_closed:
  description: How many flows of the containers the host forgot.
  returned: success
  type: int
  sample: 12
containers:
  description: The chosen containers. Of O(state=absent) those that no other quarantine holds.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: The container's name.
      type: str
      sample: web
    id:
      description: Its id.
      type: str
    pid:
      description: A process in the namespace, 0 where there is none.
      type: int
      sample: 4711
    state:
      description: V(running); V(exited), V(created) and whatever else the engine calls what has no process; V(failed) where the rules could not be written.
      type: str
      sample: running
    reason:
      description: Why no rules were put in.
      type: str
    namespace:
      description: Inode of the network namespace.
      type: int
      sample: 4026532281
    shared_with:
      description: Others of the chosen ones that are in the same namespace.
      type: list
      elements: str
    cut_off_by:
      description: What holds it now - V(namespace) for the rules inside, V(ports) for the host's table.
      type: list
      elements: str
      sample: [namespace, ports]
    ports:
      description: Its bridge ports on the host that are closed.
      type: list
      elements: str
      sample: [vethd4f0a91]
    changed:
      description: Whether anything was changed for it.
      type: bool
"""

from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.api.connect import connect
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.tasks.quarantine import keep_quarantine
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.tasks.run import (
    ENGINE_ARGUMENTS,
    LOCK_ARGUMENTS,
    MISSING_ARGUMENTS,
    TRANSPORT_ARGUMENTS,
    Result,
    Task,
    run_module,
)


def keep(task: Task) -> Result:
    """Cut off, or lift that, as the task says."""
    return keep_quarantine(task, connect)


def main() -> None:
    run_module(
        {
            **MISSING_ARGUMENTS,
            **ENGINE_ARGUMENTS,
            **LOCK_ARGUMENTS,
            **TRANSPORT_ARGUMENTS,
            "name": {"type": "str"},
            "id": {"type": "str"},
            "compose_project": {"type": "str"},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "reason": {"type": "str"},
            "by": {"type": "str"},
        },
        keep,
        required_if=[("state", "present", ("reason",))],
        mutually_exclusive=[["name", "id", "compose_project"]],
    )


if __name__ == "__main__":
    main()
