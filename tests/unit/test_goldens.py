# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""What the code does on hosts of seven engines is what its golden files say: see tests/goldens/README.md."""
import pytest

from tests.goldens import compare


@pytest.fixture(scope="module", name="found")
def _found():
    return compare.differences()


def test_nothing_is_done_otherwise(found):
    assert not found, "make goldens shows it, and ACCEPT=1 make goldens accepts it:\n" + "".join(found.values())[:20000]
