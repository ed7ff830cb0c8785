# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Ansible module: what a Docker host's firewall is like."""

from __future__ import annotations

DOCUMENTATION = r"""
module: docker_firewall_info
short_description: Report how a Docker host's firewall is set up, and what gets past it
version_added: 0.1.0
description:
  - Returns what the Docker engine publishes and how, what the rules of Docker and Drawbridge on the host are, what escapes rules on
    published ports by nature, and what is wrong.
  - Reads only. It neither loads rules nor creates tables.
  - An engine that does not answer is no error. The host's rules are reported all the same, with a warning, and RV(engine.reachable) is
    false.
author:
  - The Drawbridge authors (@drawbridge)
options:
  docker_host:
    description:
      - Address of the engine. The rules reported are always those of the host that the task runs on, so the engine should be on it.
      - Other addresses than C(unix://) need the Docker SDK for Python on the host (C(python3-docker) on Debian, Ubuntu and Fedora,
        C(docker) on PyPI). E(DOCKER_TLS_VERIFY) and E(DOCKER_CERT_PATH) of the task's environment are used as the docker command uses
        them.
    type: str
    default: unix:///var/run/docker.sock
  transport:
    description:
      - Which iptables to look at. V(auto) takes the variant that holds Docker's chains, else Drawbridge's, else the one
        that plain C(iptables) is.
      - Where both variants hold rules and neither Docker's chains nor Drawbridge's tell, V(auto) takes the one that plain C(iptables) is, with a warning.
    type: str
    choices: [auto, nft, legacy]
    default: auto
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
    description: Linux hosts with iptables.
requirements:
  - iptables 1.8 or newer on the host
  - root on the host
seealso:
  - module: drawbridge.docker.host_policy
  - module: drawbridge.docker.docker_user_chain
"""

EXAMPLES = r"""
- name: Look at the host's firewall
  drawbridge.docker.docker_firewall_info:
  register: firewall

- name: List published ports that anyone reaches
  ansible.builtin.debug:
    msg: "{{ item.family }} {{ item.address or 'every address' }}: {{ item.port }}/{{ item.protocol }} leads to {{ item.container }}"
  loop: "{{ firewall.published_ports | rejectattr('guarded') | rejectattr('loopback') }}"
  loop_control:
    label: "{{ item.port }}"

- name: Fail where the policy lets anybody reach another port than these
  ansible.builtin.assert:
    that: (open_to_all | difference([80, 443])) == []
    fail_msg: "open to everybody: {{ open_to_all | join(', ') }}"
  vars:
    open_to_all: "{{ firewall.published_ports | selectattr('guarded') | selectattr('sources', 'contains', 'any') | map(attribute='port') | unique }}"

- name: Fail where anything gets past the rules
  ansible.builtin.assert:
    that: firewall.findings | length == 0
    fail_msg: "{{ firewall.findings | map(attribute='message') | join('; ') }}"

- name: Look at an engine at another socket, and at iptables-legacy
  drawbridge.docker.docker_firewall_info:
    docker_host: unix:///run/docker-second.sock
    transport: legacy
"""

