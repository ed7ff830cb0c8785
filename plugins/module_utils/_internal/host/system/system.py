# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The host as the rest of the code sees it: commands and files behind one small class, passed in everywhere."""

from __future__ import annotations

import os
import socket
import subprocess
from typing import TYPE_CHECKING, Dict, List, Mapping, NamedTuple, Optional

from ...errors import DrawbridgeError

if TYPE_CHECKING:
    from .files import Held

# Administrators' tools live here, and `become` may leave PATH without them.
_SBIN = "/usr/local/sbin:/usr/sbin:/sbin"


class Output(NamedTuple):
    """What a command left: exit status and both streams as text (bytes that are not UTF-8 survive as surrogates)."""

    rc: int
    stdout: str
    stderr: str


class System:
    """This host. Tests pass a subclass, or a namespace of their own around the process.

    waits: whether a file that is written here comes into its place only when a change is confirmed.
    """

    waits = False

    def __init__(self) -> None:
        self.path = os.environ.get("PATH", os.defpath) + ":" + _SBIN

    def which(self, name: str) -> Optional[str]:
        """The absolute path of an executable, or None."""
        for folder in self.path.split(":"):
            found = os.path.join(folder, name)
            if folder and os.access(found, os.X_OK):
                return found
        return None

    def require(self, name: str, package: str) -> str:
        """The absolute path of an executable; an error naming the package that brings it."""
        found = self.which(name)
        if found is None:
            raise DrawbridgeError("%s is not installed" % name, None, "install the package %s" % package)
        return found

    def run(self, argv: List[str], stdin: str = "", env: Optional[Dict[str, str]] = None) -> Output:
        """Run a command to its end. Raises DrawbridgeError only where it cannot be started."""
        environment = dict(os.environ, LC_ALL="C", PATH=self.path)
        environment.update(env or {})
        try:
            # The module's own run_command is not at hand here, and this runs in threads that moved to other namespaces.
            process = subprocess.Popen(  # pylint: disable=ansible-bad-function
                argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
            )
            out, err = process.communicate(stdin.encode("utf-8", "surrogateescape"))
        except OSError as error:
            raise DrawbridgeError("cannot run %s: %s" % (argv[0], error.strerror or error)) from None
        return Output(process.returncode, _text(out), _text(err))

    def interfaces(self) -> List[str]:
        """The network interfaces of the namespace that this process is in."""
        return [name for _index, name in socket.if_nameindex()]

    def read(self, path: str) -> Optional[str]:
        """A file's text, or None where there is none to read."""
        try:
            with open(path, "rb") as stream:
                return _text(stream.read())
        except OSError:
            return None

    def look(self, path: str) -> Optional[Held]:
        """As ``files.look``."""
        from . import files  # pylint: disable=import-outside-toplevel

        return files.look(path)

    def write(self, path: str, data: bytes, mode: int = 0o644) -> None:
        """As ``files.replace``."""
        from . import files  # pylint: disable=import-outside-toplevel

        files.replace(path, data, mode)

    def remove(self, path: str) -> None:
        """As ``files.remove``."""
        from . import files  # pylint: disable=import-outside-toplevel

        files.remove(path)

    def back_up(self, path: str) -> Optional[str]:
        """As ``files.back_up``."""
        from . import files  # pylint: disable=import-outside-toplevel

        return files.back_up(path)

    def remember(self, values: Mapping[str, str]) -> None:
        """What settings are now, by name, that are about to be changed: for a host that has to take it back."""

    def refuse_if_over(self) -> None:
        """Raises DrawbridgeError where what is done here was taken back meanwhile."""


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")
