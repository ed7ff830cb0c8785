# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A folder that only root can write to. Files are put into it atomically."""

from __future__ import annotations

import os
import shutil
import stat
from contextlib import contextmanager
from typing import Dict, Iterator, List, Optional

from ...errors import DrawbridgeError
from .files import hint_for

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Folder:
    """The folder at a path. Every method raises DrawbridgeError with the path in its message."""

    def __init__(self, path: str) -> None:
        self.path = path

    @property
    def exists(self) -> bool:
        """Tell whether the folder exists. Raises DrawbridgeError if anyone but root could write to it."""
        try:
            found = os.lstat(self.path)
        except OSError:
            return False
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o022:
            raise DrawbridgeError("%s is not a folder that only root can write to" % self.path, None, "remove it")
        return True

    def make(self) -> None:
        """Create the folder if it is missing. Give access to its owner only."""
        with self._errors():
            os.makedirs(self.path, 0o700, exist_ok=True)
        if self.exists:
            with self._errors():
                if stat.S_IMODE(os.lstat(self.path).st_mode) != 0o700:
                    os.chmod(self.path, 0o700)

    def names(self) -> List[str]:
        """Return the names in the folder, none if the folder is missing."""
        if not self.exists:
            return []
        with self._errors():
            return sorted(os.listdir(self.path))

    def read(self, name: str) -> Optional[str]:
        """Return a file's text, None if it is missing."""
        try:
            with open(os.path.join(self.path, name), "rb") as stream:
                return stream.read().decode("utf-8", "surrogateescape")
        except OSError:
            return None

    def link(self, name: str) -> Optional[str]:
        """Return the target of a symbolic link, None if there is no link."""
        try:
            return os.readlink(os.path.join(self.path, name))
        except OSError:
            return None

    def write(self, name: str, text: str) -> None:
        """Write a file atomically."""
        with self._open() as folder:
            _put(folder, name + ".new", text)
            os.rename(name + ".new", name, src_dir_fd=folder, dst_dir_fd=folder)
            os.fsync(folder)

    def write_folder(self, name: str, files: Dict[str, str]) -> None:
        """Write a subfolder with these files, and put it in place whole. An existing one of that name is replaced."""
        temporary = os.path.join(self.path, name + ".new")
        with self._open() as folder:
            shutil.rmtree(temporary, ignore_errors=True)
            os.mkdir(name + ".new", 0o700, dir_fd=folder)
            inner = os.open(name + ".new", _FOLDER, dir_fd=folder)
            try:
                for inner_name, text in files.items():
                    _put(inner, inner_name, text)
                os.fsync(inner)
            finally:
                os.close(inner)
            shutil.rmtree(os.path.join(self.path, name), ignore_errors=True)
            os.rename(name + ".new", name, src_dir_fd=folder, dst_dir_fd=folder)
            os.fsync(folder)

    def point(self, name: str, target: str) -> None:
        """Set a symbolic link atomically."""
        with self._open() as folder:
            _unlink(folder, name + ".new")
            os.symlink(target, name + ".new", dir_fd=folder)
            os.rename(name + ".new", name, src_dir_fd=folder, dst_dir_fd=folder)
            os.fsync(folder)

    def remove(self, name: str) -> None:
        """Remove a file or a link. It may be missing."""
        with self._open() as folder:
            _unlink(folder, name)

    def remove_folder(self, name: str) -> None:
        """Remove a subfolder. It may be missing."""
        shutil.rmtree(os.path.join(self.path, name), ignore_errors=True)

    def discard(self) -> None:
        """Remove the folder with everything in it."""
        if self.exists:
            with self._errors():
                shutil.rmtree(self.path)

    @contextmanager
    def _open(self) -> Iterator[int]:
        if not self.exists:
            raise DrawbridgeError("there is no folder %s" % self.path)
        with self._errors():
            folder = os.open(self.path, _FOLDER)
            try:
                yield folder
            finally:
                os.close(folder)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise DrawbridgeError("cannot write to %s: %s" % (self.path, error.strerror), None, hint_for(error)) from None


def _put(folder: int, name: str, text: str) -> None:
    _unlink(folder, name)
    handle = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=folder)
    with open(handle, "wb") as stream:
        stream.write(text.encode("utf-8", "surrogateescape"))
        stream.flush()
        os.fsync(stream.fileno())


def _unlink(folder: int, name: str) -> None:
    try:
        os.unlink(name, dir_fd=folder)
    except FileNotFoundError:
        pass
