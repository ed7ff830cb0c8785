# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""The Docker hosts: Debian root file systems booted with systemd as containers of the outer engine."""

from __future__ import annotations

import io
import tarfile
import threading
import time
from pathlib import Path
from subprocess import CompletedProcess

from . import access, engine, layout, own_engine, rootfs
from .layout import HostSpec
from .sh import LabError

LABEL = "drawbridge.lab.host"
UNITS = ("lab-addresses", "lab-vm", "lab-vm-server", "lab-vm-accept", "lab-services")
PROGRAMS = ("answer.py", "make_image.py", "pristine.py")
MASKED = (
    "getty@tty1.service", "console-getty.service", "apt-daily.timer", "apt-daily-upgrade.timer", "e2scrub_all.timer",
    "fstrim.timer", "systemd-firstboot.service", "nftables.service", "systemd-modules-load.service",
    "dev-hugepages.mount", "dev-mqueue.mount", "sys-fs-fuse-connections.mount", "sys-kernel-debug.mount",
    "sys-kernel-tracing.mount", "sys-kernel-config.mount",
)
INIT = "/usr/sbin/lab-init"
# Suites whose systemd still boots on cgroup v1, with what it wants to be told.
LEGACY_SWITCHES: dict[str, tuple[str, ...]] = {
    "bookworm": (),
    "trixie": ("systemd.unified_cgroup_hierarchy=0", "SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1"),
}
_building = threading.Lock()


def execute(name: str, argv: list[str], *, input: str | bytes | None = None, check: bool = True,
            timeout: float | None = None) -> CompletedProcess[str]:
    """Run a command on a host, without SSH."""
    words = ["exec", *(["--interactive"] if input is not None else []), name, *argv]
    return engine.docker(words, input=input, check=check, timeout=timeout)


def image(spec: HostSpec) -> str:
    """The image's name carries the recipe's hash, so that a changed recipe is a new image."""
    return f"drawbridge-lab/{rootfs.tarball(spec.suite).stem.replace('-', ':')}"


def ensure(spec: HostSpec) -> None:
    """Make the host if it is not there, boot it if it is off, and wait until its engine answers."""
    if state(spec.name) is None:
        _ensure_image(spec)
        _create(spec)
    if state(spec.name) != "running":
        engine.docker(["start", spec.name])
    wait_ready(spec.name)


def state(name: str) -> str | None:
    """The container's state, None when there is none."""
    seen = engine.docker(["inspect", "--type=container", "--format", "{{.State.Status}}", name], check=False)
    return None if seen.returncode else seen.stdout.strip()


def wait_ready(name: str, timeout: float = 90) -> None:
    """Wait until the host booted: units done, sshd listens, the engine answers."""
    deadline = time.monotonic() + timeout
    checks = {
        "units are still starting": ["systemctl", "is-active", "--quiet", *(f"{unit}.service" for unit in UNITS)],
        "sshd does not run": ["systemctl", "is-active", "--quiet", "ssh.service"],
        "the engine does not answer": ["docker", "version"],
    }
    for failure, argv in checks.items():
        while execute(name, argv, check=False).returncode:
            if time.monotonic() > deadline or state(name) != "running":
                failed = execute(name, ["systemctl", "--failed", "--no-legend", "--plain"], check=False).stdout
                raise LabError(f"{name}: not ready after {timeout:.0f} s, {failure}; failed units: {failed or 'none'}")
            time.sleep(0.2)


def record_pristine(name: str) -> None:
    """Remember the firewall of a host that has just come up; a record that is there stays."""
    if execute(name, ["test", "-e", "/var/lib/lab-pristine.json"], check=False).returncode:
        execute(name, ["python3", f"{layout.PROGRAMS}/pristine.py", "record"])


def remove_all() -> None:
    """Remove every container of the outer engine, with its volumes."""
    ids = engine.docker(["ps", "--all", "--quiet"], check=False).stdout.split()
    if ids:
        engine.docker(["rm", "--force", "--volumes", *ids], check=False, timeout=60)


def _ensure_image(spec: HostSpec) -> None:
    if engine.docker(["image", "inspect", image(spec)], check=False).returncode:
        with _building:
            tarball = rootfs.ensure(spec.suite)
        engine.docker(["import", tarball, image(spec)])


