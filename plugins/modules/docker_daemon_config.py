# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Ansible module: the keys of daemon.json that touch the firewall."""

from __future__ import annotations

DOCUMENTATION = r"""
module: docker_daemon_config
short_description: Set the keys of Docker's daemon.json that touch the firewall
version_added: 0.1.0
description:
  - Sets keys of the engine's configuration file, or takes them out. Everything else in the file stays byte for byte, in its order.
  - A key that the installed engine does not know is an error, because the engine would not start. So is one that dockerd's command line, its
    unit or the unit's environment file states as well.
  - The whole new file is validated by C(dockerd --validate), where the engine has it (from 23.0 on), before it is written. It is
    written at once or not at all, with a copy of the old one beside it.
  - A file that is not valid JSON is left as it was. The error names line and column.
  - The engine reads these keys when it is started, not when it is told to reload. This module never restarts it, it returns
    RV(restart_required). The role P(drawbridge.docker.docker_daemon#role) restarts the engine by a handler.
author:
  - The Drawbridge authors (@drawbridge)
options:
  ip_forward:
    description:
      - Whether the engine turns on IP forwarding, when it is started, and from 28 on also when a network is made.
      - V(false) does not turn forwarding off, see M(drawbridge.docker.ip_forward).
    type: bool
  ip_masq:
    description: Whether the default bridge's containers are masqueraded. Other networks have an option of their own.
    type: bool
  iptables:
    description:
      - Whether the engine makes firewall rules for IPv4.
      - V(false) leaves the rules that it made before, and published ports to docker-proxy. The engine does not start with both this and O(icc) off.
    type: bool
  ip6tables:
    description:
      - Whether the engine makes firewall rules for IPv6. From 27 on it does by itself.
      - Engines 20.10 to 26.1 start with V(true) only where C(experimental) is V(true) in the file too.
    type: bool
  userland_proxy:
    description: Whether docker-proxy serves published ports that are not DNATed.
    type: bool
  icc:
    description: Whether containers on the default bridge reach each other.
    type: bool
  ip_forward_no_drop:
    description:
      - Keeps the engine from setting the policy of C(FORWARD) to V(DROP) when it turns on IP forwarding.
      - From 28 on.
    type: bool
  allow_direct_routing:
    description:
      - Whether containers' own addresses may be reached from outside at ports that they publish.
      - From 28.2 on.
    type: bool
  firewall_backend:
    description:
      - What the engine makes its rules with. From 29 on.
      - An engine is moved as a whole or not at all. Before anything is written, in check mode too, the module fails with all that is lacking.
      - For V(nftables) the host has to forward, now and at boot (M(drawbridge.docker.ip_forward); IPv6 too where the engine has an IPv6 network),
        unless O(ip_forward=false). The policy of iptables' C(FORWARD) has to be V(ACCEPT) (M(drawbridge.docker.forward_policy)), the engine in no swarm,
        and nothing may rest on M(drawbridge.docker.nat_filter_chain) or M(drawbridge.docker.container_port), which mean nothing there.
        A policy of M(drawbridge.docker.host_policy) may bring forwarding and C(FORWARD)'s policy in the same run.
      - For V(iptables) iptables has to be installed.
      - What the engine made with the other one and does not clear away itself stays until the host is restarted.
    type: str
    choices: [iptables, nftables]
  bridge_accept_fwmark:
    description:
      - A packet mark, or mark and mask as V(0x1/0x3), with which packets reach bridge networks whatever the engine's rules say.
      - From 29 on.
    type: str
  default_network_opts:
    description:
      - Options that new networks get, by driver. The whole mapping is replaced.
      - From 24 on.
    type: dict
  absent:
    description: Keys to take out of the file, as they are called in it.
    type: list
    elements: str
    default: []
    choices:
      - ip-forward
      - ip-masq
      - iptables
      - ip6tables
      - userland-proxy
      - icc
      - ip-forward-no-drop
      - allow-direct-routing
      - firewall-backend
      - bridge-accept-fwmark
      - default-network-opts
  path:
    description: The file. Without it, the one that the engine is started with, C(/etc/docker/daemon.json) if nothing names another.
    type: path
  lock_timeout:
    description: How many seconds to wait for another run of Drawbridge on the same host.
    type: int
    default: 30
attributes:
  check_mode:
    support: full
    description: Reports what would change; the new file is validated by the engine.
  diff_mode:
    support: full
    description: Shows the keys that touch the firewall, before and after. The rest of the file may hold secrets and is not shown.
  platform:
    support: full
    platforms: linux
    description: Linux hosts.
requirements:
  - root on the host
notes:
  - Engines 20.10 have no C(dockerd --validate). Keys and values are checked by the module's own table then, and a warning says so.
  - Where dockerd is not installed yet the file is written all the same, with a warning, and the first start reads it.
seealso:
  - module: drawbridge.docker.ip_forward
  - module: drawbridge.docker.forward_policy
  - module: drawbridge.docker.host_policy
"""

