# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Interpreters that have python-iptables, and a host whose plain iptables is legacy."""
import functools
import os
import shutil
import subprocess
from pathlib import Path

from ansible_collections.drawbridge.docker.plugins.module_utils.host.system import System
from ansible_collections.drawbridge.docker.plugins.module_utils.netfilter import converge as converging

from tests.integration.kernel.support.host import Host
from tests.tools import env

SOURCES = ("debian", "pypi")
_FINDS = "import importlib.util, sys; sys.exit(importlib.util.find_spec('iptc') is None)"


class NotHere(Exception):
    """Why python-iptables cannot be had."""


@functools.cache
def interpreter(source):
    """The Python that has it from Debian or from PyPI."""
    return _debian() if source == "debian" else _pypi()


def _debian():
    # Looked for, not imported: importing loads kernel modules.
    if subprocess.run(["/usr/bin/python3", "-I", "-c", _FINDS], check=False).returncode != 0:
        raise NotHere("/usr/bin/python3 has no iptc: the Debian package python3-iptables is not installed")
    return "/usr/bin/python3"


def _pypi():
    if shutil.which("gcc") is None:
        raise NotHere("python-iptables from PyPI has to be compiled, and there is no gcc")
    version, python = env.choose("newest", env.pythons())
    try:
        return str(env.make("python-iptables", version, python) / "bin" / "python")
    except subprocess.CalledProcessError as error:
        raise NotHere("python-iptables from PyPI cannot be installed: %s" % error) from None


class LegacyHost(Host):
    """A host on which plain iptables is iptables-legacy. transport: what its tasks are told to use."""

    def __init__(self, folder, transport):
        system = System()
        for program in ("iptables", "ip6tables"):
            link = Path(folder, program)
            if not link.is_symlink():
                link.symlink_to(os.path.realpath(system.which(program + "-legacy")))
        system.path = "%s:%s" % (folder, system.path)
        super().__init__("legacy", system)
        self.transport = transport

    def converge(self, wanted, check=False):
        settings = converging.Settings(self.transport, 5, check)
        return converging.converge(self.system, settings, lambda _netfilter: wanted)
