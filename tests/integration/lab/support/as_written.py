# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""What documentation tells people to type, run as it is written: its blocks, and a user's shell that reaches one host of the lab."""
from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

from tests.lab import layout
from tests.lab.api import Host

from .playbook import ROOT


def block(page: Path, language: str, begins: str) -> str:
    """The block of a page that is in this language and begins so; there has to be one."""
    blocks = re.findall(r"^```(\w*)\n(.*?)^```$", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    (found,) = [text for of, text in blocks if of == language and text.startswith(begins)]
    return str(found)


def user(home: Path, host: Host, name: str) -> dict[str, str]:
    """The environment of a user whose home this is, and whose SSH knows the host by this name."""
    known = "Host %s\n    HostKeyAlias %s\n" % (name, host.name)
    config = Path(layout.SSH_CONFIG).read_text(encoding="utf-8").replace("Host %s\n" % host.name, known)
    (home / "ssh_config").write_text(config, encoding="utf-8")
    kept = {key: value for key, value in os.environ.items() if not key.startswith("ANSIBLE_")}
    programs = ROOT / ".build" / "venv-newest" / "bin"
    return dict(kept, HOME=str(home), PATH="%s:%s" % (programs, kept["PATH"]), LC_ALL="C.UTF-8", ANSIBLE_NOCOLOR="1",
                ANSIBLE_SSH_COMMON_ARGS="-F %s" % (home / "ssh_config"), ANSIBLE_SSH_CONTROL_PATH_DIR=str(layout.RUN / "ssh"))


def typed(command: str, folder: Path, variables: dict[str, str]) -> str:
    """Run a line of shell in a folder; what it printed."""
    done = subprocess.run(["bash", "-euo", "pipefail", "-c", command], cwd=str(folder), env=variables, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=180, check=False)
    assert done.returncode == 0, done.stdout
    return done.stdout
