# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Modules as a target runs them, by a Python of one's choice and without a controller."""
from __future__ import annotations

import functools
import json
import subprocess
from collections.abc import Sequence
from typing import Any

from .playbook import COLLECTIONS, of_core

# As the wrapper does that Ansible sends.
_RUN = """
import importlib, json, sys
folders, name, arguments = json.loads(sys.argv[1])
sys.path[:0] = folders
from ansible.module_utils import basic
basic._ANSIBLE_ARGS = json.dumps({"ANSIBLE_MODULE_ARGS": arguments}).encode()
basic._ANSIBLE_PROFILE = "legacy"
importlib.import_module("ansible_collections.drawbridge.docker.plugins.modules." + name).main()
"""


@functools.cache
def _library(core: str) -> str:
    """The folder that an environment's ansible-core is in."""
    code = "import ansible, os; print(os.path.dirname(os.path.dirname(ansible.__file__)))"
    return subprocess.run([of_core(core).with_name("python"), "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def run_module(around: Sequence[str], module: str, check: bool = False, python: str = "/usr/bin/python3", core: str = "newest",
               **arguments: Any) -> dict[str, Any]:
    """Run a module → what it returned. around: the command that it runs in."""
    words = json.dumps([[str(COLLECTIONS), _library(core)], module, dict(arguments, _ansible_check_mode=check, _ansible_diff=True)])
    done = subprocess.run([*around, python, "-I", "-W", "error::SyntaxWarning", "-c", _RUN, words], capture_output=True, text=True, check=False)
    assert not done.stderr and done.stdout.strip().startswith("{"), done.stdout + done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found
