# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""What the kernel's and the lab's tests share."""
from __future__ import annotations

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """An attack is tried once, also where other tests are run again."""
    for item in items:
        if item.get_closest_marker("attack"):
            item.add_marker(pytest.mark.flaky(reruns=0))
