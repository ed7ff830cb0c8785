# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Import a small image into this host's engine: its static busybox, its Python, and answer.

Usage: make_image.py NAME
"""
from __future__ import annotations

import io
import os
import subprocess
import sys
import sysconfig
import tarfile
from typing import IO

LEFT_OUT = {"test", "idlelib", "tkinter", "lib2to3", "ensurepip", "dist-packages", "turtledemo", "pydoc_data", "venv"}
APPLETS = ("sh", "cat", "ls", "sleep", "ip", "ping", "nc", "env", "kill", "ps", "hostname")
ANSWER = "/usr/local/lib/lab/answer.py"
WRAPPER = '#!/bin/sh\nexec python3 -IS /usr/lib/answer.py "$@"\n'
MERGED = {"bin": "usr/bin", "lib": "usr/lib", "lib64": "usr/lib64", "sbin": "usr/bin"}


def libraries(program: str) -> list[str]:
    """The shared libraries that a program needs, by the names that it knows them by."""
    listed = subprocess.run(["ldd", program], check=True, capture_output=True, text=True).stdout
    return sorted({word for line in listed.splitlines() for word in line.split() if word.startswith("/")})


def merged(path: str) -> str:
    """The path inside a merged /usr."""
    path = path.lstrip("/")
    return path if path.startswith("usr/") else f"usr/{path}"


def keep(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """Leave out what no server needs."""
    parts = entry.name.split("/")
    return None if LEFT_OUT & set(parts) or any(part.startswith("config-") for part in parts) else entry


def link(tar: tarfile.TarFile, name: str, target: str) -> None:
    """Add a symbolic link."""
    info = tarfile.TarInfo(name)
    info.type, info.linkname = tarfile.SYMTYPE, target
    tar.addfile(info)


def program(tar: tarfile.TarFile, name: str, text: str) -> None:
    """Add a program from its text."""
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(text), 0o755
    tar.addfile(info, io.BytesIO(text.encode()))


def write(stream: IO[bytes]) -> None:
    """Write the image's tar."""
    python = os.path.realpath(sys.executable)
    with tarfile.open(fileobj=stream, mode="w|") as tar:
        for name, target in MERGED.items():
            link(tar, name, target)
        for path in [python, *libraries(python)]:
            tar.add(os.path.realpath(path), merged(path))
        link(tar, "usr/bin/python3", os.path.basename(python))
        tar.add(sysconfig.get_path("stdlib"), merged(sysconfig.get_path("stdlib")), filter=keep)
        tar.add(os.path.realpath("/bin/busybox"), "usr/bin/busybox")
        for applet in APPLETS:
            link(tar, f"usr/bin/{applet}", "busybox")
        tar.add(ANSWER, "usr/lib/answer.py")
        program(tar, "usr/bin/answer", WRAPPER)


def main(name: str) -> int:
    """Pipe the tar into the engine."""
    with subprocess.Popen(["docker", "import", "-", name], stdin=subprocess.PIPE) as engine:
        assert engine.stdin is not None
        with engine.stdin:
            write(engine.stdin)
    return engine.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