RETURN = r"""
engine:
  description: The Docker engine.
  returned: success
  type: dict
  contains:
    reachable:
      description: Whether the engine answered. If not, everything that only it knows is empty.
      type: bool
    error:
      description: Why it did not answer.
      type: str
    version:
      description: Its release, null where it did not answer.
      type: str
      sample: 28.5.2+dfsg4
    api_version:
      description: The newest version of the API that it speaks, null where it did not answer.
      type: str
      sample: "1.51"
    backend:
      description: What it programs the firewall with, V(iptables) or V(nftables); null where it did not answer.
      type: str
      sample: iptables
    firewalld:
      description: Whether it does so through firewalld. Engines before 28.1 do not say.
      type: bool
    userland_proxy:
      description:
        - Whether it runs docker-proxy, which serves published ports from a process of the host, V(on), V(off) or V(unknown).
        - Told by the engine from 29.5 on, else by dockerd's arguments, by its rules, or by its daemon.json.
      type: str
      sample: "on"
    swarm:
      description: Whether it is in a swarm.
      type: bool
    rootless:
      description: Whether it runs without root, with rules and networks in a namespace of its own.
      type: bool
iptables:
  description: The variant of iptables that was looked at.
  returned: success
  type: dict
  contains:
    variant:
      description: V(nft) or V(legacy).
      type: str
      sample: nft
    other_variant:
      description: The other one.
      type: str
    other_variant_rules:
      description: How many rules the other one holds. Packets have to pass both.
      type: int
      sample: 0
event_service:
  description:
    - Whether the service that M(drawbridge.docker.event_service) sets up keeps sets and containers' rules up to date, V(running), V(stopped) or
      V(absent).
    - Without it, the sets know what the engine publishes later by the next run. What closes it until then, RV(late_ports) says.
  returned: success
  type: str
  sample: running
late_ports:
  description:
    - What closes ports that are published from now on where docker-proxy serves them, as RV(drawbridge.docker.host_policy#module:late_ports) says
      it. Meaningful where a policy limits published ports.
  returned: success
  type: str
  sample: kernel
chains:
  description: The built-in chains, Docker's and Drawbridge's, of each family and table that has any.
  returned: success
  type: list
  elements: dict
  contains:
    family:
      description: V(ipv4) or V(ipv6).
      type: str
    table:
      description: The table.
      type: str
    chain:
      description: The chain.
      type: str
      sample: DOCKER-USER
    owner:
      description: V(docker), V(drawbridge), or null for built-in chains.
      type: str
      sample: docker
    policy:
      description: A built-in chain's policy, null for the others.
      type: str
      sample: DROP
    rules:
      description: How many rules it holds.
      type: int
      sample: 1
networks:
  description: The engine's networks, by name.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: The network's name.
      type: str
      sample: backend
    id:
      description: The network's id.
      type: str
      sample: b904546766ae5f5a1c6c3e56d7d0e6a1a1a3a1df4a0a2a4b0a9d4b2d1c2e3f40
    driver:
      description: The network's driver.
      type: str
      sample: bridge
    bridge:
      description: Its interface on the host, null for drivers that make none there.
      type: str
      sample: br-b904546766ae
    subnets:
      description: Its subnets, of both families.
      type: list
      elements: str
      sample: ["172.18.0.0/16"]
    internal:
      description: Whether it is cut off from the outside.
      type: bool
    gateway_mode_ipv4:
      description:
        - How the outside reaches its containers by IPv4, V(nat), V(routed), V(nat-unprotected) or V(isolated); null for drivers other
          than bridge.
        - Engines before 27 know only V(nat), whatever options their networks have.
      type: str
    gateway_mode_ipv6:
      description: The same for IPv6.
      type: str
published_ports:
  description: The ports of the host that lead into running containers. One published on every address of both families stands here twice.
  returned: success
  type: list
  elements: dict
  contains:
    family:
      description: V(ipv4) or V(ipv6).
      type: str
    address:
      description: The address of the host, null for every address.
      type: str
      sample: 192.0.2.7
    port:
      description: The port of the host.
      type: int
      sample: 8080
    protocol:
      description: V(tcp), V(udp) or V(sctp).
      type: str
      sample: tcp
    container:
      description: The container's name.
      type: str
      sample: web
    container_id:
      description: The container's id.
      type: str
      sample: 36d3c0527c4303f2d0a3f4f0a9a6b8e6c5d4e3f2a1b0c9d8e7f6a5b4c3d2e1f0
    container_port:
      description: The port inside the container.
      type: int
      sample: 80
    loopback:
      description: Whether it is published on the host's loopback only.
      type: bool
    guarded:
      description:
        - Whether the guard of M(drawbridge.docker.host_policy) in mangle PREROUTING judges it. RV(published_ports[].sources) says who is let in.
        - Rules of other modules and other people are not considered.
      type: bool
    sources:
      description:
        - Whom the policy lets in by this family, on one of the addresses that the port is published on at least.
        - As a policy says it, V(any), addresses and networks, C(@name) for a set. An empty list is nobody.
        - Of an entry that names interfaces, each stands with the interface by which the packet has to come in, as V(any by wg0) or V(10.0.0.0/8 by wg0).
        - Of an entry with a limit, the limit stands behind that in brackets, as in the words of C(--diff).
        - Null where RV(published_ports[].guarded) is false.
      type: list
      elements: str
      sample: ["@office", 10.0.0.0/8]
    denied_sources:
      description:
        - Whom the policy denies ahead of RV(published_ports[].sources), by this family, as its C(deny) says. An empty list is nobody.
        - Null where RV(published_ports[].guarded) is false.
      type: list
      elements: str
      sample: ["@abusers", 198.51.100.0/24]
owned:
  description: What of the host's netfilter is Drawbridge's.
  returned: success
  type: dict
  contains:
    chains:
      description: Its chains, with their rules.
      type: list
      elements: dict
      contains:
        family:
          description: V(ipv4) or V(ipv6).
          type: str
        table:
          description: The table.
          type: str
        chain:
          description: The chain.
          type: str
          sample: DB-GUARD
        lines:
          description: The rules in iptables-save's words, without the chain's name.
          type: list
          elements: str
          sample: ["-m conntrack --ctdir REPLY -j RETURN"]
    hooks:
      description: The jumps to them from chains of others.
      type: list
      elements: dict
      contains:
        family:
          description: V(ipv4) or V(ipv6).
          type: str
        table:
          description: The table.
          type: str
        parent:
          description: The chain that holds the jump.
          type: str
          sample: PREROUTING
        target:
          description: The chain that it leads to.
          type: str
          sample: DB-GUARD
        position:
          description: The jump's place in the chain, from 1.
          type: int
          sample: 1
        of:
          description: How many rules that chain holds.
          type: int
          sample: 3
        passed_by:
          description: The first rule before it that lets packets pass it by, null where there is none.
          type: str
    sets:
      description: Its ipsets.
      type: list
      elements: dict
      contains:
        name:
          description: The set's name in the kernel.
          type: str
          sample: DBP-pub-tcp-4a
        type:
          description: The set's type.
          type: str
          sample: bitmap:port
        family:
          description: V(ipv4) or V(ipv6), null for types that have none.
          type: str
        entries:
          description: How many entries it has.
          type: int
          sample: 7
        ending:
          description: The first 100 of those that end, by the time at which they do.
          type: list
          elements: dict
          contains:
            entry:
              description: An address or network.
              type: str
              sample: 203.0.113.7
            until:
              description: When the kernel takes it out, in UTC.
              type: str
              sample: "2026-12-01T18:00:00Z"
    tables:
      description: Its tables in nftables.
      type: list
      elements: dict
      contains:
        table:
          description: The table's family and name.
          type: str
          sample: ip drawbridge-policy
        lines:
          description: The table in nft's words.
          type: list
          elements: str
quarantines:
  description: What M(drawbridge.docker.quarantine) cut off on this host, oldest first.
  returned: success
  type: list
  elements: dict
  contains:
    selector:
      description: What chooses the containers, as the module was told, by C(name), C(id) or C(compose_project).
      type: dict
      sample: {name: web}
    reason:
      description: Why.
      type: str
      sample: INC-4711
    by:
      description: Who asked for it.
      type: str
      sample: root from 192.0.2.9
    since:
      description: Since when, in UTC.
      type: str
      sample: "2026-12-01T18:00:00Z"
escapes:
  description: What rules on published ports never see, by nature.
  returned: success
  type: list
  elements: dict
  contains:
    kind:
      description:
        - V(host_network) for containers on the host's own network, V(macvlan), V(ipvlan), V(shared_bridge), V(routed) and V(nat-unprotected)
          for networks and each running container on them, V(swarm) for the routing mesh, V(rootless) for the whole engine.
      type: str
      sample: host_network
    network:
      description: The network, null for other kinds.
      type: str
    container:
      description: The container, null where the entry is about a network or the host.
      type: str
      sample: node-exporter
    reason:
      description: Why it escapes.
      type: str
      sample: "uses the host's own network: its ports are services of the host, only host_services judges them"
findings:
  description: What lets packets past the rules, or looks wrong. Each code stands here once at most.
  returned: success
  type: list
  elements: dict
  contains:
    code:
      description:
        - V(unguarded_ports), published ports without a guard that are reached on some path. A port that was published after the last run and that
          a policy closes on every path is none of them.
        - V(guard_lost_lines), lines that the guard's chains have lost, and the ports that are open by it.
        - V(unlike_saved), lines of Drawbridge's that somebody took away or put in since the last run, where the role boot_restore keeps files.
        - V(unguarded_vrfs), VRFs whose addresses no policy guards.
        - V(late_ports_open), a policy beside which ports that are published from now on are open until its next run.
        - V(chain_not_hooked), chains of Drawbridge's that nothing jumps to.
        - V(hook_passed_by), a jump to a chain of Drawbridge's behind lines that let packets pass.
        - V(docker_user_passed_by), rules in C(DOCKER-USER) that C(FORWARD) does not jump to, for some packets only, or too late.
        - V(interrupted_change), a run of Drawbridge's that did not come to its end.
        - V(flowtables), flowtables of nftables, whose flows pass every rule by.
        - V(other_variant_has_rules), rules in the other variant of iptables.
        - V(loopback_reachable), ports published on loopback that hosts on the same link can reach.
        - V(containers_reachable_directly), networks whose containers answer at their own addresses, with engines before 28, by
          C(allow-direct-routing) or by a network's C(trusted_host_interfaces).
        - V(ipv6_by_proxy), ports that are served by docker-proxy for IPv6 as the engine makes no IPv6 rules.
        - V(no_rules_of_docker), an engine whose chains are missing.
        - V(leftovers_of_iptables), rules of a former life of an engine that uses nftables now, and V(leftovers_of_nftables), the other way round.
        - V(forward_policy_cuts_off), a policy V(DROP) of iptables' C(FORWARD) beside an engine that uses nftables.
        - V(chains_without_effect), chains of M(drawbridge.docker.nat_filter_chain) and opened ports beside an engine that uses nftables.
        - V(no_forwarding_at_boot), an engine that uses nftables, on a host where no file turns IPv4 forwarding on at boot.
      type: str
      sample: unguarded_ports
    message:
      description: What was found.
      type: str
      sample: "published ports that no policy guards: whoever reaches the host reaches them, on some path at least"
    about:
      description: What it is about, empty for the host as a whole.
      type: list
      elements: str
      sample: ["ipv4 0.0.0.0:8080/tcp -> web:80"]
    hint:
      description: What to do about it.
      type: str
      sample: run host_policy; ports that were published after its last run come under the guard by the next
"""

from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.api.connect import connect
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.inspect.report import report
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.inspect.survey import survey
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.tasks.run import (
    ENGINE_ARGUMENTS,
    TRANSPORT_ARGUMENTS,
    Result,
    Task,
    run_module,
)


def look(task: Task) -> Result:
    """Survey the host and report."""
    found = survey(task.system, task.params["transport"], connect(task.params["docker_host"]))
    return Result(dict(report(found), changed=False), found.warnings)


def main() -> None:
    run_module({**ENGINE_ARGUMENTS, **TRANSPORT_ARGUMENTS}, look)


if __name__ == "__main__":
    main()
