# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Let ``import ansible_collections.drawbridge.docker…`` find this checkout, wherever it lies."""
import sys
import types
from pathlib import Path

_ROOT = Path(__file__).resolve().parent

for _name, _path in (
    ("ansible_collections", []),
    ("ansible_collections.drawbridge", []),
    ("ansible_collections.drawbridge.docker", [str(_ROOT)]),
):
    if _name not in sys.modules:
        _package = types.ModuleType(_name)
        _package.__path__ = _path  # type: ignore[attr-defined]
        sys.modules[_name] = _package
        if "." in _name:
            _parent, _child = _name.rsplit(".", 1)
            setattr(sys.modules[_parent], _child, _package)
