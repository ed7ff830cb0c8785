# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""A cgroup for the sockets that stand for the engine's; a socket belongs to the one that it was made in, whoever has it later."""
from __future__ import annotations

import contextlib
import os
import socket
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from . import wire
from .namespace import entered

_MOUNTS = (Path("/sys/fs/cgroup"), Path("/sys/fs/cgroup/unified"))
UNIT = "docker.service"
_AF = {4: socket.AF_INET, 6: socket.AF_INET6}


def mount() -> Path | None:
    """Where cgroups of version 2 are; None where there are none."""
    return next((place for place in _MOUNTS if (place / "cgroup.controllers").exists()), None)


@contextlib.contextmanager
def cgroup() -> Iterator[Path]:
    """A new one, its folder, two levels below the root, as units are."""
    with contextlib.ExitStack() as stack:
        outer = Path(tempfile.mkdtemp(prefix="drawbridge-test-", dir=mount()))
        stack.callback(outer.rmdir)
        inner = outer / UNIT
        inner.mkdir()
        stack.callback(_remove, inner)
        yield inner


def _remove(folder: Path) -> None:
    if folder.exists():
        folder.rmdir()


def path_of(folder: Path) -> str:
    """As the kernel calls it, without the slash at its beginning."""
    place = mount()
    assert place is not None
    return str(folder.relative_to(place))


def made_in(folder: Path, make: Callable[[], socket.socket]) -> socket.socket:
    """What ``make`` returns, a socket, made in a cgroup by a process of its own."""
    here, there = socket.socketpair()
    with here, there:
        child = os.fork()
        if child == 0:
            try:
                (folder / "cgroup.procs").write_text(str(os.getpid()), encoding="ascii")
                made = make()
                socket.send_fds(there, [b"made"], [made.fileno()])
            finally:
                os._exit(0)
        there.close()
        fds = socket.recv_fds(here, 16, 1)[1]
        os.waitpid(child, 0)
    return socket.socket(fileno=fds[0])


def listener(family: int, port: int, address: str = "") -> socket.socket:
    """A TCP socket that listens."""
    found = socket.socket(_AF[family])
    if family == 6:
        found.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    found.bind((address, port))
    found.listen(64)
    return found


def connects(client: wire.Wire, who: str, family: int, port: int, source_port: int = 0) -> bool:
    """Whether one of the wire's clients comes to a port of the host."""
    with entered(client.path), socket.socket(_AF[family]) as knocking:
        knocking.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        knocking.bind((wire.SOURCES[who][family], source_port))
        knocking.settimeout(wire.PATIENCE)
        try:
            knocking.connect((wire.HOST[family], port))
        except OSError:
            return False
        return True
