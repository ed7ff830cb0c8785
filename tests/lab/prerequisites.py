# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""What the machine must have: checked by name, and packages installed where apt is there."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from . import layout
from .sh import LabError, run

GIGABYTE = 1 << 30
SPACE_FIRST = 6 * GIGABYTE
SPACE_CACHED = 4 * GIGABYTE
POLICY = Path("/usr/sbin/policy-rc.d")
POLICY_TEXT = "#!/bin/sh\n# Drawbridge's lab is installing packages: no service is to be started.\nexit 101\n"
UNITS = ("docker.service", "docker.socket", "containerd.service")
TOOLS = {
    "dockerd": "docker.io",
    "docker": "docker-cli",
    "containerd": "containerd",
    "ip": "iproute2",
    "iptables": "iptables",
    "ipset": "ipset",
    "nft": "nftables",
    "conntrack": "conntrack",
    "mmdebstrap": "mmdebstrap",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
    "nc": "netcat-openbsd",
    "nsenter": "util-linux",
    "sysctl": "procps",
}
FILES = {"/usr/share/keyrings/debian-archive-keyring.gpg": "debian-archive-keyring"}
# Kernel features: a path that exists when they are there, and the module to ask for when it does not.
KERNEL = {
    "netfilter": ("/proc/sys/net/netfilter", "nf_conntrack"),
    "bridge netfilter": ("/proc/sys/net/bridge", "br_netfilter"),
    "IPv6": ("/proc/net/if_inet6", "ipv6"),
}
FILESYSTEM = "overlay"
LINKS = ("bridge", "veth")


def problems() -> list[str]:
    """Everything that stops the lab and that it cannot install itself, one line each."""
    if os.geteuid() != 0:
        return ["not root: the lab makes network namespaces and mounts"]
    found = [f"kernel without {name}" for name, (path, module) in KERNEL.items() if not _feature(path, module)]
    if FILESYSTEM not in _words("/proc/filesystems") and run(["modprobe", FILESYSTEM], check=False).returncode:
        found.append("kernel without overlay file systems")
    found += [f"kernel without {kind} interfaces" for kind in LINKS if not _link_kind(kind)]
    found += _space()
    return found


def ensure() -> None:
    """Raise with every problem named, after installing what packages can give."""
    if os.geteuid() != 0:
        raise LabError("not root: the lab makes network namespaces and mounts")
    packages = missing_packages()
    if packages:
        install(packages)
    found = problems()
    if found:
        raise LabError("\n".join(found))


def missing_packages() -> list[str]:
    """The Debian packages of the tools that are not there."""
    lacking = {package for tool, package in TOOLS.items() if not shutil.which(tool)}
    lacking |= {package for path, package in FILES.items() if not Path(path).exists()}
    return sorted(lacking)


def install(packages: list[str]) -> None:
    """Install packages without starting any service, now or at the next boot."""
    if not shutil.which("apt-get"):
        raise LabError("missing and no apt-get to install them: " + ", ".join(packages))
    had_engine = shutil.which("dockerd") is not None
    print(f"installing {' '.join(packages)}", flush=True)
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    wait = ["-o", "DPkg::Lock::Timeout=120"]
    if "docker-cli" in packages and run(["apt-cache", "show", "docker-cli"], check=False).returncode:
        run(["apt-get", *wait, "update", "--quiet"], env=env)
    wanted = [name for name in packages if name != "docker-cli" or _candidate(name)]
    with _nothing_starts():
        command = ["apt-get", *wait, "install", "--yes", "--no-install-recommends", *wanted]
        if run(command, check=False, env=env).returncode:
            run(["apt-get", *wait, "update", "--quiet"], env=env)
            run(command, env=env)
    if not had_engine and shutil.which("dockerd") and Path("/run/systemd/system").is_dir():
        run(["systemctl", "disable", *UNITS], check=False)
    still = missing_packages()
    if still:
        raise LabError("could not install: " + ", ".join(still))


def _candidate(package: str) -> bool:
    """Whether apt knows the package: docker-cli is a package of its own only in newer releases."""
    return not run(["apt-cache", "show", package], check=False).returncode


@contextmanager
def _nothing_starts() -> Iterator[None]:
    """A policy-rc.d that forbids starting services, and the former one back afterwards."""
    aside = POLICY.with_name(f"{POLICY.name}.lab-aside")
    if POLICY.exists() and not aside.exists():
        os.replace(POLICY, aside)
    POLICY.write_text(POLICY_TEXT)
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        if aside.exists():
            os.replace(aside, POLICY)
        else:
            POLICY.unlink(missing_ok=True)


def _feature(path: str, module: str) -> bool:
    if not Path(path).exists() and shutil.which("modprobe"):
        run(["modprobe", module], check=False)
    return Path(path).exists()


def _words(path: str) -> list[str]:
    return Path(path).read_text().split()


def _link_kind(kind: str) -> bool:
    """Try the interface kind in a namespace that ends with the try."""
    argv = ["unshare", "--net", "ip", "link", "add", "try0", "type", kind]
    return not run(argv, check=False).returncode


def _space() -> list[str]:
    """Room for the root file systems: in the cache and in the engine's folder."""
    have_cache = any(layout.CACHE.glob("*.tar"))
    if layout.SOCKET.exists():
        return []
    wanted = SPACE_CACHED if have_cache else SPACE_FIRST
    found = []
    for place in sorted({_existing(layout.STATE), _existing(layout.CACHE)}):
        free = shutil.disk_usage(place).free
        if free < wanted:
            found.append(f"{free / GIGABYTE:.1f} GB free at {place}, the lab wants {wanted // GIGABYTE} GB")
    return found


def _existing(path: Path) -> Path:
    """The nearest folder above path that exists."""
    while not path.exists():
        path = path.parent
    return path
