# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Access to the host: one small class for commands and files. All other code gets an instance of it."""

from __future__ import annotations

import os
import socket
import subprocess
from typing import TYPE_CHECKING, Dict, List, Mapping, NamedTuple, Optional

from ...errors import DrawbridgeError

if TYPE_CHECKING:
    from .files import Held

# Administrators' tools are in these folders. `become` may leave them out of PATH.
_SBIN = "/usr/local/sbin:/usr/sbin:/sbin"


class Output(NamedTuple):
    """The result of a command: its exit status, and both streams as text. Bytes that are not UTF-8 become surrogates."""

    rc: int
    stdout: str
    stderr: str


class System:
    """This host. Tests pass a subclass, or run the process in their own namespace.

    waits: whether written files are put in place only when the change is confirmed.
    """

    waits = False

    def __init__(self) -> None:
        self.path = os.environ.get("PATH", os.defpath) + ":" + _SBIN

    def which(self, name: str) -> Optional[str]:
        """Return the absolute path of an executable, or None."""
        for folder in self.path.split(":"):
            found = os.path.join(folder, name)
            if folder and os.access(found, os.X_OK):
                return found
        return None

    def require(self, name: str, package: str) -> str:
        """Return the absolute path of an executable. If it is missing, raises DrawbridgeError with the name of its package."""
        found = self.which(name)
        if found is None:
            raise DrawbridgeError("%s is not installed" % name, None, "install the package %s" % package)
        return found

    def run(self, argv: List[str], stdin: str = "", env: Optional[Dict[str, str]] = None) -> Output:
        """Run a command to its end. Raises DrawbridgeError only if it cannot be started."""
        environment = dict(os.environ, LC_ALL="C", PATH=self.path)
        environment.update(env or {})
        try:
            # AnsibleModule.run_command is not available here. Also, this runs in threads that are in other namespaces.
            process = subprocess.Popen(  # pylint: disable=ansible-bad-function
                argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
            )
            out, err = process.communicate(stdin.encode("utf-8", "surrogateescape"))
        except OSError as error:
            raise DrawbridgeError("cannot run %s: %s" % (argv[0], error.strerror or error)) from None
        return Output(process.returncode, _text(out), _text(err))

    def interfaces(self) -> List[str]:
        """Return the network interfaces of this process's namespace."""
        return [name for _index, name in socket.if_nameindex()]

    def read(self, path: str) -> Optional[str]:
        """Return a file's text, None if it cannot be read."""
        try:
            with open(path, "rb") as stream:
                return _text(stream.read())
        except OSError:
            return None

    def look(self, path: str) -> Optional[Held]:
        """Call ``files.look``."""
        from . import files  # pylint: disable=import-outside-toplevel

        return files.look(path)

    def write(self, path: str, data: bytes, mode: int = 0o644) -> None:
        """Call ``files.replace``."""
        from . import files  # pylint: disable=import-outside-toplevel

        files.replace(path, data, mode)

    def remove(self, path: str) -> None:
        """Call ``files.remove``."""
        from . import files  # pylint: disable=import-outside-toplevel

        files.remove(path)

    def back_up(self, path: str) -> Optional[str]:
        """Call ``files.back_up``."""
        from . import files  # pylint: disable=import-outside-toplevel

        return files.back_up(path)

    def remember(self, values: Mapping[str, str]) -> None:
        """Record the current values of settings before they change. A host that may roll back overrides this."""

    def refuse_if_over(self) -> None:
        """Raises DrawbridgeError if the change was rolled back in the meantime."""


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")
