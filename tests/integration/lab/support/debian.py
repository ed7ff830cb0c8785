# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Packages of Debian for what the lab's hosts do not have: fetched from the machine's own mirror, unpacked on a host."""
from __future__ import annotations

import fcntl
import hashlib
import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.lab.api import Host

from .playbook import ROOT

CACHE = ROOT / ".build" / "debs"
SUITE = "trixie"
TIMEOUT = 120


def fetched(name: str) -> Path:
    """A package's file; the test is skipped where no mirror gives it."""
    CACHE.mkdir(parents=True, exist_ok=True)
    found = sorted(CACHE.glob("%s_*.deb" % name))
    if not found:
        try:
            _apt("update", cwd=CACHE)
            _apt("download", name, cwd=CACHE)
        except (OSError, subprocess.SubprocessError) as error:
            pytest.skip("no mirror gives Debian's %s: %s" % (name, type(error).__name__))
        found = sorted(CACHE.glob("%s_*.deb" % name))
    return found[0]


def with_needs(*names: str) -> list[Path]:
    """The files of packages and of all that these depend on; the test is skipped where no mirror gives them."""
    folder = CACHE / ("set-" + hashlib.sha256(" ".join((SUITE, *names)).encode()).hexdigest()[:12])
    if not folder.exists():
        archives = folder.with_suffix(".part")
        try:
            (archives / "partial").mkdir(parents=True, exist_ok=True)
            _apt("update", cwd=CACHE)
            _apt("install", "--download-only", "--yes", "--no-install-recommends", *names, cwd=CACHE, archives=archives)
        except (OSError, subprocess.SubprocessError) as error:
            pytest.skip("no mirror gives Debian's %s: %s" % (", ".join(names), type(error).__name__))
        archives.rename(folder)
    return sorted(folder.glob("*.deb"))


def unpacked_here(packages: Iterable[Path], folder: Path) -> None:
    """Unpack packages' files into a folder of this machine, without installing them."""
    for package in packages:
        subprocess.run(["dpkg-deb", "-x", str(package), str(folder)], check=True)


def unpacked(host: Host, package: Path, folder: str) -> None:
    """Unpack a package's file into a folder of the host, without installing it."""
    host.run(["sh", "-c", "cat > /tmp/unpack.deb && dpkg-deb -x /tmp/unpack.deb %s && rm /tmp/unpack.deb" % folder],
             input=package.read_bytes())


def _apt(*words: str, cwd: Path, archives: Path | None = None) -> None:
    state = CACHE / "apt"
    for part in ("lists/partial", "cache/archives/partial"):
        (state / part).mkdir(parents=True, exist_ok=True)
    (state / "status").touch()
    (state / "sources.list").write_text("deb %s %s main\n" % (_mirror(), SUITE), encoding="ascii")
    options = {"Dir::State": state, "Dir::State::Lists": state / "lists", "Dir::State::status": state / "status",
               "Dir::Cache": state / "cache", "Dir::Cache::archives": archives or state / "cache" / "archives", "Dir::Etc::SourceList": state / "sources.list",
               "Dir::Etc::SourceParts": "/nonexistent", "Acquire::Check-Valid-Until": "false", "APT::Sandbox::User": "root"}
    argv = ["apt-get", "--quiet", *("-o%s=%s" % item for item in options.items()), *words]
    # Two runs of pytest take the files of tests from one queue.
    with open(CACHE / "lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        subprocess.run(argv, cwd=str(cwd), check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, timeout=TIMEOUT)


def _mirror() -> str:
    listed = subprocess.run(["apt-get", "indextargets", "--format", "$(ORIGIN)|$(LABEL)|$(CREATED_BY)|$(SITE)"],
                            capture_output=True, text=True, check=True).stdout
    sites = [line.split("|", 3)[3] for line in listed.splitlines() if line.startswith("Debian|Debian|Packages|")]
    if not sites:
        raise OSError("this machine's apt knows no mirror of Debian")
    return sites[0]
