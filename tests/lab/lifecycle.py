# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Bringing the lab up and taking it down."""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from . import access, engine, hosts, layout, network, prerequisites, processes, rootfs, workload
from .layout import HOSTS, HostSpec
from .sh import LabError, run

CGROUPS = Path("/sys/fs/cgroup")
# Folders that containerd's shims and dockerd make at fixed places, deepest first; left alone where they hold something.
FIXED_PLACES = ("/run/containerd/s", "/run/containerd", "/run/docker/plugins", "/run/docker")


def up(names: Sequence[str]) -> None:
    """Bring the named hosts up, with everything around them; what is up already stays."""
    started = time.monotonic()
    prerequisites.ensure()
    with _alone():
        access.ensure_keys()
        engine.ensure()
        network.ensure_clients()
        access.write()
        with ThreadPoolExecutor(max_workers=len(HOSTS)) as pool:
            list(pool.map(_up_host, [HOSTS[name] for name in names]))
        access.describe({name: _facts(spec) for name, spec in HOSTS.items() if hosts.state(name) == "running"})
    print(f"lab is up: {', '.join(names)} ({time.monotonic() - started:.0f} s)", flush=True)


def _up_host(spec: HostSpec) -> None:
    started = time.monotonic()
    hosts.ensure(spec)
    booted = time.monotonic()
    workload.ensure(spec)
    hosts.record_pristine(spec.name)
    print(f"{spec.name}: booted after {booted - started:.0f} s, workload after {time.monotonic() - started:.0f} s",
          flush=True)


def _facts(spec: HostSpec) -> dict[str, object]:
    """What lab.json says about a host."""
    version = hosts.execute(spec.name, ["docker", "version", "--format", "{{.Server.Version}}"]).stdout.strip()
    return {
        "suite": spec.suite, "engine": version, "v4": spec.v4, "v6": spec.v6,
        "v4_second": spec.v4_second, "v6_second": spec.v6_second, "vm": spec.vm, "net6": spec.net6,
        "published": {item.name: list(item.publish) for item in workload.containers(spec) if item.publish},
        "services": {"tcp": [22, 8082, 9000]},
    }


def down(with_cache: bool = False) -> None:
    """Take everything down that the lab made; works on a half-made lab as well."""
    with _alone():
        if engine.answers():
            hosts.remove_all()
        processes.end_own()
        for name in layout.NAMESPACES:
            network.delete_netns(name)
        _unmount()
        for folder in (layout.STATE, layout.RUN):
            if folder.exists():
                shutil.rmtree(folder)
        _remove_cgroups()
        _remove_fixed_places()
        if with_cache:
            rootfs.remove_cache()
        _verify_gone()
    print("lab is down" + (", cache removed" if with_cache else ""), flush=True)


@contextmanager
def _alone() -> Iterator[None]:
    """One up or down at a time; the lock file lies beside the lab's folders and goes when the lab is gone."""
    while True:
        with layout.LOCK.open("w", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not _same_file(lock.fileno()):
                continue
            try:
                yield
            finally:
                if not layout.STATE.exists():
                    layout.LOCK.unlink()
            return


def _same_file(descriptor: int) -> bool:
    """Whether the locked file still is the one that others find by its name."""
    return layout.LOCK.exists() and os.path.samestat(os.fstat(descriptor), layout.LOCK.stat())


def _mounts() -> list[str]:
    """Mount points under the lab's folders, deepest first."""
    points = [line.split()[4].replace("\\040", " ") for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    roots = (f"{layout.STATE}/", f"{layout.RUN}/")
    return sorted((point for point in points if point.startswith(roots)), key=len, reverse=True)


def _unmount() -> None:
    for point in _mounts():
        run(["umount", point], check=False)
    for point in _mounts():
        run(["umount", "--lazy", point], check=False)
    if _mounts():
        raise LabError("still mounted, nothing deleted: " + ", ".join(_mounts()))


def _remove_cgroups() -> None:
    """Remove the empty cgroups under the lab's parent, deepest first; a cgroup with processes refuses."""
    name = layout.CGROUP_PARENT.strip("/")
    for parent in (CGROUPS / name, *CGROUPS.glob(f"*/{name}")):
        folders = [path for path in parent.rglob("*") if path.is_dir()] if parent.is_dir() else []
        for folder in sorted(folders, key=lambda path: len(path.parts), reverse=True) + [parent] * parent.is_dir():
            try:
                folder.rmdir()
            except OSError:
                continue


def _remove_fixed_places() -> None:
    """Remove the folders at fixed places when they are empty and no engine of the machine's own works there."""
    if Path("/run/containerd/containerd.sock").exists() or Path("/run/docker.sock").exists():
        return
    for place in FIXED_PLACES:
        try:
            os.rmdir(place)
        except OSError:
            continue


def _verify_gone() -> None:
    """Raise with whatever is left."""
    left = [f"process {pid}" for pid in processes.own()]
    left += [f"namespace {name}" for name in layout.NAMESPACES if (layout.NETNS_DIR / name).exists()]
    left += [f"mount {point}" for point in _mounts()]
    left += [f"folder {folder}" for folder in (layout.STATE, layout.RUN) if folder.exists()]
    left += [f"cgroup {folder}" for folder in CGROUPS.glob(f"**/{layout.CGROUP_PARENT.strip('/')}")]
    if left:
        raise LabError("left behind: " + ", ".join(left))
