# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Root file systems of the hosts: made from Debian's packages once, kept as tarballs in the cache."""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from pathlib import Path

from . import layout
from .sh import LabError, run

PACKAGES = (
    "systemd-sysv", "dbus", "docker.io", "iptables", "ipset", "nftables", "conntrack", "iproute2", "openssh-server",
    "python3", "python3-apt", "python3-docker", "python3-jmespath", "sudo", "ca-certificates", "procps",
    "iputils-ping", "busybox-static", "mount",
)
EXTRA_PACKAGES = {"trixie": ("docker-cli",), "forky": ("docker-cli",)}
OPTIONS = (
    "--variant=apt",
    '--aptopt=APT::Install-Recommends "false"',
    '--aptopt=Acquire::Check-Valid-Until "false"',
)
# Raise it when something else than the packages and options changes what a root file system holds.
RECIPE = 1


def packages(suite: str) -> tuple[str, ...]:
    """What is installed into a suite's root file system."""
    return PACKAGES + EXTRA_PACKAGES.get(suite, ())


def tarball(suite: str) -> Path:
    """Where the suite's root file system is kept: the name changes with the recipe."""
    recipe = "\n".join((str(RECIPE), suite, *packages(suite), *OPTIONS))
    return layout.CACHE / f"{suite}-{hashlib.sha256(recipe.encode()).hexdigest()[:12]}.tar"


def ensure(suite: str) -> Path:
    """The suite's tarball, built first when it is not in the cache."""
    wanted = tarball(suite)
    if wanted.exists():
        return wanted
    print(f"building {suite} root file system (once, about 40 s)", flush=True)
    layout.CACHE.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    partial = wanted.with_suffix(f".{os.getpid()}.part")
    mirror = _mirror()
    argv = ["mmdebstrap", *OPTIONS, "--format=tar", f"--include={','.join(packages(suite))}", suite, str(partial)]
    try:
        run([*argv, *([mirror] if mirror else [])])
        os.replace(partial, wanted)
    finally:
        partial.unlink(missing_ok=True)
    for former in layout.CACHE.glob(f"{suite}-*.tar"):
        if former != wanted:
            former.unlink()
    print(f"built {suite} in {time.monotonic() - started:.0f} s", flush=True)
    return wanted


def _mirror() -> str | None:
    """The mirror that this machine's own apt takes Debian from; None leaves it to mmdebstrap."""
    wanted = "$(ORIGIN)|$(LABEL)|$(CREATED_BY)|$(SITE)"
    listed = run(["apt-get", "indextargets", "--format", wanted], check=False).stdout.splitlines()
    for line in listed:
        origin, label, kind, site = line.split("|", 3)
        if (origin, label, kind) == ("Debian", "Debian", "Packages"):
            return site
    return None


def remove_cache() -> None:
    """Delete the cache, which the lab alone writes."""
    if layout.CACHE.is_symlink() or layout.CACHE in (Path("/"), Path.home()):
        raise LabError(f"{layout.CACHE} is no folder of the lab's own")
    for file in layout.CACHE.glob("*"):
        if file.suffix in (".tar", ".part"):
            file.unlink()
    if layout.CACHE.is_dir() and not any(layout.CACHE.iterdir()):
        shutil.rmtree(layout.CACHE)
