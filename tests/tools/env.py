# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Make the environments that the gates run in: ``python3 tests/tools/env.py [newest] [oldest] [tools]``.

Each is a virtual environment outside the tree (``$DRAWBRIDGE_LAB_CACHE/venvs``), named after a hash of its
requirements and its Python, so that a second clone finds it ready. ``.build/venv-NAME`` links to it.
"""
from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / ".build"
DEFAULT_CACHE = "/var/cache/drawbridge-lab" if os.geteuid() == 0 else "~/.cache/drawbridge-lab"
CACHE = Path(os.environ.get("DRAWBRIDGE_LAB_CACHE") or DEFAULT_CACHE).expanduser()
REQUIREMENTS = ROOT / "tests" / "requirements"
# Pythons that may run the ansible-core of each environment, best first.
Version = tuple[int, int]
WANTED: dict[str, tuple[Version, ...]] = {
    "newest": ((3, 13), (3, 12), (3, 14), (3, 11)),
    "oldest": ((3, 11), (3, 12), (3, 13)),
    "tools": ((3, 13), (3, 12), (3, 14), (3, 11)),
}


class Missing(Exception):
    """Something that this script cannot install by itself."""


def say(text: str) -> None:
    print("env: %s" % text, flush=True)


def run(argv: Sequence[str | Path], env: Mapping[str, str] | None = None) -> None:
    say(" ".join(str(word) for word in argv))
    subprocess.run([str(word) for word in argv], check=True, stdin=subprocess.DEVNULL, env=env)


def version_of(python: str | Path) -> Version | None:
    """The (major, minor) of an interpreter, None where it does not start."""
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    done = subprocess.run([str(python), "-c", code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
    found = re.match(rb"(\d+)\.(\d+)\s*$", done.stdout)
    return (int(found.group(1)), int(found.group(2))) if done.returncode == 0 and found else None


def pythons() -> dict[Version, Path]:
    """Real interpreters (never a pyenv shim), by version; the first found of a version wins."""
    folders = [Path("/usr/bin"), Path("/usr/local/bin")]
    folders += [Path(name) for name in os.environ.get("PATH", "").split(os.pathsep) if name]
    folders += sorted(Path.home().glob(".pyenv/versions/*/bin"))
    found: dict[Version, Path] = {}
    for folder in folders:
        if folder.name == "shims" or not folder.is_dir():
            continue
        for path in sorted(folder.iterdir()):
            if not re.match(r"python3(\.\d+)?$", path.name) or not os.access(str(path), os.X_OK):
                continue
            version = version_of(path)
            if version and version not in found:
                found[version] = path
    return found


def choose(name: str, found: Mapping[Version, Path]) -> tuple[Version, Path]:
    for version in WANTED[name]:
        if version in found:
            return version, found[version]
    have = ", ".join("%d.%d" % version for version in sorted(found)) or "none"
    raise Missing("%s needs Python %s; found: %s" % (
        name, " or ".join("%d.%d" % version for version in WANTED[name]), have))


def debian_packages() -> None:
    """Install what tests/requirements/debian.txt lists and is not there."""
    lines = (REQUIREMENTS / "debian.txt").read_text(encoding="utf-8").splitlines()
    wanted = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    if not shutil.which("dpkg-query"):
        say("not a Debian or Ubuntu machine: these have to be there already: %s" % " ".join(wanted))
        return
    done = subprocess.run(["dpkg-query", "-W", "-f", "${Package} ${db:Status-Status}\n"] + wanted,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
    there = {line.split()[0] for line in done.stdout.decode().splitlines() if line.endswith(" installed")}
    missing = [name for name in wanted if name not in there]
    if not missing:
        return
    if os.geteuid() != 0:
        raise Missing("these Debian packages are missing and only root can install them: %s" % " ".join(missing))
    env = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
    run(["apt-get", "update", "-q"], env=env)
    run(["apt-get", "install", "-y", "-q", "--no-install-recommends"] + missing, env=env)


def make(name: str, version: Version, python: Path) -> Path:
    """The environment's folder, made when it is not in the cache."""
    requirements = REQUIREMENTS / (name + ".txt")
    digest = hashlib.sha256(requirements.read_bytes() + os.path.realpath(str(python)).encode()).hexdigest()
    venv = CACHE / "venvs" / ("%s-py%d.%d-%s" % (name, version[0], version[1], digest[:12]))
    venv.parent.mkdir(parents=True, exist_ok=True)
    with open(str(venv) + ".lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if (venv / ".complete").exists() and version_of(venv / "bin" / "python") == version:
            say("%s: %s, from the cache" % (name, venv))
            return venv
        started = time.monotonic()
        shutil.rmtree(str(venv), ignore_errors=True)
        run([python, "-m", "venv", venv])
        run([venv / "bin" / "python", "-m", "pip", "install", "-qq", "--disable-pip-version-check",
             "--requirement", requirements])
        (venv / ".complete").touch()
        say("%s: %s, made in %d s" % (name, venv, time.monotonic() - started))
    return venv


def link(path: Path, target: Path) -> None:
    """Point a symbolic link at a target, in one step for whoever looks at the same time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_symlink() and os.readlink(str(path)) == str(target):
        return
    if path.exists() and not path.is_symlink():
        raise Missing("%s is in the way: not a link of ours" % path)
    fresh = path.with_name("%s.%d" % (path.name, os.getpid()))
    os.symlink(str(target), str(fresh))
    os.replace(str(fresh), str(path))


def main(names: Sequence[str]) -> None:
    unknown = [name for name in names if name not in WANTED]
    if unknown:
        raise Missing("no environment is called %s; there are: %s" % (" ".join(unknown), " ".join(WANTED)))
    debian_packages()
    found = pythons()
    for name in names or list(WANTED):
        try:
            version, python = choose(name, found)
        except Missing as error:
            if name != "oldest":
                raise
            say("%s; what runs with it is left out" % error)
            if (BUILD / "venv-oldest").is_symlink():
                (BUILD / "venv-oldest").unlink()
            continue
        if name == "newest" and version < (3, 12):
            say("no Python 3.12 or later here: the newest ansible-core is 2.19, hosts with Python 3.14 are skipped")
        link(BUILD / ("venv-" + name), make(name, version, python))
    # What ansible-playbook and pytest look into; ansible-test wants a real folder and gets a copy (gates.py).
    link(BUILD / "collections" / "ansible_collections" / "drawbridge" / "docker", ROOT)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except Missing as error:
        sys.exit("env: %s" % error)
    except subprocess.CalledProcessError as error:
        sys.exit("env: failed with %d: %s" % (error.returncode, " ".join(error.cmd)))
