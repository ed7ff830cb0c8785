# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""``make goldens``: show what the code does otherwise than its golden files say; with --accept, write them."""

from __future__ import annotations

import argparse
import sys

import conftest  # noqa: F401  # pylint: disable=unused-import # it lets the collection be found

from .compare import accept, differences


def main() -> int:
    """0 where everything is as the golden files say."""
    parser = argparse.ArgumentParser(prog="python -m tests.goldens", description=__doc__)
    parser.add_argument("--accept", action="store_true", help="write the golden files as the code is now, and remove those that no case has")
    options = parser.parse_args()
    found = differences()
    for text in found.values():
        sys.stdout.write(text)
    if options.accept:
        accept(found)
    print("%d of the golden files %s" % (len(found), "were written or removed" if options.accept else "differ"))
    return 1 if found and not options.accept else 0


if __name__ == "__main__":
    sys.exit(main())
