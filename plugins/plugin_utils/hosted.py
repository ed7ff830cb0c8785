# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Run modules from code that the host keeps. So Ansible need not find, pack and compile their imports for each task."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import tempfile
import zipfile
import zlib
from typing import Any, Dict, List, Mapping, Tuple

from ansible import constants
from ansible.plugins.action import ActionBase
from ansible_collections.drawbridge.docker.plugins.plugin_utils.variables import plain

PLUGINS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def execute(action: ActionBase, name: str, arguments: Mapping[str, object], task_vars: Mapping[str, object]) -> Dict[str, Any]:
    """Run a module of this collection → its result. The code is sent only if the host does not have it.

    action: the action plugin. name: of the module, without the collection's name. arguments: of the module.
    """
    text = json.dumps(plain(arguments), separators=(",", ":")).encode("utf-8", "surrogateescape")
    packed = base64.b64encode(zlib.compress(text, 1)).decode("ascii")
    asked = {"module": name, "arguments": packed, "digest": _DIGEST}
    result = _run(action, asked, task_vars)
    return _run(action, dict(asked, code=_archive_of_run()), task_vars) if result.pop("code_needed", False) else result


def code_digest() -> str:
    """Return what tells this version of the code that hosts run from any other."""
    return _DIGEST


def _run(action: ActionBase, asked: Mapping[str, str], task_vars: Mapping[str, object]) -> Dict[str, Any]:
    result: Dict[str, Any] = action._execute_module(module_name="drawbridge.docker.hosted", module_args=asked, task_vars=task_vars)
    return result


def _files() -> List[Tuple[str, bytes]]:
    """Return every file that runs on hosts: its path under plugins/ and its content."""
    found: List[str] = []
    for folder in ("module_utils", "modules"):
        for place, _folders, names in os.walk(os.path.join(PLUGINS, folder)):
            found.extend(os.path.join(place, name) for name in names if name.endswith(".py"))
    return [(path[len(PLUGINS) + 1:], _content(path)) for path in sorted(found)]


def _content(path: str) -> bytes:
    with open(path, "rb") as stream:
        return stream.read()


def _digest(files: List[Tuple[str, bytes]]) -> str:
    digest = hashlib.sha256()
    for name, content in files:
        digest.update(b"%s %d\n" % (name.encode("utf-8"), len(content)))
        digest.update(content)
    return digest.hexdigest()


def _archive_of_run() -> str:
    """Return the archive of the code. It is kept in the run's temporary folder, for the other hosts' processes."""
    folder = constants.DEFAULT_LOCAL_TMP
    kept = os.path.join(folder, "drawbridge-" + _DIGEST)
    try:
        return _content(kept).decode("ascii")
    except OSError:
        text = _archive(_FILES)
    try:
        # Another process may write it as well: each writes the whole file before it gets its name.
        descriptor, new = tempfile.mkstemp(dir=folder)
        with os.fdopen(descriptor, "w", encoding="ascii") as stream:
            stream.write(text)
        os.replace(new, kept)
    except OSError:
        pass  # There is no room for it: the others make it themselves.
    return text


def _archive(files: List[Tuple[str, bytes]]) -> str:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files:
            archive.writestr(name, content)
    return base64.b64encode(buffer.getvalue()).decode("ascii")


# Read when the plugin is loaded: Ansible does that once for a task, and forks a process for each host after it.
_FILES = _files()
_DIGEST = _digest(_FILES)
