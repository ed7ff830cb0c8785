# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Ansible module: the ways out of containers."""

from __future__ import annotations

DOCUMENTATION = r"""
module: container_egress
short_description: Say what containers may reach
version_added: 0.1.0
description:
  - Allows or denies what containers start themselves, for all of them, per Docker network and per container - towards the outside and other
    networks, towards the host, and towards their neighbours on the same network.
  - Replies to connections that were let in always pass. Open connections of containers are judged again at each packet, so what is denied
    stops at once.
  - Denied packets are dropped. Allowed ones are left to Docker's own rules and other people's, so an allowed destination on another Docker
    network stays closed where Docker isolates networks from each other.
  - An entry that can never match, because one before it takes all that it would, is a warning that names both.
  - What is said for all holds for networks that are made after the run as well, as long as their interface has the name that Docker gives it,
    C(br-) and twelve digits. Interfaces that begin with C(br-), exist when the task runs and are not Docker's are left alone.
  - The module keeps all of it. What is not mentioned is not limited.
  - The key C(egress) of M(drawbridge.docker.host_policy) says the same as a part of a policy. Where both speak, both have to allow.
author:
  - The Drawbridge authors (@drawbridge)
extends_documentation_fragment:
  - drawbridge.docker.netfilter
  - drawbridge.docker.netfilter.transport
  - drawbridge.docker.netfilter.cross_check
  - drawbridge.docker.engine
options:
  default:
    description:
      - What holds for destinations that no entry names, other networks of the engine among them. V(allow) if left out.
    type: str
    choices: [allow, deny]
  deny:
    description:
      - Destinations that are denied, judged before O(allow). Each entry has C(destination) (an address, a network, C(@name) of an address set,
        V(any), or a list of these; any if left out), C(port) (a number or a range as V(8000-8010)) and C(protocol) (V(tcp), V(udp), V(sctp),
        V(icmp), which means ping, or V(any); V(tcp) if there is a port, or else V(any)).
    type: list
    elements: dict
    default: []
  allow:
    description: Destinations that are allowed under O(default=deny), as entries like those of O(deny). Without that they have no effect, which is a warning.
    type: list
    elements: dict
    default: []
  dns:
    description:
      - Whose port 53 is reached by UDP and TCP all the same, on the host too. V(true) for every name server, or a list of addresses, networks
        and C(@name).
      - The engine's embedded DNS server (127.0.0.11 on user-defined networks) answers names of containers whatever is said here. See the notes for
        other names.
    type: raw
  host:
    description:
      - Services of the host itself, ports that docker-proxy serves among them. V(allow), V(deny), or a list of entries with C(port) and C(protocol) that
        are allowed while the rest is denied. As O(default) if left out.
      - Neighbour discovery, ICMP errors and path MTU discovery pass all the same.
    type: raw
  peers:
    description:
      - Containers on the same network. V(allow), V(deny), or a list of entries like those of O(allow), while the rest is denied. V(allow) if left
        out, whatever O(default) is.
      - Such packets cross a bridge. The kernel shows them to iptables only with C(net.bridge.bridge-nf-call-iptables=1) (and
        C(bridge-nf-call-ip6tables) where networks have IPv6). Where that is not so, a limit here is an error.
    type: raw
  networks:
    description:
      - By the names of Docker networks, what holds for containers on them instead - mappings with O(default), O(deny), O(allow), O(dns), O(host) and O(peers).
      - What a mapping leaves out, its lists aside, is as said for all.
      - A network that does not exist is a warning.
    type: dict
    default: {}
  containers:
    description:
      - What holds for single containers, before networks. Mappings with one of C(name), C(label) (C(key) or C(key=value)) and C(address) (of
        containers, a network too), and the keys as in O(networks). The first that fits decides.
      - Containers are found by the addresses that they have when the task runs, on the interfaces that these are behind. A container that is started
        later, or anew with another address, falls under its network until the next run, and who gets its address is taken for it. Where
        M(drawbridge.docker.event_service) runs, that is a moment.
    type: list
    elements: dict
    default: []
  allow_lockout:
    description:
      - Whether this may shut out the SSH connection that the task came in by. It can only where the controller is a container of the host that it
        manages. Otherwise that is an error, in check mode too.
    type: bool
    default: false
  state:
    description: V(absent) removes all that this module keeps.
    type: str
    choices: [present, absent]
    default: present
notes:
  - Names of the outside are asked for by the container itself on the default network, and on user-defined networks by the engine's embedded DNS
    server, from the container's network or from the host. From the host means that O(dns) is not needed, and that a container that reaches
    nothing else can still ask for names, which is a way out for data.
  - From the host, as measured, ask engine 20.10 where the host's C(/etc/resolv.conf) names a loopback address, 26.1 there and for IPv6 name
    servers on networks without IPv6, and 28.5 for all name servers of the host's C(/etc/resolv.conf). Name servers given to the container or the engine
    with C(--dns) are asked from the container's network by all of them.
  - C(--diff) begins with what the change means, what containers reach before and after. The rules follow.
  - Containers on the host's network send as the host does, and those on macvlan or ipvlan networks past it. Neither is limited by this.
seealso:
  - module: drawbridge.docker.host_policy
  - module: drawbridge.docker.address_set
  - module: drawbridge.docker.masquerade
"""

