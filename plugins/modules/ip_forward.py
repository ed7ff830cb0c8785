# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Ansible module: IP forwarding, for the host or for single interfaces."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ip_forward
short_description: Turn IP forwarding on or off, so that it stays that way beside Docker
version_added: 0.1.0
description:
  - Sets C(net.ipv4.ip_forward) and C(net.ipv6.conf.{all,default}.forwarding), or C(forwarding) of single interfaces, now and at boot, by the
    file C(/etc/sysctl.d/99-zz-drawbridge.conf).
  - Without forwarding, containers reach no other host, and ports published over IPv4 are not reached from outside. docker-proxy, which serves
    IPv6 on networks without IPv6, and connections of the host itself go on.
  - Docker turns IPv4 forwarding on again whenever it is started, from 28 on also when a network is made, and IPv6 forwarding when an IPv6
    network is made. So turning it off for the host includes the engine's C(ip-forward) key, see O(daemon_config).
  - An engine with the nftables firewall backend turns nothing on. It refuses to start, and to make networks, while forwarding is off, unless that key is
    V(false), and starts no container while IPv4 forwarding is off.
  - Under a checkpoint of M(drawbridge.docker.firewall_checkpoint), what this module changed is taken back with the rules, and the files are written by
    the confirmation. Restart the engine after that.
author:
  - The Drawbridge authors (@drawbridge)
options:
  ipv4:
    description: Whether IPv4 is forwarded. Left out, nothing is said about it.
    type: bool
  ipv6:
    description:
      - Whether IPv6 is forwarded. Left out, nothing is said about it.
      - A host that forwards IPv6 ignores router advertisements on interfaces whose C(accept_ra) is not 2. Where its default route comes by
        them, a warning says so.
    type: bool
  interfaces:
    description:
      - Interfaces to set it for, that is for packets that come in by them. Without any, it is set for the whole host.
      - One that does not exist yet gets its setting when it comes up.
      - Setting it for the host is to the kernel an order to every interface. What this module keeps for single interfaces is said again after it.
      - Off for the host includes interfaces that somebody else turned on one by one, as the kernel goes by the interface that a packet comes in by.
        What this module or a policy keeps on for a single interface stays on.
    type: list
    elements: str
    default: []
  daemon_config:
    description:
      - What to do about the engine's C(ip-forward) key when forwarding is turned off for the host.
      - V(set) sets it to V(false) in C(daemon.json), as M(drawbridge.docker.docker_daemon_config) does. The engine is not restarted, see
        RV(restart_required).
      - V(require) fails where it is not V(false).
      - V(ignore) leaves it alone, and warns that forwarding comes back.
      - While the key is V(false), the engine turns on neither family. What is on of the family that the task does not mention is then kept on at
        boot by the same file.
    type: str
    choices: [set, require, ignore]
    default: set
  state:
    description:
      - V(absent) says nothing about it at boot any more, and with O(daemon_config=set) takes C(ip-forward) out of C(daemon.json), for the
        whole host. The kernel's values stay as they are.
      - With neither O(ipv4) nor O(ipv6), V(absent) is about both.
      - A warning tells where nothing else turns forwarding on at boot for an engine with the nftables firewall backend.
    type: str
    choices: [present, absent]
    default: present
  lock_timeout:
    description: How many seconds to wait for another run of Drawbridge on the same host.
    type: int
    default: 30
attributes:
  check_mode:
    support: full
    description: Reports what would change.
  diff_mode:
    support: full
    description: Shows the kernel's settings that change, and the settings at boot.
  platform:
    support: full
    platforms: linux
    description: Linux hosts.
requirements:
  - root on the host
notes:
  - Docker, with its iptables backend, sets the policy of C(FORWARD) to V(DROP) only when it turns on forwarding itself. A host that forwards from boot on has
    whatever policy C(FORWARD) had, V(ACCEPT) by default. Keep it with M(drawbridge.docker.forward_policy).
  - A value in C(/etc/sysctl.conf), C(/etc/ufw/sysctl.conf) or a file of C(/etc/sysctl.d) that sorts later overrides this one at boot, or when C(sysctl
    --system) is run. A warning names it.
seealso:
  - module: drawbridge.docker.forward_policy
  - module: drawbridge.docker.docker_daemon_config
  - module: drawbridge.docker.host_policy
"""

EXAMPLES = r"""
- name: Containers reach nothing outside of the host, and nobody outside reaches them
  drawbridge.docker.ip_forward:
    ipv4: false
    ipv6: false
  register: forwarding

- name: The engine's key holds from its next start on
  ansible.builtin.service:
    name: docker
    state: restarted
  when: forwarding.restart_required

- name: The host forwards, but nothing that comes in by the management network
  drawbridge.docker.ip_forward:
    ipv4: false
    ipv6: false
    interfaces: [eth1]

- name: Forwarding as Docker does it
  drawbridge.docker.ip_forward:
    state: absent
"""

RETURN = r"""
settings:
  description: The kernel's settings that change, by name.
  returned: success
  type: dict
  sample: {"net/ipv4/ip_forward": {"before": "1", "after": "0"}}
boot_file:
  description: The file that holds the settings at boot.
  returned: success
  type: str
  sample: /etc/sysctl.d/99-zz-drawbridge.conf
restart_required:
  description: Whether the engine has to be restarted for its own part in this.
  returned: success
  type: bool
  sample: true
"""

from ansible_collections.drawbridge.docker.plugins.module_utils._internal.address import IPV4, IPV6
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.daemon.config_keys import MODES
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.errors import DrawbridgeError
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host_settings import ip_forward
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host_settings.forwarding import Forwarding
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.persistence.lookup import covered
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.values.check import check_interfaces
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.tasks.run import LOCK_ARGUMENTS, Result, Task, run_module
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.transaction.converge import locked


def keep_forwarding(task: Task) -> Result:
    """Bring the host's IP forwarding to the task's state."""
    params = task.params
    families = {family: params[name] for family, name in ((IPV4, "ipv4"), (IPV6, "ipv6")) if params[name] is not None}
    interfaces = check_interfaces(params["interfaces"], "interfaces")
    with locked(task.settings()):
        host = ip_forward.Host(covered(task.system), params["daemon_config"], task.check_mode)
        if params["state"] == "absent":
            done = ip_forward.leave(host, list(families) or [IPV4, IPV6], list(interfaces))
        elif families:
            done = ip_forward.keep(host, [Forwarding(families, interfaces)])
        else:
            raise DrawbridgeError("neither ipv4 nor ipv6 is given", None, "say which shall be on or off")
    return Result(
        {
            "changed": done.changed,
            "settings": {name: {"before": done.before[name], "after": value} for name, value in done.after.items()},
            "boot_file": host.boot_file,
            "restart_required": done.kept.restart_required,
            "diff": ip_forward.texts(done),
        },
        done.warnings,
    )


def main() -> None:
    run_module(
        {
            **LOCK_ARGUMENTS,
            "ipv4": {"type": "bool"},
            "ipv6": {"type": "bool"},
            "interfaces": {"type": "list", "elements": "str", "default": []},
            "daemon_config": {"type": "str", "choices": list(MODES), "default": "set"},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
        keep_forwarding,
    )


if __name__ == "__main__":
    main()
