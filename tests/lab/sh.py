# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Running commands: argument lists only, errors that name the command."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from .layout import NETNS_DIR


class LabError(Exception):
    """Something the lab needs is missing or failed; the message is one line or a command's own words."""


def run(
    argv: Sequence[str | Path],
    *,
    input: str | bytes | None = None,
    check: bool = True,
    timeout: float | None = None,
    env: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a command, capture its output as text, and raise LabError when it fails and check is set."""
    data = input.encode() if isinstance(input, str) else input
    words = [str(word) for word in argv]
    try:
        done = subprocess.run(words, input=data, stdin=subprocess.DEVNULL if data is None else None,
                              capture_output=True, timeout=timeout, env=env, check=False)
    except (FileNotFoundError, subprocess.TimeoutExpired) as error:
        raise LabError(f"{' '.join(words)}: {error}") from error
    result = subprocess.CompletedProcess(words, done.returncode, done.stdout.decode(errors="replace"),
                                         done.stderr.decode(errors="replace"))
    if check and result.returncode:
        raise LabError(f"{' '.join(words)}: exit {result.returncode}\n{result.stderr.strip() or result.stdout.strip()}")
    return result


def in_netns(netns: str, argv: Sequence[str | Path]) -> list[str]:
    """The command that runs argv in a named network namespace, with the machine's /sys left as it is."""
    return ["nsenter", f"--net={NETNS_DIR / netns}", "--", *(str(word) for word in argv)]
