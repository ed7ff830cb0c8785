# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""How the controller reaches the hosts: keys, ssh_config, inventory and the machine-readable description."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from . import layout
from .layout import CLIENTS, HOSTS, INVENTORY, NETNS_DIR, SSH_CONFIG, SSH_KEY, STATE, HostSpec
from .sh import run

KNOWN_HOSTS = STATE / "known_hosts"


def ensure_keys() -> None:
    """The controller's key and one host key per host, made once."""
    STATE.mkdir(mode=0o711, parents=True, exist_ok=True)
    for path in (SSH_KEY, *(host_key(name) for name in HOSTS)):
        if not path.exists():
            run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", f"lab {path.name}", "-f", path])


def host_key(name: str) -> Path:
    """The private host key of a host."""
    return STATE / f"host_key_{name}"


def public_key() -> str:
    """What goes into the hosts' authorized_keys."""
    return SSH_KEY.with_suffix(".pub").read_text()


def write() -> None:
    """Write known_hosts and ssh_config."""
    lines = [f"{spec.name},{spec.v4} {host_key(spec.name).with_suffix('.pub').read_text()}" for spec in HOSTS.values()]
    KNOWN_HOSTS.write_text("".join(lines))
    SSH_CONFIG.write_text("\n".join(_ssh_block(spec) for spec in HOSTS.values()))
    SSH_CONFIG.chmod(0o644)


def _ssh_block(spec: HostSpec) -> str:
    controller = NETNS_DIR / CLIENTS["controller"].netns
    return f"""Host {spec.name}
    HostName {spec.v4}
    User root
    IdentityFile {SSH_KEY}
    IdentitiesOnly yes
    UserKnownHostsFile {KNOWN_HOSTS}
    GlobalKnownHostsFile /dev/null
    StrictHostKeyChecking yes
    LogLevel ERROR
    ProxyCommand nsenter --net={controller} -- nc %h %p
"""


def _inventory(names: Iterable[str]) -> str:
    # Connections that are kept open go by the host's name alone: those of another lab must not be taken.
    hosts = "".join(f"    {name}:\n" for name in names)
    return f"""# Written by the lab; gone with it.
docker_hosts:
  hosts:
{hosts}  vars:
    ansible_user: root
    ansible_ssh_common_args: "-F {SSH_CONFIG}"
    ansible_control_path_dir: {STATE}/connections
    ansible_python_interpreter: /usr/bin/python3
    ansible_pipelining: true
"""


def describe(hosts: dict[str, dict[str, object]]) -> None:
    """Write the inventory of the hosts that run, and lab.json: addresses and places for those that do not import this package."""
    INVENTORY.write_text(_inventory(hosts))
    layout.DESCRIPTION.write_text(json.dumps({
        "hosts": hosts,
        "clients": {name: {"netns": spec.netns, "v4": spec.v4, "v6": spec.v6} for name, spec in CLIENTS.items()},
        "lan": {"v4": layout.LAN_V4, "v6": layout.LAN_V6, "broadcast": layout.LAN_BROADCAST},
        "outside": {"v4": CLIENTS["outside"].v4, "v6": CLIENTS["outside"].v6,
                    "tcp": layout.OUTSIDE_SERVER_TCP, "udp": layout.OUTSIDE_SERVER_UDP},
        "ssh_config": str(SSH_CONFIG),
        "inventory": str(INVENTORY),
        "engine": str(layout.SOCKET),
    }, indent=2) + "\n")
