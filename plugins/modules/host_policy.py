# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Ansible module: a Docker host's whole policy."""

from __future__ import annotations

DOCUMENTATION = r"""
module: host_policy
short_description: Apply a Docker host's whole firewall policy in one task
version_added: 0.1.0
description:
  - Says who may reach the ports that containers publish, on every way into a container, and who may reach services of the host itself.
  - Published ports are judged by the port that the outside dials, before any DNAT, for IPv4 and IPv6, whether Docker forwards the packet or
    docker-proxy serves it. A revoked client's open connections stop as well.
  - The whole policy is one task and one transaction. At no moment passes a packet that neither the old nor the new policy would pass.
  - Allowing a packet means that Docker's own rules and other people's still decide about it.
  - What the policy does not mention is left untouched.
author:
  - The Drawbridge authors (@drawbridge)
extends_documentation_fragment:
  - drawbridge.docker.netfilter
  - drawbridge.docker.netfilter.transport
  - drawbridge.docker.netfilter.cross_check
  - drawbridge.docker.engine
  - drawbridge.docker.policy
options:
  settings_prefix:
    description:
      - Take the options that the task does not give from variables whose names are this text and the option's name, where they are defined and
        not empty.
      - The role uses it. A template for each option would take longer than the rest of the task's preparation.
    type: str
notes:
  - "C(address_sets): a mapping of names to lists of addresses and networks of both families. Entries name a set as C(@name). Names have
    letters, digits, C(_), C(.) and C(-), at most 18. C(@name) may also be a set that M(drawbridge.docker.address_set) keeps. In place of a list,
    a mapping with C(url) or C(src) is a feed, which the controller fetches once in a run for all hosts. If it cannot be used, the set keeps what the host
    holds, and a warning says why."
  - "C(zones): a mapping of names to C(interfaces), C(sources) or both, for use in the entries of C(published_ports) and C(host_services). Without
    C(interfaces) a zone is about every interface, without C(sources) about everybody."
  - "C(external_interfaces): the interfaces that are outside, C(+) at the end stands for any ending. Without it every interface is outside but
    the loopback and the bridges of Docker's networks."
  - "C(unmanaged_interfaces): interfaces to which other software forwards, such as a libvirt bridge or a VPN. What was DNATed and leaves by them is
    not judged."
  - "C(published_ports): C(default) (V(deny) or V(allow), V(deny) if left out) is for ports without an entry, C(allow) is the list of entries,
    C(direct) (V(deny) or V(allow), V(deny) if left out) is for access from outside to the containers' own addresses, C(routed) the list of entries
    for those on networks whose gateway mode is C(routed) or C(nat-unprotected), by the containers' own ports, C(deny) a list of addresses, networks
    and C(@name) that get nothing of all this, whatever the entries say."
  - "C(host_services): C(default) (V(allow) if left out), C(allow) and C(swarm). With V(deny) the loopback, established and related traffic, ICMP errors,
    IPv6 neighbour discovery, router advertisements and multicast listener discovery, the DHCP client, traffic from Docker's bridges, published
    ports that C(published_ports) lets through pass all the same; Swarm's ports while the engine is in a swarm, from the nodes that the engine knows and from
    the sources in C(swarm), such as those of nodes that are about to join. C(deny) is a list of addresses, networks and C(@name) that reach no
    service of the host, whatever the entries say."
  - "C(egress): what containers reach - C(default), C(deny), C(allow), C(dns), C(host) and C(peers) for all of them, C(networks) and C(containers) for
    some. The same as the options of M(drawbridge.docker.container_egress)."
  - "C(host_egress): what the host itself reaches - C(default), C(deny), C(allow) and C(dns) with the entries of C(egress), and C(mode). Replies, the
    loopback, Docker's bridges, ICMP errors, IPv6 neighbour discovery and the DHCP client pass all the same."
  - "C(masquerade): the source that containers are seen with - C(all), C(networks) and C(subnets). The same as the options of
    M(drawbridge.docker.masquerade)."
  - "An entry has C(port) (a number or a range as V(8000-8010)), C(protocol) (V(tcp) if left out, V(udp), V(sctp), for host services also
    V(icmp), which means ping and has no port), C(address) (an address of the host, every one if left out) and C(sources), a list of
    addresses, networks, C(@name) and V(any). An empty list means nobody. C(interfaces) is a list of interfaces by one of which packets have to come in, C(+)
    at the end stands for any ending; with C(sources) both have to hold, without it everybody by these interfaces is let in. C(zones) is a list of names, in
    place of both. Either of the three has to be there. In C(allow) and C(routed), C(limit) has C(rate) (new connections of each source, as V(10/second)),
    C(burst), C(connections) (how many of them are open at once) and C(per), whose C(ipv4) and C(ipv6) are the bits of an address that make one source."
  - "C(forwarding): C(ipv4) and C(ipv6) (V(true) or V(false)) for the host, C(interfaces) with the same two keys by interface name, and
    C(daemon_config), as the options of M(drawbridge.docker.ip_forward)."
  - "C(forward_policy): C(ipv4) and C(ipv6) (V(accept) or V(drop)), as M(drawbridge.docker.forward_policy) keeps them."
  - "C(daemon): keys of C(daemon.json) as the options of M(drawbridge.docker.docker_daemon_config), V(null) takes a key out. The engine is not
    restarted, see RV(restart_required)."
  - "C(open_ports): a list of ports that are led to containers that do not publish them. Keys are the options of M(drawbridge.docker.container_port)
    without its C(state), C(docker_host) and those of all modules. C(missing) is V(ignore) if left out. C(@name) among C(sources) is a set of the
    policy, or of M(drawbridge.docker.address_set). Where M(drawbridge.docker.event_service) is, the ports follow their containers; elsewhere
    they lead to the addresses of the last run until the next one."
  - "C(containers): a list of sections of rules inside containers. Keys are the options of M(drawbridge.docker.container_netns_rule) without its C(state),
    C(rules_from), C(docker_host) and those of all modules. C(missing) is V(ignore) if left out, C(section) has at most 15 characters, and C(@name) is a
    set of M(drawbridge.docker.address_set)."
  - "C(tests): a list of what is to hold once the policy is in force, C({from: any, to: 5432, expect: deny}). Each is proved by the rules as they are
    planned, for all addresses that it is about, before anything is changed and in check mode, too. One that fails, or whose answer is unknown,
    stops the run; the error names the test, a packet, and the rule that decides. Keys are C(from) (V(any), C(@name), an address, a network,
    a list of these, or V(host)), C(except) (those of C(from) who are left out), C(interface), C(container) (the name of a container that sends,
    instead of C(from)), C(to) (a port of the host as V(8080) or V(53/udp), V(icmp), an address with a port as V(192.0.2.10:8080), an address
    alone, or a mapping with C(container) or C(address), C(port) and C(protocol)), C(expect) (V(allow) or V(deny)), C(ip_version) (V(both) if
    left out) and C(comment). The tests of all fragments add up."
  - Rules inside containers are tried before anything is changed, and put in after the host's rules. A confirmation does not take them back.
  - What narrows is done before the rules go in, what widens after them. What a policy no longer says about forwarding and the policy of
    C(FORWARD), and with O(state=absent) all of it, is no longer said at boot either. The kernel's values and C(daemon.json) stay as they are;
    where C(daemon.json) then keeps Docker from forwarding, a warning says so.
  - An entry says who may reach its port. Also where the default is V(allow), nobody else does.
  - Host names are refused. What somebody publishes as a list can be a feed.
  - C(--diff) begins with what the change means, who reaches which published port, opened port and service of the host, and what containers
    reach, before and after. The rules follow.
seealso:
  - module: drawbridge.docker.address_set
  - module: drawbridge.docker.docker_user_chain
  - module: drawbridge.docker.container_port
  - module: drawbridge.docker.container_netns_rule
  - module: drawbridge.docker.docker_firewall_info
  - module: drawbridge.docker.ip_forward
  - module: drawbridge.docker.forward_policy
  - module: drawbridge.docker.docker_daemon_config
"""

