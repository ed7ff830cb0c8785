#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: hosted
short_description: Run a module of this collection from code that the host keeps
version_added: 0.1.0
description:
  - Used by the action plugins of M(drawbridge.docker.host_policy) and others. There is nothing in it for playbooks.
  - Ansible packs a module and all that it imports for each run of a playbook, and the host compiles it at each task. For a policy that is
    more than everything else that the task does. With this module the code travels once and is compiled once. It is kept in
    C(/run/drawbridge-code), for root alone, until the host is rebooted.
author:
  - The Drawbridge authors (@drawbridge)
options:
  module:
    description: Name of the module to run, without the collection's.
    type: str
    required: true
  arguments:
    description: What the module is given, as JSON, compressed by zlib, in base64.
    type: str
    required: true
  digest:
    description: Which code, as 64 hexadecimal digits.
    type: str
    required: true
  code:
    description:
      - The code, a zip archive in base64.
      - Without it, a host that does not have the code says so and does nothing.
    type: str
attributes:
  check_mode:
    description: As the module that is run. Code that the host does not have yet is not kept then.
    support: full
  diff_mode:
    description: As the module that is run.
    support: full
"""

EXAMPLES = r"""
- name: What the action plugin of host_policy does
  drawbridge.docker.hosted:
    module: host_policy
    arguments: eAGrViouSSxJVbJSSkwqTs0rUaoFADwGBlk=
    digest: 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
"""

RETURN = r"""
code_needed:
  description: Returned alone, where the host does not have the code. Everything else is what the module that was run returns.
  returned: when O(code) is missing
  type: bool
  sample: true
"""

import base64
import importlib
import io
import json
import os
import re
import shutil
import stat
import sys
import tempfile
import time
import zipfile
import zlib
from contextlib import contextmanager
from typing import Iterator, Mapping, Optional

from ansible.module_utils import basic

# In memory: no half-written file survives a crash, and nothing survives a boot.
FOLDER = "/run/drawbridge-code"
# Keep code for this long: other runs may still write theirs, or import another version's.
UNUSED_SECONDS = 3600
PLUGINS = "ansible_collections.drawbridge.docker.plugins"


class Silent(basic.AnsibleModule):
    """Leaves the host's log to the module that is run, which tells it what it was given. (no_log for the whole module is the task's to say.)"""

    def log(self, msg: str, log_args: Optional[Mapping[str, object]] = None) -> None:
        """Log nothing: nobody can read an archive of code or packed options."""


@contextmanager
def code(digest: str, archive: Optional[str], check_mode: bool) -> Iterator[Optional[str]]:
    """Yield the folder with the collection's plugins; None if the host does not have that code and no archive was sent."""
    kept = os.path.join(FOLDER, digest)
    if is_roots(FOLDER) and is_roots(kept):
        os.utime(kept)
        yield kept
    elif archive is None:
        yield None
    elif not check_mode and os.geteuid() == 0 and keep(kept, archive):
        yield kept
    else:
        with tempfile.TemporaryDirectory(prefix="drawbridge-") as folder:
            unpack(folder, archive)
            yield folder


def is_roots(path: str) -> bool:
    """Whether the folder exists and only root can write to it."""
    try:
        found = os.lstat(path)
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == 0 and not found.st_mode & 0o022


def keep(kept: str, archive: str) -> bool:
    """Put code into its folder, whole or not at all. Return False if the host cannot keep it."""
    try:
        os.makedirs(FOLDER, 0o700, exist_ok=True)
        if not is_roots(FOLDER):
            return False
        new = tempfile.mkdtemp(prefix="new-", dir=FOLDER)
    except OSError:
        return False
    try:
        unpack(new, archive)
        os.rename(new, kept)
    except OSError:
        # Another run was faster, or there is no room.
        shutil.rmtree(new, ignore_errors=True)
        return is_roots(kept)
    forget_unused()
    return True


def forget_unused() -> None:
    """Remove code that no run used for UNUSED_SECONDS, and leftovers of killed runs."""
    for entry in os.scandir(FOLDER):
        try:
            unused = time.time() - entry.stat(follow_symlinks=False).st_mtime > UNUSED_SECONDS
        except FileNotFoundError:
            continue  # another run removes it
        if unused:
            shutil.rmtree(entry.path, ignore_errors=True)


def unpack(folder: str, archive: str) -> None:
    """Unpack an archive's files into the folder."""
    with zipfile.ZipFile(io.BytesIO(base64.b64decode(archive))) as files:
        files.extractall(folder)


def run(folder: str, name: str, arguments: str) -> None:
    """Run a module's main() with these arguments and with Ansible's internal ones (``_ansible_*``)."""
    for package in ("", ".modules"):
        importlib.import_module(PLUGINS + package).__path__.append(os.path.join(folder, package[1:]))
    told = json.loads(basic._ANSIBLE_ARGS)["ANSIBLE_MODULE_ARGS"]  # pylint: disable=protected-access
    own = {key: value for key, value in told.items() if key.startswith("_ansible_")}
    own["_ansible_module_name"] = "drawbridge.docker." + name
    given = dict(json.loads(zlib.decompress(base64.b64decode(arguments))), **own)
    basic._ANSIBLE_ARGS = json.dumps({"ANSIBLE_MODULE_ARGS": given}).encode("utf-8")  # pylint: disable=protected-access
    importlib.import_module("%s.modules.%s" % (PLUGINS, name)).main()


def main() -> None:
    module = Silent(
        argument_spec={
            "module": {"type": "str", "required": True},
            "arguments": {"type": "str", "required": True},
            "digest": {"type": "str", "required": True},
            "code": {"type": "str"},
        },
        supports_check_mode=True,
    )
    params = module.params
    if not re.fullmatch("[a-z_]+", params["module"]) or not re.fullmatch("[0-9a-f]{64}", params["digest"]):
        module.fail_json(msg="module or digest is none; this module is for the action plugins of drawbridge.docker")
    sys.dont_write_bytecode = module.check_mode
    try:
        with code(params["digest"], params["code"], module.check_mode) as folder:
            if folder is None:
                module.exit_json(changed=False, code_needed=True)
            else:
                run(folder, params["module"], params["arguments"])
    except (OSError, ValueError, zipfile.BadZipFile, zlib.error, ImportError) as error:
        module.fail_json(msg="cannot run %s from the code that was sent: %s" % (params["module"], error))


if __name__ == "__main__":
    main()
