# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Somebody lists a large set and does not read on: until he ends, the kernel neither swaps nor destroys it."""
from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator

# More than a pipe holds.
ENTRIES = ["10.0.%d.%d" % divmod(number, 256) for number in range(30_000)]


@contextlib.contextmanager
def listing(name: str) -> Iterator[subprocess.Popen[bytes]]:
    """The process that lists the set of that name, which has ENTRIES or more."""
    with subprocess.Popen(["ipset", "save", name], stdout=subprocess.PIPE, bufsize=0) as lister:
        assert lister.stdout is not None and lister.stdout.read(1)
        try:
            yield lister
        finally:
            lister.kill()
