# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Hosts with an engine that no Debian release brings: its programs come from a folder that the environment names.

DRAWBRIDGE_LAB_ENGINE=FOLDER, which holds dockerd and docker-proxy, and whatever else shall take the place of Debian's: docker,
containerd, containerd-shim-runc-v2, runc, docker-init. It is asked for its release once, when the lab's layout is read.
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

VARIABLE = "DRAWBRIDGE_LAB_ENGINE"
SUITE = "forky"
# The host's name → the engine's backend.
NAMES = {f"{SUITE}-iptables": "iptables", f"{SUITE}-nftables": "nftables"}
REQUIRED = ("dockerd", "docker-proxy")
# The first release with the nftables backend.
HAS_NFTABLES = 29
# On the hosts: ahead of Debian's own programs for root, and empty there.
PLACE = "/usr/local/sbin"


def folder() -> Path | None:
    """The folder, None where none is named."""
    named = os.environ.get(VARIABLE, "")
    return Path(named).absolute() if named else None


def programs(place: Path) -> list[Path]:
    """The engine's programs in a folder, by name."""
    return sorted(path for path in place.iterdir() if path.is_file() and os.access(path, os.X_OK))


def release(place: Path) -> str:
    """What dockerd in the folder calls itself. SystemExit with what is missing there."""
    lacking = [name for name in REQUIRED if not os.access(place / name, os.X_OK)]
    if lacking:
        raise SystemExit(f"{VARIABLE}: {place} holds no program {' and no '.join(lacking)}")
    said = subprocess.run([place / "dockerd", "--version"], capture_output=True, text=True, check=False)
    found = re.search(r"version v?(\d+(?:\.\d+)*)", said.stdout)
    if found is None:
        raise SystemExit(f"{VARIABLE}: {place}/dockerd does not tell its release: {(said.stderr or said.stdout).strip()}")
    return found.group(1)


def chosen() -> tuple[dict[str, str], dict[str, str]]:
    """The hosts that there can be, name → backend, and those that are left out, name → why."""
    place = folder()
    if place is None:
        return {}, dict.fromkeys(NAMES, f"{VARIABLE} names no folder with an engine")
    engine = release(place)
    if int(engine.split(".")[0]) >= HAS_NFTABLES:
        return dict(NAMES), {}
    reason = f"engine {engine} in {place} has no nftables backend, which came with {HAS_NFTABLES}"
    return ({name: backend for name, backend in NAMES.items() if backend != "nftables"},
            {name: reason for name, backend in NAMES.items() if backend == "nftables"})


def files(backend: str, own: list[str]) -> dict[str, str]:
    """What makes the host run these programs: text by path. Engines keep their default configuration but for the backend, which wants
    forwarding on before it starts."""
    units = "etc/systemd/system/%s.service.d/lab-engine.conf"
    path = f"Environment=PATH={PLACE}:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n"
    started = f"{PLACE}/dockerd -H fd:// --containerd=/run/containerd/containerd.sock"
    texts = {units % "docker": f"[Service]\n{path}ExecStart=\nExecStart={started}\n"}
    if "containerd" in own:
        texts[units % "containerd"] = f"[Service]\n{path}ExecStart=\nExecStart={PLACE}/containerd\n"
    if backend == "nftables":
        texts["etc/docker/daemon.json"] = '{"firewall-backend": "nftables"}\n'
        on = ("net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding", "net.ipv6.conf.default.forwarding")
        texts["etc/sysctl.d/50-lab.conf"] = "".join(f"{name} = 1\n" for name in on)
    return texts
