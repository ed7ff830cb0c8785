# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Interpreters that have python-iptables, and a legacy host whose changes it cross-checks."""
from __future__ import annotations

import functools
import shlex
import shutil
import subprocess
from pathlib import Path

from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.system.system import System
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.kernel.cross_check import ALWAYS, Interpreter
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.rules.desired import DesiredState
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.transaction import converge as converging

from tests.integration.kernel.support.host import Host
from tests.tools import env

SOURCES = ("debian", "pypi")
# Looked for, not imported: importing loads kernel modules.
_FINDS = "import importlib.util, os; print(os.path.dirname(os.path.dirname(importlib.util.find_spec('iptc').origin)))"


class NotHere(Exception):
    """Why python-iptables cannot be had."""


@functools.cache
def interpreter(source: str) -> Interpreter:
    """The Python that has it from Debian or from PyPI."""
    program = "/usr/bin/python3" if source == "debian" else _pypi()
    done = subprocess.run([program, "-I", "-c", _FINDS], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise NotHere("%s has no iptc: %s" % (program, "the Debian package python3-iptables is not installed" if source == "debian" else done.stderr))
    return Interpreter(program, [done.stdout.strip()])


def _pypi() -> str:
    if shutil.which("gcc") is None:
        raise NotHere("python-iptables from PyPI has to be compiled, and there is no gcc")
    version, python = env.choose("newest", env.pythons())
    try:
        return str(env.make("python-iptables", version, python) / "bin" / "python")
    except subprocess.CalledProcessError as error:
        raise NotHere("python-iptables from PyPI cannot be installed: %s" % error) from None


class CheckedHost(Host):
    """A host on legacy iptables. cross_check: what its tasks are told. Programs in the folder come before the host's own."""

    def __init__(self, folder: str | Path, cross_check: str = ALWAYS) -> None:
        system = System()
        system.path = "%s:%s" % (folder, system.path)
        super().__init__("legacy", system)
        self.folder = Path(folder)
        self.cross_check = cross_check

    def converge(self, wanted: DesiredState, check: bool = False) -> converging.Outcome:
        settings = converging.Settings(self.variant, 5, check, cross_check=self.cross_check)
        return converging.converge(self.system, settings, lambda _netfilter: wanted)

    def instead_of(self, program: str, script: str) -> None:
        """A shell script in the place of a program; ``$real`` is the program."""
        self.script(program, "real=%s\n%s" % (shlex.quote(shutil.which(program) or program), script))

    def script(self, name: str, text: str) -> Path:
        """A shell script among the programs of this host."""
        path = self.folder / name
        path.write_text("#!/bin/sh\n%s\n" % text, encoding="utf-8")
        path.chmod(0o755)
        return path
