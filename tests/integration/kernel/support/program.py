# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""The boot program and its files, in a folder of the test's."""
from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.system.paths import COMMIT
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.kernel.netfilter import Live, Netfilter
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.persistence.boot_program.script import SCRIPT
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.persistence.generations import BootFiles

from tests.integration.kernel.support.namespace import missing

from .host import Host

# What a host has as sh and as awk.
DEBIAN, REDHAT, BUSYBOX = ("dash", "mawk"), ("bash", "gawk"), ("busybox", "busybox")
in_each_shell = pytest.mark.parametrize("program", [DEBIAN, BUSYBOX], ids="-".join, indirect=True)


class Program:
    """The boot program with folders of the test's own."""

    def __init__(self, folder: Path, host: Host, tools: tuple[str, str] = DEBIAN) -> None:
        self.folder, self.host = folder, host
        # Ahead of the machine's own.
        self.tools = folder / "tools"
        self.tools.mkdir()
        reason = missing(*tools)
        if reason:
            pytest.skip(reason)
        for name, tool in zip(("sh", "awk"), tools):
            (self.tools / name).symlink_to(shutil.which(tool) or tool)
        assert SCRIPT.count("\nPATH=/") == 1
        text = SCRIPT.replace("\nPATH=/", "\nPATH=%s:/" % self.tools)
        for name, path, own in (("ETC", "/etc/drawbridge", "saved"), ("STATE", "/var/lib/drawbridge", "state"),
                                ("RUN", "/run/drawbridge", "run"), ("LOCK", "/run/drawbridge.lock", "lock")):
            line = "%s=%s\n" % (name, path)
            assert text.count(line) == 1
            text = text.replace(line, "%s=%s\n" % (name, folder / own))
        self.files = BootFiles(host.system, str(folder / "saved"))
        self.files.folder.make()
        self.files.folder.write("boot.sh", text)
        self.command = [str(self.tools / "sh"), str(folder / "saved" / "boot.sh")]
        (folder / "run").mkdir()
        (folder / "run" / "loaded").touch()

    def save(self, settles: str = COMMIT) -> None:
        """Make what is in force the current generation."""
        netfilter = Netfilter(self.host.system, self.host.variant)
        files = BootFiles(self.host.system, self.files.folder.path, settles)
        files.write(self.files.texts(netfilter, Live(netfilter.rulesets(), {})), False)

    def run(self, verb: str = "boot", *words: str, fails: bool = False) -> str:
        done = subprocess.run([*self.command, verb, *words], capture_output=True, text=True, check=False)
        assert (done.returncode != 0) == fails, done.stderr
        return done.stderr