EXAMPLES = r"""
- name: HTTPS for everybody, HTTP for the office, nothing else that a container publishes
  drawbridge.docker.host_policy:
    policy:
      address_sets:
        office: [203.0.113.0/24, "2001:db8:1::/48"]
      published_ports:
        default: deny
        allow:
          - {port: 443, sources: [any]}
          - {port: 80, sources: ["@office", 10.0.0.0/8]}
          - {port: 8000-8010, protocol: udp, address: 192.0.2.7, sources: ["@office"]}

- name: SSH and ping to the host itself from the office only, no other service
  drawbridge.docker.host_policy:
    policy:
      address_sets:
        office: [203.0.113.0/24, "2001:db8:1::/48"]
      published_ports: {}
      host_services:
        default: deny
        allow:
          - {port: 22, sources: ["@office"]}
          - {protocol: icmp, sources: ["@office"]}

- name: The same, proved before anything is changed
  drawbridge.docker.host_policy:
    policy:
      address_sets:
        office: [203.0.113.0/24, "2001:db8:1::/48"]
      published_ports:
        allow:
          - {port: 80, sources: ["@office"]}
      tests:
        - {from: "@office", to: 80, expect: allow}
        - {from: any, except: "@office", to: 80, expect: deny}
        - {from: any, to: 5432/tcp, expect: deny}
        - {container: web, to: "169.254.169.254:80", expect: deny}

- name: What group and host variables say, laid over a profile
  drawbridge.docker.host_policy:
    fragments: host_policy__
    profile: edge

- name: Remove the policy
  drawbridge.docker.host_policy:
    state: absent
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
connections_closed:
  description: How many open connections to published ports and containers the change ended. In check mode, how many it would end.
  returned: when something changes, with O(revoke=end), on a host that tells its connections
  type: int
  sample: 2
changes:
  description:
    - What the change means in words, the same as C(--diff) begins with - C(what), a published port, an opened port, a service of the host, or what
      containers reach; C(before) and C(after), who reaches it or what they reach, V(null) where nothing is said about it at that moment;
      C(containers), the names of those that publish the port.
    - Empty if something else changes, such as addresses in a set.
  returned: when something changes, and the policy has 1,000 rules at most or the task shows a diff
  type: list
  elements: dict
  sample:
    - what: port 8080/tcp
      before: anybody
      after: "@office"
      containers: [api]
rules:
  description: How many rules the policy has in the kernel, in both families together.
  returned: success
  type: int
  sample: 41
sets:
  description: How many ipsets the policy has in the kernel.
  returned: success
  type: int
  sample: 16
seconds:
  description: How long the module took on the host, without O(confirm_timeout)'s confirmation.
  returned: success
  type: float
  sample: 0.142
confirm_seconds:
  description: How long it took to confirm the change over a new connection.
  returned: when a change was to be confirmed
  type: float
  sample: 0.231
engine_reachable:
  description:
    - Whether the engine told its networks and published ports.
    - If not, those that the kernel knows from an earlier run stay as they are.
  returned: success and O(state=present)
  type: bool
  sample: true
late_ports:
  description:
    - What closes a port that is published after this run and served by docker-proxy, which is how IPv6 comes to a network without IPv6. What is
      led there by DNAT is closed in any case.
    - V(kernel), the kernel tells sockets of the engine's unit by its cgroup and drops what the policy does not let in, from the first packet on,
      also after a restart of the engine or of the host. It takes cgroups of version 2, a kernel from 5.13 on (5.15 where version 1 is used too,
      6.11 for a host that is a container itself), nft from 0.9.9 on, an engine in a unit of systemd's that is named after
      Docker, and M(drawbridge.docker.boot_restore).
    - V(kernel_until_restart), the same until the engine is started anew. M(drawbridge.docker.boot_restore) was not used.
    - V(event_service), the service of M(drawbridge.docker.event_service) closes it a moment after it was published.
    - V(next_run), nothing closes it before the next run of this module. In C(published_ports) what is said about SCTP is of this kind, or the
      event service's, in any case.
  returned: success, where C(published_ports) limits anything
  type: str
  sample: kernel
tests:
  description: How many C(tests) of the policy were proved, all of them, and by how many packets, answers included.
  returned: success, where the policy has C(tests)
  type: dict
  sample: {passed: 12, packets: 240}
plan:
  description: The C(file) of the plan that was made or kept, and its C(fingerprint), which is another one for every plan.
  returned: success, with O(plan_dir)
  type: dict
  sample: {file: /srv/plans/web1.json, fingerprint: 0f8e0f3c4a1b6d27}
open_ports:
  description: The containers that opened ports lead to, as M(drawbridge.docker.container_port) returns C(containers).
  returned: where the policy, or the one before it, has C(open_ports)
  type: list
  elements: dict
containers:
  description: The containers with rules inside, as M(drawbridge.docker.container_netns_rule) returns C(containers).
  returned: where the policy, or the one before it, has C(containers)
  type: list
  elements: dict
recorded:
  description: Whether the host keeps a record, by which C(open_ports) and C(masquerade) follow containers and networks that are made anew.
  returned: where the policy has C(open_ports) or C(masquerade)
  type: bool
  sample: false
restart_required:
  description: Whether the engine has to be restarted for what C(daemon) or C(forwarding) say to hold.
  returned: success
  type: bool
  sample: false
"""

from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy_pipeline.pipeline import keep_policy
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.tasks.run import (
    CROSS_CHECK_ARGUMENTS,
    ENGINE_ARGUMENTS,
    LOCK_ARGUMENTS,
    POLICY_ARGUMENTS,
    POLICY_EXCLUSIVE,
    POLICY_REQUIRED,
    TRANSPORT_ARGUMENTS,
    run_module,
)


def main() -> None:
    run_module(
        {**LOCK_ARGUMENTS, **TRANSPORT_ARGUMENTS, **CROSS_CHECK_ARGUMENTS, **ENGINE_ARGUMENTS, **POLICY_ARGUMENTS, "settings_prefix": {"type": "str"}},
        keep_policy,
        required_if=POLICY_REQUIRED,
        mutually_exclusive=POLICY_EXCLUSIVE,
    )


if __name__ == "__main__":
    main()
