# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""A host in a folder: this process finds its files, commands, sockets and network there, and nothing of the machine's own.

It stands below the collection's code, at Python's own functions, so that nothing here knows how that code is divided.
"""

from __future__ import annotations

import builtins
import contextlib
import ctypes
import os
import socket
import struct
import subprocess
import threading
from typing import Any, Callable, Iterator, List, NamedTuple, Optional
from unittest import mock

# Everything else is Python's and Ansible's own.
PREFIXES = ("/etc", "/var/lib", "/var/run", "/run", "/proc", "/sys", "/sbin", "/usr/sbin", "/usr/local/sbin", "/usr/lib/systemd", "/lib/systemd",
            "/usr/local/lib/drawbridge")
_ONE = (
    "access", "chmod", "chown", "listdir", "lstat", "mkdir", "open", "readlink", "remove", "rmdir", "scandir", "stat", "unlink", "utime",
)
_BOTH = ("link", "rename", "replace")
_RTM_GETLINK, _RTM_GETRULE, _RTM_GETNSID = 18, 34, 90
_ANSWER, _NLMSG_DONE = 16, 3
_IFNAME, _MASTER, _LINKINFO, _INFO_KIND = 3, 10, 18, 1


class Link(NamedTuple):
    """An interface: kind as the kernel calls it, master the one that it is a member of; both may be empty."""

    name: str
    kind: str = ""
    master: str = ""


class Network(NamedTuple):
    """tables: the numbers of routing tables that the host's rules name. addresses: the host's own."""

    links: List[Link]
    tables: List[int]
    addresses: List[str]


class Jail:
    """run: what runs commands, (argv, stdin) → (output, exit code, errors). enter: what is called by a thread that moves to the namespace of a
    file, by its descriptor, or to a new one."""

    def __init__(self, root: str, network: Network, run: Callable[[List[str], str], Any], enter: Callable[[Optional[int]], None]) -> None:
        self.root = root
        self.network = network
        self.run = run
        self.enter = enter

    def inside(self, path: Any) -> Any:
        """Where a path of the host's is."""
        if isinstance(path, str) and any(path == prefix or path.startswith(prefix + "/") for prefix in PREFIXES):
            return self.root + path
        return path

    @contextlib.contextmanager
    def entered(self) -> Iterator[None]:
        """This process sees the host in the folder, and no other."""
        with contextlib.ExitStack() as stack:
            for name in _ONE:
                stack.enter_context(mock.patch.object(os, name, self._of_one(getattr(os, name))))
            for name in _BOTH:
                stack.enter_context(mock.patch.object(os, name, self._of_two(getattr(os, name))))
            stack.enter_context(mock.patch.object(builtins, "open", self._of_one(builtins.open)))
            stack.enter_context(mock.patch.object(socket, "socket", _socket_of(self)))
            stack.enter_context(mock.patch.object(socket, "if_nameindex", lambda: [(number, link.name) for number, link in enumerate(self.network.links, 1)]))
            stack.enter_context(mock.patch.object(ctypes, "CDLL", lambda *_names, **_options: _Libc(self.enter)))
            stack.enter_context(mock.patch.object(subprocess, "Popen", self._process))
            stack.enter_context(mock.patch.dict(os.environ, {"PATH": "/usr/sbin"}))
            yield

    def _of_one(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def jailed(path: Any = ".", *arguments: Any, **options: Any) -> Any:
            return function(self.inside(path), *arguments, **options)

        return jailed

    def _of_two(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def jailed(source: Any, target: Any, **options: Any) -> Any:
            return function(self.inside(source), self.inside(target), **options)

        return jailed

    def _process(self, argv: List[str], **_options: Any) -> _Process:
        return _Process(self, argv)

    def answer(self, kind: int) -> List[bytes]:
        """What the kernel says to a question over netlink."""
        if kind == _RTM_GETLINK:
            numbers = {link.name: number for number, link in enumerate(self.network.links, 1)}
            return [_link(link, numbers) for link in self.network.links]
        if kind == _RTM_GETRULE:
            return [struct.pack("=8BI", 2, 0, 0, 0, table, 0, 0, 1, 0) for table in self.network.tables]
        if kind == _RTM_GETNSID:
            return []
        raise AssertionError("no such question to the kernel here: %d" % kind)


class _Process:
    def __init__(self, jail: Jail, argv: List[str]) -> None:
        self._jail = jail
        self._argv = argv
        self.returncode = 0

    def communicate(self, stdin: bytes) -> Any:
        said = self._jail.run([os.path.basename(self._argv[0]), *self._argv[1:]], stdin.decode("utf-8"))
        self.returncode = said.rc
        return said.out.encode("utf-8"), said.err.encode("utf-8")


class _Libc:
    """The C library, as far as it moves threads to other namespaces."""

    def __init__(self, enter: Callable[[Optional[int]], None]) -> None:
        self._enter = enter

    def unshare(self, _flags: int) -> int:
        """To a new one."""
        self._enter(None)
        return 0

    def setns(self, descriptor: int, _flags: int) -> int:
        """To that of a file."""
        self._enter(descriptor)
        return 0


def _socket_of(jail: Jail) -> Any:
    class Jailed(socket.socket):
        """The kernel's answers are the jail's, and so are the paths of unix sockets."""

        def __init__(self, family: int = -1, kind: int = -1, proto: int = -1, fileno: Any = None) -> None:
            self.waiting = b""
            self.of_kernel = family == socket.AF_NETLINK
            if self.of_kernel:
                family, proto = socket.AF_UNIX, 0
            super().__init__(family, kind, proto, fileno)

        def bind(self, address: Any) -> None:
            if self.family == socket.AF_UNIX:
                super().bind(address)
            elif address[0] not in jail.network.addresses:
                raise OSError("no address of the host")

        def setsockopt(self, *arguments: Any) -> None:
            if arguments[1] != socket.SO_BINDTODEVICE:
                super().setsockopt(*arguments)

        def connect(self, address: Any) -> None:
            super().connect(jail.inside(address))

        def sendto(self, data: bytes, *address: Any) -> int:  # type: ignore[override]
            answers = jail.answer(struct.unpack_from("=IH", data)[1])
            self.waiting = b"".join(_message(_ANSWER, answer) for answer in answers) + _message(_NLMSG_DONE, bytes(4))
            return len(data)

        def recv(self, room: int, *flags: int) -> bytes:
            return self.waiting if self.of_kernel else super().recv(room, *flags)

    return Jailed


def _message(kind: int, body: bytes) -> bytes:
    return struct.pack("=IHHII", 16 + len(body), kind, 0, 1, 0) + body + bytes(-len(body) % 4)


def _attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)


def _link(link: Link, numbers: Any) -> bytes:
    body = _attribute(_IFNAME, link.name.encode() + b"\0")
    if link.kind:
        body += _attribute(_LINKINFO, _attribute(_INFO_KIND, link.kind.encode() + b"\0"))
    if link.master:
        body += _attribute(_MASTER, struct.pack("=i", numbers[link.master]))
    return struct.pack("=BxHiII", 0, 0, numbers[link.name], 0, 0) + body


class Namespaces(threading.local):
    """Which namespace a thread is in: its netfilter, None for the host's, and the container that it belongs to, empty for a new one."""

    kernel: Any = None
    container: str = ""

    @contextlib.contextmanager
    def inherited(self) -> Iterator[None]:
        """A thread begins where the one is that starts it."""
        begin = threading.Thread.start

        def start(thread: threading.Thread) -> None:
            held, run = (self.kernel, self.container), thread.run

            def run_there() -> None:
                self.kernel, self.container = held
                run()

            thread.run = run_there  # type: ignore[method-assign]
            begin(thread)

        with mock.patch.object(threading.Thread, "start", start):
            yield
