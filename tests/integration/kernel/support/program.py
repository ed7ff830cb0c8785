# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""The boot program and its files, in a folder of the test's."""
from __future__ import annotations

import os
import subprocess
from pathlib import Path

from ansible_collections.drawbridge.docker.plugins.module_utils.boot.files import BootFiles
from ansible_collections.drawbridge.docker.plugins.module_utils.boot.kept import COMMIT
from ansible_collections.drawbridge.docker.plugins.module_utils.boot.script import SCRIPT
from ansible_collections.drawbridge.docker.plugins.module_utils.netfilter.host import Live, Netfilter

from .host import Host


class Program:
    """The boot program with folders of the test's own."""

    def __init__(self, folder: Path, host: Host) -> None:
        self.folder, self.host = folder, host
        text = SCRIPT
        for name, path, own in (("ETC", "/etc/drawbridge", "saved"), ("STATE", "/var/lib/drawbridge", "state"),
                                ("RUN", "/run/drawbridge", "run"), ("LOCK", "/run/drawbridge.lock", "lock")):
            line = "%s=%s\n" % (name, path)
            assert text.count(line) == 1
            text = text.replace(line, "%s=%s\n" % (name, folder / own))
        self.files = BootFiles(host.system, str(folder / "saved"))
        self.files.folder.make()
        self.files.folder.write("boot.sh", text)
        (folder / "run").mkdir()
        (folder / "run" / "loaded").touch()

    def save(self, settles: str = COMMIT) -> None:
        """Make what is in force the current generation."""
        netfilter = Netfilter(self.host.system, self.host.variant)
        files = BootFiles(self.host.system, self.files.folder.path, settles)
        files.write(self.files.texts(netfilter, Live(netfilter.rulesets(), {})), False)

    def run(self, verb: str = "boot", *words: str, shell: str = "/bin/sh", fails: bool = False, path: str | None = None) -> str:
        environment = dict(os.environ) if path is None else dict(os.environ, PATH=path)
        done = subprocess.run([shell, str(self.folder / "saved" / "boot.sh"), verb, *words], capture_output=True, text=True, check=False, env=environment)
        assert (done.returncode != 0) == fails, done.stderr
        return done.stderr
