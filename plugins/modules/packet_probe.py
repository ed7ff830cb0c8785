# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Ansible module: send real packets from a host, or from inside its containers, and tell what comes back."""

from __future__ import annotations

DOCUMENTATION = r"""
module: packet_probe
short_description: Send packets from a host or its containers, and tell what comes back
version_added: 0.1.0
description:
  - Makes a TCP connection, asks for an HTTP status, sends a datagram or a ping, and tells whether an answer, a refusal or nothing came back.
  - Sends from the host that the task runs on (C(delegate_to) names another one), or from inside the network namespace of each container that is chosen,
    whatever is installed in the container.
  - Changes nothing on the host.
author:
  - The Drawbridge authors (@drawbridge)
extends_documentation_fragment:
  - drawbridge.docker.containers
  - drawbridge.docker.containers.namespaces
options:
  name:
    description:
      - Exact name of a container to send from.
      - A container has to match every selector that is given. Without any selector the host sends.
  to:
    description: The address that packets are sent to, IPv4 or IPv6. Names are not looked up.
    type: str
    required: true
  port:
    description: The port. Without one a ping is sent.
    type: int
  protocol:
    description: V(tcp) by default, V(icmp) without O(port).
    type: str
    choices: [tcp, udp, icmp]
  expect:
    description:
      - The task fails if not all probes are allowed, or not all denied.
      - Allowed is what is answered, denied is everything else. So a port where nobody listens is never allowed. It counts as denied, with a warning, as a
        firewall may refuse in the same way.
    type: str
    choices: [allow, deny]
  answer:
    description:
      - Whether the receiver of a datagram is to answer it. If not, a datagram without an error within O(timeout) counts as allowed, and O(expect=deny)
        cannot be proved.
    type: bool
    default: true
  payload:
    description: What a datagram has in it.
    type: str
    default: drawbridge probe
  source:
    description: Address to send from. By default routing chooses it.
    type: str
  source_port:
    description: Port to send from. By default any.
    type: int
  interface:
    description: Interface to send by. By default routing chooses it. Link-local addresses of IPv6 need it.
    type: str
  timeout:
    description: Seconds to wait for an answer, up to 60. Datagrams and pings are sent once a second meanwhile.
    type: float
    default: 3
  http_path:
    description: Asks for this path by HTTP over the TCP connection, without TLS.
    type: str
  http_host:
    description: The host's name in that request. By default O(to).
    type: str
  http_status:
    description: The statuses that count as allowed. By default any answer does.
    type: list
    elements: int
attributes:
  check_mode:
    support: full
    description: Changes nothing, so check mode makes no difference. Packets are sent in check mode, too.
  diff_mode:
    support: none
    description: Has nothing to compare.
  platform:
    support: full
    platforms: linux
    description: Linux hosts.
requirements:
  - root on the host for pings, for O(interface), and to send from containers
seealso:
  - module: drawbridge.docker.packet_trace
  - module: drawbridge.docker.packet_verdict
"""

EXAMPLES = r"""
- name: Prove from a client that the web server answers
  drawbridge.docker.packet_probe:
    to: 192.0.2.10
    port: 8080
    http_path: /health
    http_status: [200]
    expect: allow
  delegate_to: client

- name: Prove that the database does not
  drawbridge.docker.packet_probe:
    to: 192.0.2.10
    port: 5432
    expect: deny
  delegate_to: client

- name: Prove that no container of the shop gets at the cloud's metadata
  drawbridge.docker.packet_probe:
    compose_project: shop
    to: 169.254.169.254
    port: 80
    expect: deny

- name: Ping a neighbour by a chosen interface
  drawbridge.docker.packet_probe:
    to: fe80::1
    interface: eth0

- name: Send a datagram that nobody answers, to have something to trace
  drawbridge.docker.packet_probe:
    name: web
    to: 192.0.2.53
    port: 514
    protocol: udp
    answer: false
    timeout: 0.1
"""

RETURN = r"""
probes:
  description: What came of it, for the host or for each container that was chosen.
  returned: success, or if it is not as expected
  type: list
  elements: dict
  contains:
    from:
      description: The container's name, or V(the host).
      type: str
      sample: web
    to:
      description: The receiver.
      type: str
      sample: 192.0.2.10:8080/tcp
    sender:
      description: Address, and port, that it was sent from; null if it could not be sent.
      type: str
      sample: 172.17.0.2:40312
    outcome:
      description:
        - V(answered), V(refused) (by a TCP reset, or as an unreachable port), V(unreachable) (another error came back, or it could not be sent), V(silent),
          or V(sent) for a datagram with O(answer=false) that no error came for.
      type: str
    verdict:
      description: V(allow) or V(deny).
      type: str
    reason:
      description: What came back, in words.
      type: str
    http_status:
      description: The status, null without one.
      type: int
    seconds:
      description: How long it took.
      type: float
"""

from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.api.sdk import SdkEngine
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.containers.selector import SELECTOR_ARGUMENTS
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.tasks.packet_probe import doubts, probed
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.tasks.run import (
    ENGINE_ARGUMENTS,
    MISSING_ARGUMENTS,
    Result,
    Task,
    run_module,
)


def probe(task: Task) -> Result:
    """Send, and hold what came back against what is expected."""
    probes, failure = probed(task.system, task.params, lambda: SdkEngine(task.params["docker_host"]))
    return Result({"changed": False, "probes": probes}, doubts(probes, task.params["expect"]), failure)


def main() -> None:
    run_module(
        {
            **SELECTOR_ARGUMENTS,
            **MISSING_ARGUMENTS,
            **ENGINE_ARGUMENTS,
            "to": {"type": "str", "required": True},
            "port": {"type": "int"},
            "protocol": {"type": "str", "choices": ["tcp", "udp", "icmp"]},
            "expect": {"type": "str", "choices": ["allow", "deny"]},
            "answer": {"type": "bool", "default": True},
            "payload": {"type": "str", "default": "drawbridge probe"},
            "source": {"type": "str"},
            "source_port": {"type": "int"},
            "interface": {"type": "str"},
            "timeout": {"type": "float", "default": 3},
            "http_path": {"type": "str"},
            "http_host": {"type": "str"},
            "http_status": {"type": "list", "elements": "int"},
        },
        probe,
    )


if __name__ == "__main__":
    main()
