# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Let ``import ansible_collections.drawbridge.docker…`` find this checkout, wherever it lies."""
import sys
import types
from pathlib import Path

from hypothesis import HealthCheck, configuration, settings

_ROOT = Path(__file__).resolve().parent

# Every run sees the same examples, and nothing of them is kept in the tree.
configuration.set_hypothesis_home_dir(_ROOT / ".build" / "hypothesis")
settings.register_profile(
    "drawbridge", derandomize=True, deadline=None, database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture],
)
settings.load_profile("drawbridge")

for _name, _path in (
    ("ansible_collections", []),
    ("ansible_collections.drawbridge", []),
    ("ansible_collections.drawbridge.docker", [str(_ROOT)]),
):
    if _name not in sys.modules:
        _package = types.ModuleType(_name)
        _package.__path__ = _path
        sys.modules[_name] = _package
        if "." in _name:
            _parent, _child = _name.rsplit(".", 1)
            setattr(sys.modules[_parent], _child, _package)
