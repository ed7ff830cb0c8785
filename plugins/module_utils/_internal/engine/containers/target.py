# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A network namespace that was chosen, and what has to hold so that it is still the one that was meant."""

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
    """The container has ended, or another process has its id, since it was looked up."""


class Source(ABC):
    """Who knows the target: an engine, a CRI, the kernel."""

    @abstractmethod
    def find(self) -> List["Target"]:
        """All that match. Raises DrawbridgeError where nobody can be asked."""

    @abstractmethod
    def lost(self, target: "Target") -> Optional[str]:
        """Asked while the namespace is held open: why it is not the target's any more; None where it is."""


class Target(NamedTuple):
    """A container, a pod, a process or a bare namespace.

    name, id: as its source calls it; empty where it has none. state: ``running``, or as the source calls what is not.
    pid: a process in the namespace, 0 for none. since: when the source says that it was started. born: when the kernel says
    that the process was. path: the namespace's file. inode: its number; None where there is none.
    reason: why no rule can be put into it; None where one can. details: all that an engine tells of a container, ``{}`` of
    what is none.
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
    """A target known by a process in it, found in /proc now. sandbox: the file of the namespace that was made for it, where its source says;
    the process may have left it."""
    path = sandbox or netns_path(pid)
    born, inode = started(system, pid), netns_inode(path)
    target = Target(source, name, identity, RUNNING, pid, since, born, path, inode, None)
    if inode is None or born is None:
        return target._replace(state="exited", inode=None, reason="process %d has ended" % pid)
    return _judged(target)


def kept(source: Source, name: str, path: str) -> Target:
    """A target known by its namespace's file. Raises DrawbridgeError where that is none."""
    inode = netns_inode(path)
    if inode is None:
        raise DrawbridgeError("there is no network namespace at %s" % ascii(path), "path")
    return _judged(Target(source, name, "", RUNNING, 0, "", None, path, inode, None))


def _judged(target: Target) -> Target:
    return target._replace(reason=HOST_NETWORK) if target.inode in host_inodes() else target


def stopped(source: Source, name: str, identity: str, state: str, reason: str) -> Target:
    """A target without a namespace."""
    return Target(source, name, identity, state, 0, "", None, "", None, reason)


def host_inodes() -> FrozenSet[int]:
    """The namespaces that are never a container's: the first process's, and the one that this process is in."""
    found = [netns_inode("/proc/self/ns/net")]
    try:
        found.append(netns_inode(netns_path(1)))
    except DrawbridgeError:
        # Some sandboxes hide it even from root; the other containers of such a host are out of reach as well.
        pass
    return frozenset(inode for inode in found if inode is not None)


def refuse_host_network(targets: Iterable[Target]) -> None:
    """Raises DrawbridgeError where any of them is on the host's network."""
    found = [quoted(target.name or target.path) for target in targets if target.is_host_network]
    if found:
        raise DrawbridgeError(
            "%s: %s" % (", ".join(found[:5]), HOST_NETWORK), None, "host_policy's host_services guards what it serves; nothing was changed"
        )


@contextmanager
def held(system: System, target: Target) -> Iterator[int]:
    """The target's namespace, open, and proven to be its own after it was opened: from then on the kernel keeps it, whatever
    becomes of the container and its process id.

    Raises Gone, and DrawbridgeError where the namespace would be the host's.
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
    """Those that share a namespace together; those without one each alone. In the given order."""
    groups: Dict[object, List[Target]] = {}
    for number, target in enumerate(targets):
        key: object = ("none", number) if target.inode is None else target.inode
        groups.setdefault(key, []).append(target)
    return list(groups.values())