EXAMPLES = r"""
- name: Ports published without an address are published on the loopback
  drawbridge.docker.docker_daemon_config:
    default_network_opts:
      bridge:
        com.docker.network.bridge.host_binding_ipv4: 127.0.0.1
  register: daemon

- name: Restart the engine where it has to be
  ansible.builtin.service:
    name: docker
    state: restarted
  when: daemon.restart_required

- name: No docker-proxy, and back to the default for containers of the default bridge
  drawbridge.docker.docker_daemon_config:
    userland_proxy: false
    absent: [icc]
"""

RETURN = r"""
path:
  description: The file.
  returned: success
  type: str
  sample: /etc/docker/daemon.json
changes:
  description: What changes, by key. V(null) stands for a key that is not in the file.
  returned: success
  type: dict
  sample: {"userland-proxy": {"before": null, "after": false}}
restart_required:
  description:
    - Whether the running engine was started with something else than what the file says now, be it by this run or before.
    - V(true) also where that cannot be told, because somebody else wrote the file after the engine was started.
  returned: success
  type: bool
  sample: true
backup_file:
  description: The copy of the file as it was, V(null) where nothing was written or there was no file.
  returned: success
  type: str
  sample: /etc/docker/daemon.json.2026-11-20@07:01:10~
"""

from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.daemon.config import DesiredConfig, shown
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.daemon.config_keys import KEYS, check_value
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.errors import DrawbridgeError
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host_settings import backend_move
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.tasks.run import LOCK_ARGUMENTS, Result, Task, run_module
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.transaction.converge import locked


def keep_config(task: Task) -> Result:
    """Bring daemon.json to the task's state."""
    options = {key: key.replace("-", "_") for key in KEYS}
    given = {key: task.params[option] for key, option in options.items() if task.params[option] is not None}
    for key in task.params["absent"]:
        if key in given:
            raise DrawbridgeError("%s is set by %s too" % (key, options[key]), "absent")
    values = {key: check_value(key, value, options[key]) for key, value in given.items()}
    wish = DesiredConfig(values, tuple(task.params["absent"]), task.params["path"])
    with locked(task.settings()):
        done = backend_move.keep(task.system, wish, task.check_mode)
    return Result(
        {
            "changed": done.changed,
            "path": done.path,
            "changes": done.changes,
            "restart_required": done.restart_required,
            "backup_file": done.backup_file,
            "diff": shown(done),
        },
        done.warnings,
    )


def main() -> None:
    flags = ("ip_forward", "ip_masq", "iptables", "ip6tables", "userland_proxy", "icc", "ip_forward_no_drop", "allow_direct_routing")
    run_module(
        {
            **LOCK_ARGUMENTS,
            **{flag: {"type": "bool"} for flag in flags},
            "firewall_backend": {"type": "str", "choices": ["iptables", "nftables"]},
            "bridge_accept_fwmark": {"type": "str"},
            "default_network_opts": {"type": "dict"},
            "absent": {"type": "list", "elements": "str", "default": [], "choices": list(KEYS)},
            "path": {"type": "path"},
        },
        keep_config,
    )


if __name__ == "__main__":
    main()
