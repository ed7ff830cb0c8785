# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""``make demo``: two Docker hosts with different engines, before and after their policy, by real connections."""

from __future__ import annotations

import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from tests.lab import lifecycle, table
from tests.lab.api import Lab
from tests.lab.layout import CLIENTS
from tests.lab.sh import LabError

from . import afterwards, expected
from .afterwards import Failed
from .playbook import CONFIG, PROGRAM, ROOT, WIDTH, Run, fitted, play

HOSTS = ("bookworm", "trixie")
INVENTORY = "examples/inventory"
PLAYBOOK = "drawbridge.docker.harden"
WORDS = "who reaches what"


def main() -> int:
    """Run the demo; 1 if something is not as it should be."""
    started = time.monotonic()
    try:
        _run()
    except (Failed, LabError) as error:
        print(f"\nThe demo failed: {error}", file=sys.stderr, flush=True)
        return 1
    except KeyboardInterrupt:
        print("\nstopped; what is up stays up: make lab-down", file=sys.stderr)
        return 130
    print(f"\nDone in {time.monotonic() - started:.0f} s.\n\n{_epilogue()}", flush=True)
    return 0


def _run() -> None:
    _title("1. Two Docker hosts, two clients, on this machine")
    lab = _lab()
    versions = {name: lab.hosts[name].engine_version() for name in HOSTS}
    _title("2. Before: everybody reaches everything that a container publishes")
    before = _measure(lab, versions, expected.not_yet_open)
    _title(f"3. What would change: ansible-playbook -i {INVENTORY} {PLAYBOOK} --check --diff")
    _say("The policy, in group_vars/docker_hosts.yml and host_vars/trixie.yml: the office reaches the ports")
    _say(f"that it names, nobody reaches the others. The office is the client {expected.OFFICE}.")
    _preview()
    _title(f"4. Apply it: ansible-playbook -i {INVENTORY} {PLAYBOOK}")
    applied = _play([], shown=True)
    if set(applied.changed) != set(HOSTS) or not all(applied.changed.values()):
        raise Failed(f"the first run had to change both hosts: {applied.changed}")
    _title("5. After: only the office, only what the policy names; nothing else has changed")
    after = _measure(lab, versions, lambda after: expected.differences(before, after))
    _check(before, after)
    _title("6. The same again: a second run changes nothing")
    second = _play([], shown=True)
    if set(second.changed) != set(HOSTS) or any(second.changed.values()):
        raise Failed(f"the second run had to change nothing: {second.changed}")
    _say("changed=0 on both hosts")
    _afterwards(lab, after)


def _afterwards(lab: Lab, after: Sequence[table.Cell]) -> None:
    """What happens to one of the hosts later."""
    host = lab.hosts[HOSTS[-1]]
    _title(f"7. Later, on {host.name}: a container is published that no policy names")
    _say(afterwards.published_later(lab, host))
    _title("8. Somebody flushes every rule")
    _say(afterwards.flushed(lab, host))
    _title("9. The host boots")
    with _signs_of_life():
        _say(afterwards.booted(lab, host, after))
    _title("10. A policy that closes SSH for everybody")
    for line in afterwards.locked_out(lambda words: play(["-i", INVENTORY, PLAYBOOK, *words], shown=False), host):
        _say(textwrap.fill(line, WIDTH, subsequent_indent="    "))


def _lab() -> Lab:
    _say(f"hosts {' and '.join(HOSTS)}: Debian, systemd, a Docker engine and sshd each, real containers")
    _say("on a fresh machine this installs packages and builds two root file systems: some minutes")
    with _signs_of_life():
        lifecycle.up(HOSTS)
    lab = Lab.load()
    _say("the hosts' firewalls as their engines made them")
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda name: lab.hosts[name].pristine(), HOSTS))
    return lab


def _measure(lab: Lab, versions: dict[str, str], doubts: Callable[[Sequence[table.Cell]], Sequence[str]]) -> list[table.Cell]:
    """All paths, looked at twice where the first look leaves doubts: a busy machine may lose a packet. Open is what was
    open in either look, so that a second look hides nothing."""
    _say(f"real connections; {', '.join(f'{name} is {CLIENTS[name].v4}' for name in table.CLIENTS)}")
    with _signs_of_life():
        cells = table.measure(lab, HOSTS)
        if doubts(cells):
            again = table.measure(lab, HOSTS)
            cells = [first if first.result.open else second for first, second in zip(cells, again, strict=True)]
    print("\n" + table.render(cells, versions) + "\n", flush=True)
    return cells


def _preview() -> None:
    output = _play(["--check", "--diff"], shown=False).output
    parts = output.split("--- before: ")[1:]
    words = [part for part in parts if part.startswith(WORDS)]
    if len(words) != len(HOSTS):
        raise Failed(f"--diff says {len(words)} times {WORDS}:\n{output}")
    for line in words[0].splitlines()[2:]:
        if line.startswith(("+", "-")):
            print("  " + fitted(line))
    changed = [line for part in parts for line in part.splitlines()[2:] if line.startswith(("+", "-"))]
    _say(f"... and so on, {len(changed)} lines on {len(HOSTS)} hosts with the rules themselves; nothing is written yet")


def _play(options: Sequence[str], shown: bool) -> Run:
    run = play(["-i", INVENTORY, PLAYBOOK, *options], shown)
    if not run.succeeded:
        raise Failed("ansible-playbook failed" + ("" if shown else ":\n" + run.output))
    return run


def _check(before: Sequence[table.Cell], after: Sequence[table.Cell]) -> None:
    wrong = expected.differences(before, after)
    if wrong:
        raise Failed("\n  ".join(["not what the policy says:", *wrong]))
    closed = sum(was.result.open and not now.result.open for was, now in zip(before, after, strict=True))
    _say(f"{len(after)} paths tried: {closed} are closed now, as the policy says, the others are as they were")


@contextmanager
def _signs_of_life() -> Iterator[None]:
    """A line now and then, so that a long silence does not look like a hang."""
    done = threading.Event()

    def tell() -> None:
        started = time.monotonic()
        while not done.wait(15):
            _say(f"... at work since {time.monotonic() - started:.0f} s")

    thread = threading.Thread(target=tell, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _title(text: str) -> None:
    print(f"\n{text}\n{'-' * min(len(text), WIDTH)}", flush=True)


def _say(text: str) -> None:
    print(f"  {text}", flush=True)


def _epilogue() -> str:
    return f"""Look around:
  python3 -m tests.lab probe {' '.join(HOSTS)}                   the table again
  python3 -m tests.lab ssh trixie                              a shell on a host, or with a command:
  python3 -m tests.lab ssh trixie iptables -t mangle -S DB-GUARD
  python3 -m tests.lab ssh trixie iptables -S DB-USER-policy
  python3 -m tests.lab ssh trixie ipset list DBP-pub-tcp-4a
Change the inventory, {INVENTORY}, and run again:
  export ANSIBLE_CONFIG={CONFIG.relative_to(ROOT)}     (how the lab is reached; your hosts need none)
  {PROGRAM.relative_to(ROOT)} -i {INVENTORY} {PLAYBOOK}
Clean up:
  make lab-down"""


if __name__ == "__main__":
    sys.exit(main())
