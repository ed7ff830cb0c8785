# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""A browser for each test of this folder."""
import pytest

from .support.chromium import Chromium


@pytest.fixture
def chromium(tmp_path):
    found = Chromium(tmp_path / "profile")
    yield found
    found.close()
