# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""The collection's archive as bytes that depend on nothing but what is in it.

``ansible-galaxy collection build`` writes the time of the build, the times of the files and the order in which the file system lists them.
Who builds the same commit elsewhere is to get the same archive; only another zlib may compress it to other bytes.
"""
from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import subprocess
import tarfile
from pathlib import Path

MANIFEST = "MANIFEST.json"
FILES = "FILES.json"


def built_at(root: Path) -> int:
    """What the archive of a checkout has for its time, in seconds since 1970: SOURCE_DATE_EPOCH, else when the last commit was made."""
    argv = ["git", "-c", "safe.directory=*", "log", "-1", "--format=%ct"]
    return int(os.environ.get("SOURCE_DATE_EPOCH") or subprocess.run(argv, cwd=str(root), stdout=subprocess.PIPE, check=True).stdout)


def contents(archive: Path) -> dict[str, bytes]:
    """Each file of an archive by its name, folders left out."""
    found = {}
    with tarfile.open(str(archive)) as tar:
        for member in tar:
            file = tar.extractfile(member) if member.isfile() else None
            if file:
                found[member.name] = file.read()
    return found


def repack(archive: Path, when: int) -> None:
    """Write an archive anew in its place: sorted by name, every time is ``when`` (seconds since 1970), nobody's name or number in it.

    The list of files is sorted too. So its checksum in the manifest is written anew.
    """
    with tarfile.open(str(archive)) as tar:
        members = tar.getmembers()
    held = contents(archive)
    listed = json.loads(held[FILES])
    listed["files"].sort(key=lambda entry: entry["name"])
    held[FILES] = as_galaxy_writes(listed)
    manifest = json.loads(held[MANIFEST])
    manifest["file_manifest_file"]["chksum_sha256"] = hashlib.sha256(held[FILES]).hexdigest()
    held[MANIFEST] = as_galaxy_writes(manifest)
    packed = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", compresslevel=9, fileobj=packed, mtime=when) as compressed, \
            tarfile.open(fileobj=compressed, mode="w", format=tarfile.PAX_FORMAT) as target:
        # Galaxy and ansible-galaxy look for these two first.
        for member in sorted(members, key=lambda each: (each.name not in (MANIFEST, FILES), each.name)):
            target.addfile(plain(member, len(held.get(member.name, b"")), when), io.BytesIO(held.get(member.name, b"")))
    fresh = archive.with_name(archive.name + ".new")
    fresh.write_bytes(packed.getvalue())
    fresh.replace(archive)


def as_galaxy_writes(value: object) -> bytes:
    return json.dumps(value, indent=True).encode()


def plain(member: tarfile.TarInfo, size: int, when: int) -> tarfile.TarInfo:
    """A member's header without what only the machine knows that built it."""
    made = tarfile.TarInfo(member.name)
    made.type, made.linkname, made.size, made.mtime = member.type, member.linkname, size, when
    made.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
    return made


def alter(tree: Path) -> None:
    """Make a tree what another machine would have of it: other times, rights for its owner alone."""
    for path in [tree, *tree.rglob("*")]:
        path.chmod(path.stat().st_mode & 0o700)
        os.utime(str(path), (0, 1000000000))


def write_checksums(files: list[Path]) -> Path:
    """Write SHA256SUMS beside these files, for ``sha256sum --check``, and return its path."""
    target = files[0].with_name("SHA256SUMS")
    target.write_text("".join("%s  %s\n" % (hashlib.sha256(path.read_bytes()).hexdigest(), path.name) for path in sorted(files)), encoding="utf-8")
    return target