def _create(spec: HostSpec) -> None:
    """Create the container, put the host's own files into it; it is not booted yet."""
    engine.docker([
        "create", "--name", spec.name, "--hostname", spec.name, "--label", LABEL,
        "--network", engine.LAN, "--ip", spec.v4, "--ip6", spec.v6,
        "--cap-add=ALL", "--cap-drop=SYS_RESOURCE", "--security-opt=seccomp=unconfined",
        "--security-opt=apparmor=unconfined", "--security-opt=systempaths=unconfined",
        "--tmpfs=/run:exec", "--tmpfs=/run/lock", "--tmpfs=/tmp:exec",
        "--volume=/var/lib/docker", "--volume=/var/lib/containerd", "--stop-signal=SIGRTMIN+3",
        "--cgroupns=private", image(spec), *_init(spec),
    ])
    engine.docker(["cp", "-", f"{spec.name}:/"], input=_files(spec))
    for program in _own_programs(spec):
        engine.docker(["cp", "--follow-link", program, f"{spec.name}:{own_engine.PLACE}/{program.name}"])


def _own_programs(spec: HostSpec) -> list[Path]:
    """What takes the place of Debian's engine."""
    place = own_engine.folder()
    return [] if spec.backend is None or place is None else own_engine.programs(place)


def _cgroup_v2() -> bool:
    """Whether the machine has the unified hierarchy only."""
    return Path("/sys/fs/cgroup/cgroup.controllers").exists()


def _init(spec: HostSpec) -> tuple[str, ...]:
    """The first process and its arguments: systemd, started so that it finds the cgroups that it can work with."""
    if _cgroup_v2():
        return (INIT, "namespaced")
    if spec.suite in LEGACY_SWITCHES:
        return (INIT, "namespaced", *LEGACY_SWITCHES[spec.suite])
    if not Path("/sys/fs/cgroup/unified").is_dir():
        raise LabError(f"{spec.name}: its systemd wants cgroup v2, and this machine mounts it nowhere")
    return (INIT, "unified")


def _files(spec: HostSpec) -> bytes:
    """A tar of the files that make the root file system this host: units, keys, addresses."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name in UNITS:
            _add(tar, f"etc/systemd/system/{name}.service", (layout.GUEST / f"{name}.service").read_bytes())
            _link(tar, f"etc/systemd/system/multi-user.target.wants/{name}.service", f"../{name}.service")
        for name in MASKED:
            _link(tar, f"etc/systemd/system/{name}", "/dev/null")
        for name in PROGRAMS:
            _add(tar, f"{layout.PROGRAMS}/{name}", (layout.GUEST / name).read_bytes())
        _add(tar, INIT, (layout.GUEST / "lab-init").read_bytes(), 0o755)
        _add(tar, "etc/ssh/sshd_config.d/lab.conf", (layout.GUEST / "lab-sshd.conf").read_bytes())
        _add(tar, "etc/ssh/lab_host_key", access.host_key(spec.name).read_bytes(), 0o600)
        _add(tar, "root/.ssh/authorized_keys", access.public_key().encode(), 0o600)
        _add(tar, "etc/drawbridge-lab.env", _environment(spec).encode())
        if spec.backend is not None:
            for path, text in own_engine.files(spec.backend, [program.name for program in _own_programs(spec)]).items():
                _add(tar, path, text.encode())
    return buffer.getvalue()


def _environment(spec: HostSpec) -> str:
    values = {
        "V4": spec.v4, "V4_SECOND": spec.v4_second, "V6": spec.v6, "V6_SECOND": spec.v6_second,
        "ROUTER_V4": layout.ROUTER.v4, "ROUTER_V6": layout.ROUTER.v6,
        "VM": spec.vm, "VM_GATEWAY": spec.vm_gateway,
    }
    return "".join(f"{name}={value}\n" for name, value in values.items())


def _add(tar: tarfile.TarFile, path: str, data: bytes, mode: int = 0o644) -> None:
    _folders(tar, path)
    info = tarfile.TarInfo(path.lstrip("/"))
    info.size, info.mode, info.mtime = len(data), mode, int(time.time())
    tar.addfile(info, io.BytesIO(data))


def _link(tar: tarfile.TarFile, path: str, target: str) -> None:
    info = tarfile.TarInfo(path)
    info.type, info.linkname, info.mtime = tarfile.SYMTYPE, target, int(time.time())
    tar.addfile(info)


def _folders(tar: tarfile.TarFile, path: str) -> None:
    """The folders that no package made; /root/.ssh must be closed to others."""
    made = [("root/.ssh", 0o700), (layout.PROGRAMS, 0o755), ("etc/docker", 0o755)]
    if path.endswith("/lab-engine.conf"):
        made.append((str(Path(path).parent), 0o755))
    for folder, mode in made:
        if path.startswith(folder):
            info = tarfile.TarInfo(folder.lstrip("/"))
            info.type, info.mode, info.mtime = tarfile.DIRTYPE, mode, int(time.time())
            tar.addfile(info)
