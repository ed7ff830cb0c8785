# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Processes that run beside a test: on a host, and as a client's open SSH session."""
from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from tests.lab import engine, layout
from tests.lab.api import Client, Host
from tests.lab.sh import in_netns

from . import senders


@contextmanager
def _started(argv: Sequence[str], environment: dict[str, str] | None = None) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@contextmanager
def on_host(host: Host, argv: Sequence[str]) -> Iterator[subprocess.Popen[str]]:
    """A command on a host. It has to end by itself: only its way to the test is cut."""
    command = engine.client(["exec", "--interactive", host.name, *argv])
    with _started(command, engine.environment()) as process:
        yield process


@contextmanager
def from_client(client: Client, program: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A program, as text for python3 -c, in a client's namespace."""
    with _started(in_netns(client.spec.netns, [layout.PYTHON, "-c", program, *arguments])) as process:
        yield process


class Talk:
    """Connections that a client holds, see senders.TALK."""

    def __init__(self, process: subprocess.Popen[str], places: Sequence[str]) -> None:
        self._process = process
        self._places = places
        assert self._told() == set(places)

    def _told(self) -> set[str]:
        assert self._process.stdout
        answered = json.loads(self._process.stdout.readline())
        return {place for place, good in zip(self._places, answered, strict=True) if good}

    def answered(self, text: str) -> set[str]:
        """The places that say the text back."""
        assert self._process.stdin
        self._process.stdin.write(text + "\n")
        self._process.stdin.flush()
        return self._told()


@contextmanager
def talk(client: Client, places: Sequence[str]) -> Iterator[Talk]:
    """Hold connections to places, each ADDRESS,PORT."""
    with from_client(client, senders.TALK, *places) as process:
        yield Talk(process, places)


class Session:
    """An SSH session that a client holds: what is said comes back as long as the connection lives."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def answers(self, text: str) -> bool:
        """Whether the far end still says what it is told."""
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(text + "\n")
        self._process.stdin.flush()
        return self._process.stdout.readline() == text + "\n"


@contextmanager
def ssh_session(client: Client, host: Host) -> Iterator[Session]:
    """A session from a client to a host's first address; it ends by itself where nothing arrives any more."""
    options = ["-F", str(layout.SSH_CONFIG), "-o", "ProxyCommand=none", "-o", "ServerAliveInterval=2", "-o",
               "ServerAliveCountMax=3", "-o", "ConnectTimeout=3"]
    with _started(in_netns(client.spec.netns, ["ssh", *options, host.name, "cat"])) as process:
        yield Session(process)
