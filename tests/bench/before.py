# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Packets through the policy as this tree makes it, against the same policy as another revision makes it.

python -m tests.bench -n ROUNDS packets --before REVISION

Both rule sets are taken down as text, each made by its own code. Then one namespace carries them in turns, a fraction of a second each: what the
machine does beside it hits both. What stands here beside iptables' rules (the engine's table, the sentry) is loaded with this tree's.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from tests.tools.boot_program import SOURCES

from . import packets
from .measure import AT_LEAST_RATE, Finding
from .sandbox import ROOT

CONNECTIONS, SECONDS = 700, 0.25
# Run with the tree's own modules. A measurement ends with the policy in force.
DUMP = """
import subprocess
from tests.bench import packets
for argv in (["mount", "-t", "tmpfs", "tmpfs", "/run"], ["ip", "link", "set", "lo", "up"]):
    subprocess.run(argv, check=True)
packets.packets(1)
"""
SAVE = {"sets": ["ipset", "save"], "4": ["iptables-nft-save"], "6": ["ip6tables-nft-save"]}
LOAD = {"sets": ["ipset", "restore", "-exist"], "4": ["iptables-nft-restore"], "6": ["ip6tables-nft-restore"]}
ENGINE = "system.slice/docker.service"


def _dump(tree: Path, folder: Path) -> None:
    """Leave in the folder what the tree's code puts into the kernel."""
    folder.mkdir()
    save = "".join("open(%r, 'wb').write(subprocess.check_output(%r))\n" % (str(folder / name), argv) for name, argv in SAVE.items())
    namespace = folder.parent / (folder.name + "-tree") / "ansible_collections" / "drawbridge"
    namespace.mkdir(parents=True)
    (namespace / "docker").symlink_to(tree)
    path = os.pathsep.join([str(tree), str(namespace.parents[1])])
    subprocess.run(["unshare", "--net", "--mount", "--", sys.executable, "-c", DUMP + save], cwd=tree, env=dict(os.environ, PYTHONPATH=path),
                   stdout=subprocess.DEVNULL, check=True)


def _beside() -> str:
    """nftables' tables of this tree's policy."""
    from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.kernel.nft_table import table_text
    from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.blocks import engine_table

    text = subprocess.run(["sh", "-c", ". ./sentry.sh; ETC=/nonexistent; table_text '4:127 4:125 6:127 6:125' ''"], cwd=SOURCES,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True, text=True).stdout
    return table_text(engine_table.KEY, engine_table.body(ENGINE)) + "table inet drawbridge-sentry {\n" + text + "}\n"


def _take(folder: Path, beside: str) -> None:
    for name in ("4", "6"):
        subprocess.run([*LOAD[name], str(folder / name)], check=True)
    # Taken away whether or not it is there.
    gone = "".join("table inet {0} {{ }}\ndelete table inet {0}\n".format(table) for table in ("drawbridge-engine", "drawbridge-sentry"))
    subprocess.run(["nft", "-f", "-"], input=gone + beside, text=True, check=True)


def _in_turns(folders: dict[str, Path], rounds: int) -> dict[tuple[str, str], list[float]]:
    for line in packets.NETWORK.strip().splitlines():
        subprocess.run(line.split(), check=True)
    rates: dict[tuple[str, str], list[float]] = {}
    with ExitStack() as stack:
        server = stack.enter_context(packets.process("server", "serve", "172.17.0.2", "80"))
        stack.callback(server.kill)
        assert server.stdout is not None
        server.stdout.readline()
        for folder in folders.values():
            subprocess.run([*LOAD["sets"], "-file", str(folder / "sets")], check=True)
        beside = {"now": _beside(), "before": ""}
        for _round in range(rounds):
            for side in random.sample(sorted(folders), len(folders)):
                _take(folders[side], beside[side])
                for load, limit in (("connect", CONNECTIONS), ("bulk", SECONDS)):
                    rates.setdefault((load, side), []).append(packets.rate(load, limit))
    return rates


def _interval(ratios: list[float]) -> tuple[float, float]:
    """Where the median lies, 95 % sure: between two of the values, by the sign test."""
    ordered, half = sorted(ratios), 0.98 * len(ratios) ** 0.5
    return ordered[max(0, int(len(ratios) / 2 - half))], ordered[min(len(ratios) - 1, int(len(ratios) / 2 + half))]


def packets_before(revision: str, rounds: int) -> list[Finding]:
    """Each load's rates now and before, and in the note how sure the median of their ratios is."""
    with tempfile.TemporaryDirectory() as name:
        tree, folders = Path(name, "tree"), {"now": Path(name, "now"), "before": Path(name, "before")}
        subprocess.run(["git", "worktree", "add", "--quiet", "--detach", str(tree), revision], cwd=ROOT, check=True)
        try:
            _dump(ROOT, folders["now"])
            _dump(tree, folders["before"])
        finally:
            subprocess.run(["git", "worktree", "remove", "--force", str(tree)], cwd=ROOT, check=True)
        rates = _in_turns(folders, rounds)
    return [_finding(what, revision, rates[load, "now"], rates[load, "before"])
            for load, what in (("connect", "connections per second"), ("bulk", "throughput"))]


def _finding(what: str, revision: str, now: list[float], before: list[float]) -> Finding:
    low, high = _interval([one / other for one, other in zip(now, before, strict=True)])
    return Finding(f"{what}, now to {revision}", now, before, 0.98, AT_LEAST_RATE, f"the median is 95 % sure between {low:.3f} and {high:.3f}")
