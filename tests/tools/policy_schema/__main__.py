# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""``make schema``: write docs/schema from the parser's tables. A unit test tells where it is not what they give."""
from __future__ import annotations

import conftest  # noqa: F401  # pylint: disable=unused-import # it lets the collection be found

from .build import FOLDER, texts

if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for path, text in texts().items():
        path.write_text(text, encoding="utf-8")
        print("%s: %d bytes" % (path.name, len(text)))
