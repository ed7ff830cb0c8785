# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""The demo's second part: what happens to a host after the play. One host is enough for it.

Each scene raises Failed if it does not show what it is there to show.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Sequence

from tests.lab import table
from tests.lab.api import Host, Lab, Probe, Result
from tests.lab.workload import IMAGE

from .playbook import Run

LATE = 8200
# The office has it open: who comes back after a flush or a boot has to find it so.
OPEN = 8080
CUT_OFF = {"host_policy__cut_off": {"host_services": {"default": "deny"}}}
# Seconds until a host takes a change back that nobody confirms; short, for whoever watches.
CONFIRM = 5
PATIENCE = 60.0


class Failed(Exception):
    """The demo did not show what it is there to show."""


def published_later(lab: Lab, host: Host) -> str:
    """A container publishes a port that the policy does not know."""
    host.run(["docker", "run", "--detach", "--name", "later", "--publish", f"{LATE}:80", IMAGE, "answer", "later", "tcp,0.0.0.0,80"])
    _until(lambda: host.probe([Probe("tcp", "127.0.0.1", LATE)])[0].server == "later", "the new container serves the host itself")
    found = _tried(lab, host, LATE)
    if any(result.open for result in found):
        raise Failed(f"port {LATE}, which no policy names, is open")
    return f"docker run --publish {LATE}:80: {len(found)} connections tried, by office and denied, IPv4 and IPv6: none got in"


def flushed(lab: Lab, host: Host) -> str:
    """Somebody takes every rule there is: Drawbridge's, and the engine's too."""
    host.run(["nft", "flush", "ruleset"])
    after = [result for result in _tried(lab, host, OPEN, "denied") if result.open]
    if after:
        raise Failed(f"the denied client got in after a flush: {after}")
    _until(lambda: all(result.open for result in _tried(lab, host, OPEN, "allowed")), "the office is served again")
    if any(result.open for result in _tried(lab, host, OPEN, "denied")):
        raise Failed("the denied client is let in after a flush")
    return "nft flush ruleset: the denied client got nothing, and the office is served again, by rules that nobody had to put back"


def booted(lab: Lab, host: Host, before: Sequence[table.Cell]) -> str:
    """The host boots; every path is as it was."""
    started = time.monotonic()
    host.reboot()
    own = [cell for cell in before if cell.host == host.name]
    _until(lambda: _same(own, table.measure(lab, [host.name])), "every path is as it was before the boot")
    return f"{host.name} booted in {time.monotonic() - started:.0f} s: {len(own)} paths tried, all as before"


def locked_out(play: Callable[[Sequence[str]], Run], host: Host) -> list[str]:
    """A policy that closes SSH for everybody is refused; forced, it is taken back by the host."""
    words = ["--limit", host.name, "-e", json.dumps(CUT_OFF)]
    refused = play(words)
    forced = play([*words, "-e", json.dumps({"host_policy_allow_lockout": True, "host_policy_confirm_timeout": CONFIRM})])
    told = [_failure(refused, host, "nothing was changed"), _failure(forced, host, "took the change back")]
    if host.ssh(["true"], check=False).returncode:
        raise Failed(f"{host.name} does not take SSH any more")
    return ["refused: " + told[0], "forced all the same: " + told[1], "SSH works"]


def _failure(run: Run, host: Host, wanted: str) -> str:
    """What the summary says that a host failed with, if it is about this."""
    found = re.search(rf"^{host.name} +failed +(.+)$", run.output, re.MULTILINE)
    if run.succeeded or found is None or wanted not in found.group(1):
        raise Failed("a policy that closes SSH stayed:\n" + run.output)
    return found.group(1)


def _tried(lab: Lab, host: Host, port: int, *names: str) -> list[Result]:
    probes = [Probe("tcp", address, port) for address in (host.spec.v4, host.spec.v6)]
    return [result for name in names or table.CLIENTS for result in lab.clients[name].probe(probes)]


def _same(before: Sequence[table.Cell], after: Sequence[table.Cell]) -> bool:
    return [cell.result.open for cell in before] == [cell.result.open for cell in after]


def _until(true: Callable[[], bool], words: str) -> None:
    end = time.monotonic() + PATIENCE
    while not true():
        if time.monotonic() > end:
            raise Failed(f"it never came to this: {words}")
        time.sleep(0.1)
