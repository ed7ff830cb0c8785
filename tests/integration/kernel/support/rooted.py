# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""A folder with Debian's packages and all that they need: their programs run there, in the namespace that the thread is in."""
from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

from tests.integration.lab.support import debian

# What every Debian has, and no package names as its need.
_ESSENTIAL = ("coreutils", "dash", "debianutils", "grep", "iptables", "nftables", "sed")
_MERGED = ("bin", "lib", "lib64", "sbin")
_ENTER = 'mount --bind /proc "$0/proc" && exec chroot "$0" "$@"'
_DEVICES = {"null": ("1", "3"), "urandom": ("1", "9")}
_VARIABLES = {"PATH": "/usr/sbin:/usr/bin", "LC_ALL": "C"}


def fetched(*names: str) -> list[Path]:
    """The files of these packages and of what they need. The thread has to be in the machine's own namespace."""
    return debian.with_needs(*sorted({*names, *_ESSENTIAL}))


class Root:
    """The folder. Nothing of it is installed on the machine, and nothing outlives what is run there."""

    def __init__(self, packages: Iterable[Path], folder: Path, variant: str) -> None:
        """variant: of iptables, what its name leads to."""
        self.folder = folder
        for name in _MERGED:
            (folder / "usr" / name).mkdir(parents=True)
            (folder / name).symlink_to("usr/" + name)
        for name in ("dev", "proc", "run", "tmp", "var"):
            (folder / name).mkdir()
        debian.unpacked_here(packages, folder)
        self._link("var/run", "/run")
        self._link("usr/bin/sh", "dash")
        for name in ("iptables", "ip6tables"):
            for end in ("", "-save", "-restore"):
                self._link("usr/sbin/%s%s" % (name, end), "%s-%s%s" % (name, variant, end))
        self.write("/etc/passwd", "root:x:0:0::/:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n")
        self.write("/etc/group", "root:x:0:\nnogroup:x:65534:\n")
        for name, numbers in _DEVICES.items():
            subprocess.run(["mknod", "-m", "666", str(folder / "dev" / name), "c", *numbers], check=True)

    def _link(self, name: str, target: str) -> None:
        """In the place of what a package has there."""
        place = self.folder / name
        if place.is_dir() and not place.is_symlink():
            place.rmdir()
        place.unlink(missing_ok=True)
        place.symlink_to(target)

    def argv(self, *words: str) -> list[str]:
        """What runs a program of the folder's."""
        return ["unshare", "--mount", "--", "sh", "-c", _ENTER, str(self.folder), *words]

    @contextlib.contextmanager
    def running(self, *words: str) -> Iterator[None]:
        """A program that runs until the block ends; whatever it started ends with it."""
        argv = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc=%s" % (self.folder / "proc"), "--", "chroot", str(self.folder), *words]
        with open(self.folder / "tmp" / "said", "ab") as said:
            process = subprocess.Popen(argv, env=_VARIABLES, stdin=subprocess.DEVNULL, stdout=said, stderr=said)
        try:
            yield
        finally:
            process.kill()
            process.wait()

    def succeeds(self, *words: str) -> bool:
        """Whether a program does."""
        return subprocess.run(self.argv(*words), capture_output=True, check=False, env=_VARIABLES).returncode == 0

    def run(self, *words: str, text: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a program, which has to succeed."""
        done = subprocess.run(self.argv(*words), input=text, capture_output=True, text=True, check=False, env={**_VARIABLES, **variables})
        assert done.returncode == 0, (words, done.stdout, done.stderr)
        return done

    def write(self, path: str, text: str) -> None:
        """A file of the folder's."""
        file = self.folder / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
