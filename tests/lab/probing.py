# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Probes and their results: what to connect to, from where, and what came of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from subprocess import CompletedProcess

PROBER = Path(__file__).with_name("prober.py")
OPEN, REFUSED, SILENT = "open", "refused", "silent"


@dataclass(frozen=True)
class Probe:
    """One connection to try.

    mark: through which host (its number) the packet is routed; source: the address to start from, where routing would
    choose another; answers_from: addresses whose answers count, for broadcast, multicast and servers that answer from
    another address; payload: what a datagram carries.
    """

    protocol: str
    address: str
    port: int = 0
    timeout: float = 0.7
    mark: int = 0
    source: str = ""
    source_port: int = 0
    answers_from: tuple[str, ...] = ()
    payload: str = "probe"


@dataclass(frozen=True)
class Result:
    """What came of a probe: open, refused or silent, and the text that was answered."""

    probe: Probe
    state: str
    text: str

    @property
    def open(self) -> bool:
        """Whether there was a connection or an answer."""
        return self.state == OPEN

    @property
    def server(self) -> str:
        """The name of the server that answered."""
        return self.text.split()[0] if self.text else ""

    @property
    def peer(self) -> str:
        """The client's address as the server saw it."""
        return self.text.split()[-1] if len(self.text.split()) == 2 else ""


Runner = Callable[..., CompletedProcess[str]]


def probe(runner: Runner, probes: Sequence[Probe]) -> list[Result]:
    """Run all probes at once in one Python process where the runner runs commands."""
    if not probes:
        return []
    spec = json.dumps([asdict(item) for item in probes])
    done = runner(["/usr/bin/python3", "-c", PROBER.read_text(encoding="utf-8")], input=spec)
    return [Result(item, state, text) for item, (state, text) in zip(probes, json.loads(done.stdout), strict=True)]
