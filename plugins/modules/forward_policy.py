# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Ansible module: the policy of FORWARD."""

from __future__ import annotations

DOCUMENTATION = r"""
module: forward_policy
short_description: Keep the policy of iptables' FORWARD chain
version_added: 0.1.0
description:
  - Sets what becomes of a forwarded packet that no rule decides about, for each family, and keeps it over restarts of the engine and of the
    host.
  - Docker sets it to V(DROP) only when it turns on IP forwarding itself, and never to V(ACCEPT). On a host that forwards already, by a
    C(sysctl.d) file for instance, the policy stays V(ACCEPT), and with engines before 28 anybody on the network reaches
    containers by their own addresses.
  - At boot, V(DROP) is set by a systemd unit before the network comes up and the engine starts, V(ACCEPT) by one that follows each
    start of the engine. No rule is touched.
  - Under a checkpoint of M(drawbridge.docker.firewall_checkpoint), what this module changed is taken back with the rules, and the units are written by
    the confirmation.
author:
  - The Drawbridge authors (@drawbridge)
extends_documentation_fragment:
  - drawbridge.docker.netfilter
  - drawbridge.docker.netfilter.transport
options:
  ipv4:
    description: The policy for IPv4, as iptables or as a policy of M(drawbridge.docker.host_policy) spells it. Left out, nothing is said about it.
    type: str
    choices: [ACCEPT, DROP, accept, drop]
  ipv6:
    description: The policy for IPv6, in the same words.
    type: str
    choices: [ACCEPT, DROP, accept, drop]
  state:
    description:
      - V(absent) says nothing about it after the next boot any more. The policy of now stays as it is.
      - Then a policy that is given names the family only. With neither O(ipv4) nor O(ipv6), V(absent) is about both.
    type: str
    choices: [present, absent]
    default: present
attributes:
  check_mode:
    description: Reports what would change.
  diff_mode:
    description: Shows the policies that change, and what the units say.
notes:
  - V(DROP) stops everything that is forwarded and not Docker's, such as VMs and VPNs behind this host, unless rules of theirs accept
    it. A warning names the interfaces that forward, where there are several.
  - Fails for V(DROP) on a host whose engine has the nftables firewall backend, or will have it from its next start on. What that engine accepts in its
    own table still has to pass C(FORWARD), so V(DROP) would cut all containers off. It drops by itself what comes to its networks unpublished.
  - Engines before 27 make no rules for IPv6 by default. There V(DROP) for IPv6 stops the IPv6 traffic of containers as well.
  - Who flushes iptables' tables or all of nftables, as a reload of C(nftables.service) does, takes the policy along, with Docker's rules. After
    that run the task again, and restart the engine.
  - An engine of 28 or newer that turns forwarding on when a network is made sets V(DROP) at that moment. With C(ip-forward-no-drop),
    see M(drawbridge.docker.docker_daemon_config), it does not.
seealso:
  - module: drawbridge.docker.ip_forward
  - module: drawbridge.docker.docker_daemon_config
  - module: drawbridge.docker.host_policy
"""

EXAMPLES = r"""
- name: Nothing is forwarded that no rule accepts
  drawbridge.docker.forward_policy:
    ipv4: DROP
    ipv6: DROP

- name: A router that happens to run containers
  drawbridge.docker.forward_policy:
    ipv4: ACCEPT

- name: Whatever Docker makes of it, from the next boot on
  drawbridge.docker.forward_policy:
    state: absent
"""

RETURN = r"""
transport:
  description: The iptables variant that was used.
  returned: success
  type: str
  sample: nft
policies:
  description: The policies that change, by family.
  returned: success
  type: dict
  sample: {"ipv4": {"before": "ACCEPT", "after": "DROP"}}
"""

from ansible_collections.drawbridge.docker.plugins.module_utils._internal.address import IPV4, IPV6
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.errors import DrawbridgeError
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host_settings import forward_policy
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.kernel.chain_policy import POLICIES
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.kernel.netfilter import Netfilter
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.persistence.lookup import covered
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.tasks.run import (
    LOCK_ARGUMENTS,
    TRANSPORT_ARGUMENTS,
    Result,
    Task,
    run_module,
)
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.transaction.converge import locked

NAMES = {IPV4: "ipv4", IPV6: "ipv6"}


def keep_policy(task: Task) -> Result:
    """Bring FORWARD's policies to the task's state."""
    given = {family: task.params[name].upper() for family, name in NAMES.items() if task.params[name] is not None}
    with locked(task.settings()):
        system = covered(task.system)
        netfilter = Netfilter(system, task.params["transport"])
        kept = forward_policy.at_boot(system)
        if task.params["state"] == "absent":
            kept = {family: policy for family, policy in kept.items() if given and family not in given}
            given = {}
        elif given:
            kept.update(given)
        else:
            raise DrawbridgeError("neither ipv4 nor ipv6 is given", None, "say which policy")
        change = forward_policy.compare(netfilter, given, kept)
        if not task.check_mode:
            forward_policy.apply(netfilter, change)
    return Result(
        {
            "changed": change.changed,
            "transport": netfilter.variant,
            "policies": {NAMES[item]: {"before": change.before[item], "after": value} for item, value in change.after.items()},
            "diff": forward_policy.texts(change),
        },
        netfilter.warnings + change.warnings,
    )


def main() -> None:
    run_module(
        {
            **LOCK_ARGUMENTS,
            **TRANSPORT_ARGUMENTS,
            "ipv4": {"type": "str", "choices": [*POLICIES, *map(str.lower, POLICIES)]},
            "ipv6": {"type": "str", "choices": [*POLICIES, *map(str.lower, POLICIES)]},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
        keep_policy,
    )


if __name__ == "__main__":
    main()
