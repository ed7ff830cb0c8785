# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""The lab's command line: python3 -m tests.lab up|down|status|ssh|exec|probe."""

from __future__ import annotations

import sys

sys.dont_write_bytecode = True

from .cli import main  # noqa: E402

sys.exit(main())
