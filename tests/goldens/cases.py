# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Which case is shown on which host, and each pair's text.

A case is a file in policies/ or modules/: ``module`` and its ``options``; ``after``, a case that was run before it; ``hosts``, where not on all;
``check``, where only check mode is looked at; ``clock``, the time that it is; ``engine``, false for one that does not answer; ``files``, folders of the
host whose files are shown, too.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import multiprocessing
import os
from pathlib import Path
from typing import Any, Dict, List, Tuple
from unittest import mock

import yaml
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.rules import timed_entries

from . import render

HERE = render.HERE
EXPECTED = HERE / "expected"
HOSTS = sorted(path.stem for path in (HERE / "hosts").glob("*.yml"))
CASES = {"%s/%s" % (folder, path.stem): path for folder in ("policies", "modules") for path in sorted((HERE / folder).glob("*.yml"))}
Pair = Tuple[str, str]


def read(name: str) -> Dict[str, Any]:
    """A case by its name."""
    case: Dict[str, Any] = yaml.safe_load(CASES[name].read_text(encoding="utf-8"))
    return case


def pairs() -> List[Pair]:
    """Every host and case that there is a golden file of."""
    return [(host, name) for name in CASES for host in HOSTS if host in read(name).get("hosts", HOSTS)]


def _clock(time: str | None) -> contextlib.AbstractContextManager[object]:
    """The clock at a time, as long as the block lasts."""
    if time is None:
        return contextlib.nullcontext()
    seconds = float(timed_entries.seconds_of(time))
    return mock.patch("time.time", lambda: seconds)


def path_of(pair: Pair) -> Path:
    """Where a pair's golden file is."""
    return EXPECTED / pair[0] / (pair[1] + ".txt")


def rendered(pair: Pair) -> str:
    """What a case does on a host, and that it does nothing when it is run again."""
    case = read(pair[1])
    host = render.Host(pair[0])
    with host.running(), _clock(case.get("clock")):
        for name in _before(case):
            _run(host, read(name))
        if not case.get("engine", True):
            host.stop_engine()
        lines = ["# %s" % pair[1], *_run(host, case)]
        for folder in case.get("files", []):
            lines += host.files(folder)
        if not case.get("check"):
            lines += ["", "# again", *_run(host, case)]
    return "\n".join(lines) + "\n"


def _before(case: Dict[str, Any]) -> List[str]:
    return [*_before(read(case["after"])), case["after"]] if "after" in case else []


def _run(host: render.Host, case: Dict[str, Any]) -> List[str]:
    return host.run(case["module"], render.arguments_of(case), case.get("check", False))


def all_rendered() -> Dict[Pair, str]:
    """Every pair's text: one process for each processor."""
    everything = pairs()
    # Forked: those who run this have told Python where the collection is.
    with concurrent.futures.ProcessPoolExecutor(os.cpu_count(), multiprocessing.get_context("fork")) as pool:
        return dict(zip(everything, pool.map(rendered, everything, chunksize=8)))
