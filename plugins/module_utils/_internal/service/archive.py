# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Pack a program of this collection, with the modules that it imports, into one zip archive that Python runs.

The same code gives the same bytes on a host, so a comparison tells whether the code changed.
"""

from __future__ import annotations

import io
import os
import re
import zipfile
from functools import lru_cache
from importlib.machinery import ModuleSpec, PathFinder
from typing import Callable, Dict, Iterator, List, Mapping, Optional, Tuple

from ..errors import DrawbridgeError

_ROOT = __name__.rsplit(".", 2)[0]
_FOLDER = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_PACKAGE = "drawbridge"
_MAIN = """import sys

from {package}.{module} import main

main(sys.argv[1:])
"""
# To search for imports takes a thirtieth of the time that parsing the sources takes. A unit test compares the two.
_RELATIVE = re.compile(r"^[ ]*from (\.+)([\w.]*) import (\([^)]*\)|[^\n#]*)", re.MULTILINE)
# "name" and "name as other", of which the second is not searched for.
_NAME = re.compile(r"(?<![\w.])(?!as\b)(\w+)(?: as \w+)?")
_COMMENT = re.compile("#.*")
_EPOCH = (1980, 1, 1, 0, 0, 0)


def archive(module: str) -> bytes:
    """Return the archive that runs a module's ``main(arguments)``. module: its name below module_utils, as ``service.program``.

    Raises DrawbridgeError if a module's source is not available.
    """
    return packed(module, closure(module))


def packed(module: str, sources: Mapping[str, str]) -> bytes:
    """Return the archive of these sources that runs a module's ``main(arguments)``."""
    files = {"__main__.py": _MAIN.format(package=_PACKAGE, module=module)}
    for name, text in sources.items():
        files["%s/%s.py" % (_PACKAGE, name.replace(".", "/"))] = text
        parts = name.split(".")[:-1]
        for depth in range(len(parts) + 1):
            files["/".join([_PACKAGE, *parts[:depth], "__init__.py"])] = ""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as out:
        for path, text in sorted(files.items()):
            out.writestr(zipfile.ZipInfo(path, _EPOCH), text.encode("utf-8"))
    return buffer.getvalue()


def closure(module: str) -> Dict[str, str]:
    """Return the source of every module that is imported anywhere in a file, by its name below module_utils."""
    found: Dict[str, str] = {}
    open_names = [module]
    while open_names:
        name = open_names.pop()
        if name not in found:
            found[name] = _text(name)
            open_names += _imports(name, found[name])
    return found


def _text(name: str) -> str:
    spec = _spec(name)
    loader = None if spec is None else spec.loader
    get_source: Optional[Callable[[str], Optional[str]]] = getattr(loader, "get_source", None)
    text = None if get_source is None else get_source("%s.%s" % (_ROOT, name))
    if text is None:
        raise DrawbridgeError("the text of %s is not at hand" % name)
    return text


@lru_cache(maxsize=None)
def _is_package(name: str) -> bool:
    spec = _spec(name)
    return spec is not None and spec.submodule_search_locations is not None


def _spec(name: str) -> Optional[ModuleSpec]:
    # Not importlib.util.find_spec: that imports the packages on the way.
    folder = os.path.join(_FOLDER, *name.split(".")[:-1])
    return PathFinder.find_spec("%s.%s" % (_ROOT, name), [folder])


def _imports(name: str, text: str) -> Iterator[str]:
    package = name.split(".")[:-1]
    for dots, module, names in relative_imports(text):
        base = package[: len(package) + 1 - dots]
        named = ".".join([*base, module] if module else base)
        if named and not _is_package(named):
            yield named
        else:
            yield from (".".join(filter(None, (named, imported))) for imported in names)


def relative_imports(text: str) -> Iterator[Tuple[int, str, List[str]]]:
    """Return each import of a source as its number of dots, the module behind them, and the imported names."""
    for found in _RELATIVE.finditer(text):
        yield len(found.group(1)), found.group(2), _NAME.findall(_COMMENT.sub("", found.group(3)))