EXAMPLES = r"""
- name: The database's network reaches its replica and nothing else; its containers do not reach the host either
  drawbridge.docker.container_egress:
    networks:
      backend:
        default: deny
        allow:
          - {destination: 10.0.5.0/24, port: 5432}

- name: Nothing goes out but to name servers, the proxy and the package mirror, except for one container
  drawbridge.docker.container_egress:
    default: deny
    dns: [192.0.2.53]
    host: [{port: 3128}]
    allow:
      - {destination: "@mirrors", port: 443}
    containers:
      - {label: "com.example.role=updater", default: allow}

- name: The cloud's metadata service is no container's business, and web servers do not talk to each other
  drawbridge.docker.container_egress:
    deny:
      - destination: 169.254.169.254
    networks:
      web: {peers: deny}
"""

RETURN = r"""
transport:
  description: The iptables variant that was used.
  returned: success
  type: str
  sample: nft
cross_checked:
  description:
    - What python-iptables found in the kernel after the change, see O(cross_check).
    - C(rules), how many rules it read as they were written; C(by_name_only), matches and targets whose options it cannot read; C(skipped), why nothing
      was compared, empty where it was.
  returned: when rules were written by legacy iptables, unless O(cross_check=never)
  type: dict
  sample: {rules: 41, by_name_only: [], skipped: ""}
"""

from typing import Dict, List, Optional

from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.api.connect import connect
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.facts.gather import ask
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.network.conntrack import flows
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.kernel.ipset import Ipset
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.kernel.netfilter import Netfilter
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.rules.desired import DesiredState
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.rules.shadowing import shadow_warnings
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.chains.egress import (
    compile_egress,
    no_egress,
    unmatched,
    without_effect,
)
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.language.egress import BLOCK_KEYS, Egress, parse_egress
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.preflight.bridged import refuse_unseen_peers
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.preflight.lockout import refuse_egress_lockout
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.revocation.offloaded import past_egress
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.tasks.run import (
    CROSS_CHECK_ARGUMENTS,
    ENGINE_ARGUMENTS,
    LOCK_ARGUMENTS,
    TRANSPORT_ARGUMENTS,
    Result,
    Task,
    run_module,
)
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.transaction.converge import Outcome, converge


def keep_egress(task: Task) -> Result:
    """Bring the containers' egress rules to the task's state."""
    if task.params["state"] == "absent":
        outcome = converge(task.system, task.settings(), lambda _netfilter: no_egress())
        return _explained(task, outcome, Result(outcome.result(), outcome.warnings), None)
    egress = parse_egress(_given(task.params), "egress")
    warnings: List[str] = []

    def wanted(_netfilter: Netfilter) -> DesiredState:
        told = ask(connect(task.params["docker_host"]), task.system)
        refuse_unseen_peers(task.system, egress, told.facts)
        if not task.params["allow_lockout"]:
            refuse_egress_lockout(task.system, egress, told.facts)
        compiled = compile_egress(egress, told.facts)
        warnings.extend(told.warnings + unmatched(egress, told.facts) + without_effect(egress) + shadow_warnings(compiled.chains))
        return compiled

    outcome = converge(task.system, task.settings(), wanted)
    offloaded = [flow for flow in flows(task.system) or [] if flow.offloaded] if outcome.plan.is_change else []
    result = Result(outcome.result(), warnings + outcome.warnings + past_egress(outcome.plan, offloaded))
    return _explained(task, outcome, result, egress)


def _explained(task: Task, outcome: Outcome, result: Result, egress: Optional[Egress]) -> Result:
    """Put the change in words ahead of the rules' diff."""
    if not task.shows_diff or not outcome.plan.is_change:
        return result
    from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.readback.egress_diff import (  # pylint: disable=import-outside-toplevel
        task_in_words,
    )

    return result.explained(task_in_words(outcome.plan, Ipset(task.system), egress))


def _given(params: Dict[str, object]) -> Dict[str, object]:
    keys = (*BLOCK_KEYS, "networks", "containers")
    return {key: params[key] for key in keys if params[key] is not None}


def main() -> None:
    run_module(
        {
            **LOCK_ARGUMENTS,
            **TRANSPORT_ARGUMENTS,
            **CROSS_CHECK_ARGUMENTS,
            **ENGINE_ARGUMENTS,
            "default": {"type": "str", "choices": ["allow", "deny"]},
            "deny": {"type": "list", "elements": "dict", "default": []},
            "allow": {"type": "list", "elements": "dict", "default": []},
            "dns": {"type": "raw"},
            "host": {"type": "raw"},
            "peers": {"type": "raw"},
            "networks": {"type": "dict", "default": {}},
            "containers": {"type": "list", "elements": "dict", "default": []},
            "allow_lockout": {"type": "bool", "default": False},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
        keep_egress,
    )


if __name__ == "__main__":
    main()
