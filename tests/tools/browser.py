# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""What the tests of the audit's page need: Chromium, as Debian has it, and axe-core, from npm. ``python3 -m tests.tools.browser`` gets both.

axe-core is kept in the cache, outside the tree. What cannot be had is said; the tests then skip by name.
"""
from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

from tests.tools import env

AXE = "axe-core@4.10.3"
PROGRAMS = ("chromium", "chromium-browser", "google-chrome")


def chromium() -> str:
    """The browser's path; empty if there is none."""
    return next((found for found in map(shutil.which, PROGRAMS) if found), "")


def axe() -> Path:
    """Where axe-core's file is, or would be."""
    return env.CACHE / "browser" / (AXE.replace("@", "-") + ".js")


def why_not() -> str:
    """Why no page can be looked at here; empty where one can."""
    if not chromium():
        return "there is no Chromium: run python3 -m tests.tools.browser"
    return "" if axe().exists() else "there is no %s: run python3 -m tests.tools.browser" % axe()


def get_chromium() -> str:
    """Install it → why that is not possible, or nothing."""
    if chromium():
        return ""
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        return "Chromium is missing, and only root on Debian can install it here"
    variables = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
    for words in (["update", "-q"], ["install", "-y", "-q", "--no-install-recommends", "chromium"]):
        if subprocess.run(["apt-get", *words], env=variables, stdin=subprocess.DEVNULL, check=False).returncode != 0:
            return "apt-get %s failed" % words[0]
    return "" if chromium() else "there is no package chromium here"


def get_axe() -> str:
    """Fetch it by npm → why that is not possible, or nothing."""
    if axe().exists():
        return ""
    npm = shutil.which("npm")
    if npm is None:
        return "%s is missing, and so is npm, which would fetch it" % AXE
    folder = axe().parent
    folder.mkdir(parents=True, exist_ok=True)
    done = subprocess.run([npm, "pack", "--silent", AXE], cwd=str(folder), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=False)
    if done.returncode != 0:
        return "npm pack %s failed" % AXE
    archive = folder / done.stdout.decode().split()[-1]
    with tarfile.open(str(archive)) as packed:
        inner = packed.extractfile("package/axe.min.js")
        text = inner.read() if inner is not None else b""
    archive.unlink()
    new = axe().with_suffix(".new")
    new.write_bytes(text)
    new.replace(axe())
    return ""


def main() -> int:
    reasons = [reason for reason in (get_chromium(), get_axe()) if reason]
    for reason in reasons:
        print("browser: %s" % reason, file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
