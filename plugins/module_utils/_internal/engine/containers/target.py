# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A chosen network namespace, and the checks that it is still the same one when it is entered."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from contextlib import contextmanager
from typing import Dict, FrozenSet, Iterable, Iterator, List, NamedTuple, Optional

from ...address import quoted
from ...errors import DrawbridgeError
from ...host.system.process import netns_inode, netns_path, started
from ...host.system.system import System

RUNNING = "running"
HOST_NETWORK = "it is on the host's network: rules in there would be the host's own"


class ContainerGone(DrawbridgeError):
    """Since the look-up, the container has ended or another process has its process id."""


class Source(ABC):
    """The source of a target: an engine, a CRI or the kernel."""

    @abstractmethod
    def find(self) -> List["Target"]:
        """Return all matching targets. Raises DrawbridgeError if the source cannot be asked."""

    @abstractmethod
    def lost(self, target: "Target") -> Optional[str]:
        """Return why the namespace is not the target's any more, None if it still is. Call it while the namespace is held open."""


class Target(NamedTuple):
    """A container, a pod, a process or a bare namespace.

    name, id: as the source names it, empty if it has none. state: ``running``, or the source's word for another state.
    pid: a process in the namespace, 0 for none. since: the start time from the source.
    born: the process's start time from the kernel.
    path: the namespace's file. inode: its number, None if there is no namespace.
    reason: why it cannot have rules, None if it can.
    details: the engine's inspect object of a container, ``{}`` for other targets.
    """

    source: Source
    name: str
    id: str
    state: str
    pid: int
    since: str
    born: Optional[int]
    path: str
    inode: Optional[int]
    reason: Optional[str]
    details: Dict[str, object] = {}

    @property
    def is_host_network(self) -> bool:
        return self.reason == HOST_NETWORK


def running(system: System, source: Source, name: str, identity: str, pid: int, since: str = "", sandbox: Optional[str] = None) -> Target:
    """Return a target that is known by a process in it. The process is looked up in /proc now.

    sandbox: the file of the namespace that was made for it, if the source tells it. The process may have left that namespace.
    """
    path = sandbox or netns_path(pid)
    born, inode = started(system, pid), netns_inode(path)
    target = Target(source, name, identity, RUNNING, pid, since, born, path, inode, None)
    if inode is None or born is None:
        return target._replace(state="exited", inode=None, reason="process %d has ended" % pid)
    return _judged(target)


def kept(source: Source, name: str, path: str) -> Target:
    """Return a target that is known by its namespace's file. Raises DrawbridgeError if the file is not a namespace."""
    inode = netns_inode(path)
    if inode is None:
        raise DrawbridgeError("there is no network namespace at %s" % ascii(path), "path")
    return _judged(Target(source, name, "", RUNNING, 0, "", None, path, inode, None))


def _judged(target: Target) -> Target:
    return target._replace(reason=HOST_NETWORK) if target.inode in host_inodes() else target


def stopped(source: Source, name: str, identity: str, state: str, reason: str) -> Target:
    """Return a target that cannot have rules. It has no namespace."""
    return Target(source, name, identity, state, 0, "", None, "", None, reason)


def host_inodes() -> FrozenSet[int]:
    """Return the namespaces that are never a container's: the first process's and this process's."""
    found = [netns_inode("/proc/self/ns/net")]
    try:
        found.append(netns_inode(netns_path(1)))
    except DrawbridgeError:
        # Some sandboxes hide it even from root. On such a host other containers cannot be reached either.
        pass
    return frozenset(inode for inode in found if inode is not None)


def refuse_host_network(targets: Iterable[Target]) -> None:
    """Raises DrawbridgeError if any target is on the host's network."""
    found = [quoted(target.name or target.path) for target in targets if target.is_host_network]
    if found:
        raise DrawbridgeError(
            "%s: %s" % (", ".join(found[:5]), HOST_NETWORK), None, "host_policy's host_services guards what it serves; nothing was changed"
        )


@contextmanager
def held(system: System, target: Target) -> Iterator[int]:
    """Open the target's namespace, then check that it is still the target's.

    While it is open, the kernel keeps it, even if the container ends or its process id is reused.
    Raises ContainerGone if it is not the target's any more, and DrawbridgeError if it is the host's.
    """
    try:
        fd = os.open(target.path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        raise ContainerGone("it ended before its namespace was entered") from None
    try:
        inode = os.fstat(fd).st_ino
        if inode in host_inodes():
            raise DrawbridgeError(HOST_NETWORK)
        if inode != target.inode or (target.pid and started(system, target.pid) != target.born):
            raise ContainerGone("its process id %d belongs to something else now" % target.pid)
        lost = target.source.lost(target)
        if lost is not None:
            raise ContainerGone(lost)
        yield fd
    finally:
        os.close(fd)


def by_namespace(targets: Iterable[Target]) -> List[List[Target]]:
    """Group targets that share a namespace, in the given order. A target without a namespace is a group of its own."""
    groups: Dict[object, List[Target]] = {}
    for number, target in enumerate(targets):
        key: object = ("none", number) if target.inode is None else target.inode
        groups.setdefault(key, []).append(target)
    return list(groups.values())
