# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Write files of the host atomically: a reader sees the old content or the new one, also after a crash."""

from __future__ import annotations

import errno
import os
import stat
import time
from typing import Iterable, NamedTuple, Optional, Tuple

from ...errors import DrawbridgeError

_LABEL = "security.selinux"
_MISSING = (errno.ENOENT, errno.ENOTDIR)
_NOT_ROOT = "run the task as root: become: true"
_HINTS = {
    errno.EROFS: "mount it for writing while the task runs, or have the files in the image that the host boots",
    errno.EBUSY: "it is a mount point: change it where it is mounted from",
}


class Held(NamedTuple):
    """A file's content and metadata. mtime: seconds since the epoch."""

    data: bytes
    mode: int
    owner: Tuple[int, int]
    mtime: float


def look(path: str) -> Optional[Held]:
    """Return the file at a path, None if there is none. Symbolic links are followed.

    Raises DrawbridgeError if the path is not a readable regular file.
    """
    try:
        # O_NONBLOCK: without it, opening a FIFO waits for its other end.
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as stream:
            found = os.fstat(stream.fileno())
            if not stat.S_ISREG(found.st_mode):
                raise DrawbridgeError("not a regular file", path)
            return Held(stream.read(), stat.S_IMODE(found.st_mode), (found.st_uid, found.st_gid), found.st_mtime)
    except OSError as error:
        if error.errno in _MISSING:
            return None
        raise DrawbridgeError("cannot be read: %s" % error.strerror, path, hint_for(error)) from None


def hint_for(error: OSError) -> Optional[str]:
    """Return what to do about a file that cannot be read or written, None if that is not known."""
    if error.errno in (errno.EACCES, errno.EPERM) and os.geteuid() != 0:
        return _NOT_ROOT
    return _HINTS.get(error.errno or 0)


def refuse_unwritable(paths: Iterable[str]) -> None:
    """Raises DrawbridgeError for a path where no file can be written, so that nothing is written to the others either."""
    for path in paths:
        folder = os.path.dirname(path)
        while not os.path.isdir(folder):
            folder = os.path.dirname(folder)
        if not os.access(folder, os.W_OK):
            number = errno.EROFS if os.statvfs(folder).f_flag & os.ST_RDONLY else errno.EACCES
            raise DrawbridgeError("cannot be written: %s" % os.strerror(number), path, hint_for(OSError(number, "")))


def replace(path: str, data: bytes, mode: int = 0o644) -> None:
    """Replace a file atomically. The new file keeps the mode, owner and SELinux label of the old one. ``mode`` is for a new file.

    A symbolic link stays: its target is replaced. A missing folder is created.
    Raises DrawbridgeError if that fails. The old file is unchanged then.
    """
    target = target_of(path)
    try:
        os.makedirs(os.path.dirname(target), 0o755, exist_ok=True)
        held = look(target)
        _put(target, data, mode if held is None else held.mode, None if held is None else held.owner)
    except OSError as error:
        raise DrawbridgeError("cannot be written: %s" % error.strerror, path, hint_for(error)) from None


def publish(path: str, data: bytes) -> None:
    """Write a file for everybody to read, atomically, into a folder that may be another user's: no link is followed, and no folder made.

    Raises DrawbridgeError if that fails.
    """
    if os.path.islink(path):
        raise DrawbridgeError("cannot be written: it is a link", path)
    try:
        _put(path, data, 0o644, None)
    except OSError as error:
        raise DrawbridgeError("cannot be written: %s" % error.strerror, path, hint_for(error)) from None


def remove(path: str) -> None:
    """Delete a file. It may be missing already."""
    try:
        os.unlink(path)
        _sync_folder(os.path.dirname(path))
    except OSError as error:
        if error.errno not in _MISSING:
            raise DrawbridgeError("cannot be removed: %s" % error.strerror, path) from None


def back_up(path: str) -> Optional[str]:
    """Copy a file within its folder to a name that ends in the time and ``~``. Return that name, None if there is no file."""
    target = target_of(path)
    held = look(target)
    if held is None:
        return None
    name = "%s.%s~" % (target, time.strftime("%Y-%m-%d@%H:%M:%S"))
    number = 1
    while os.path.lexists(name):
        number += 1
        name = "%s.%s.%d~" % (target, time.strftime("%Y-%m-%d@%H:%M:%S"), number)
    try:
        _put(name, held.data, held.mode, held.owner)
    except OSError as error:
        raise DrawbridgeError("cannot be written: %s" % error.strerror, name) from None
    return name


def target_of(path: str) -> str:
    """Return the path to write to: the target of symbolic links. Raises DrawbridgeError if another user could change the target."""
    if not os.path.islink(path):
        return path
    target = os.path.realpath(path)
    try:
        folder = os.stat(os.path.dirname(target))
    except OSError as error:
        raise DrawbridgeError("a link to %s, which cannot be reached: %s" % (ascii(target), error.strerror), path) from None
    if folder.st_uid not in (0, os.geteuid()) or folder.st_mode & 0o022:
        raise DrawbridgeError("a link to %s, a folder that others may write to" % ascii(target), path)
    return target


def _put(target: str, data: bytes, mode: int, owner: Optional[Tuple[int, int]]) -> None:
    folder, name = os.path.split(target)
    temporary = os.path.join(folder, ".%s.%d.%s" % (name, os.getpid(), os.urandom(4).hex()))
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        with open(handle, "wb") as stream:
            stream.write(data)
            if owner is not None and owner != (os.geteuid(), os.getegid()):
                os.fchown(stream.fileno(), *owner)
            os.fchmod(stream.fileno(), mode)
            _copy_label(target, stream.fileno())
            stream.flush()
            os.fsync(stream.fileno())
        os.rename(temporary, target)
    except BaseException:
        os.unlink(temporary)
        raise
    _sync_folder(folder)


def _copy_label(source: str, handle: int) -> None:
    try:
        os.setxattr(handle, _LABEL, os.getxattr(source, _LABEL))
    except OSError:
        pass  # there is no SELinux, or the file is new and its folder's label is right


def _sync_folder(folder: str) -> None:
    handle = os.open(folder or ".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
