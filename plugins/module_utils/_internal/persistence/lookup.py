# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Tell whether a host has boot files, or a change that waits to be confirmed. Every task asks, so the code that writes them is only
imported if needed."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Optional

from ..errors import DrawbridgeError
from ..host.system import paths
from ..host.system.lock import HostLock
from ..host.system.system import System

if TYPE_CHECKING:
    from .checkpoint import Armed
    from .generations import BootFiles


# The longest time that a change may wait for its confirmation, in seconds.
MAX_TIMEOUT = 3600


def checked_timeout(seconds: int, least: int, path: str) -> int:
    """Return the time to wait for a confirmation, in seconds. Raises DrawbridgeError if it is out of range, also in check mode."""
    if not least <= seconds <= MAX_TIMEOUT:
        raise DrawbridgeError("%d is not from %d to %d seconds" % (seconds, least, MAX_TIMEOUT), path)
    return seconds


def boot_files(system: System, settles: str) -> Optional[BootFiles]:
    """Return the files that the role boot_restore set up, or None. settles: COMMIT or FOLLOW."""
    if not os.path.lexists(os.path.join(paths.ETC, paths.PROGRAM)):
        return None
    from .generations import BootFiles  # pylint: disable=import-outside-toplevel

    files = BootFiles(system, paths.ETC, settles)
    return files if files.are_kept else None


def change_to_confirm(system: System) -> Optional[Armed]:
    """Return the checkpoint of a change that another run is about to confirm, or None."""
    if not os.path.lexists(paths.STATE):
        return None
    from .checkpoint import Checkpoint  # pylint: disable=import-outside-toplevel

    return Checkpoint(system).belongs_to_another_run()


def confirm_own(system: System, lock_timeout: float) -> None:
    """Confirm this run's own checkpoint. Raises DrawbridgeError if the host rolled the change back already."""
    from .checkpoint import Checkpoint  # pylint: disable=import-outside-toplevel

    checkpoint = Checkpoint(system)
    with HostLock(lock_timeout):
        armed = checkpoint.armed()
        if armed is None:
            raise DrawbridgeError("the change took so long that the host took it back", None, "run again")
        checkpoint.confirm(armed)


def take_back(system: System, lock_timeout: float, cause: DrawbridgeError) -> None:
    """Roll back a failed task's change now: nobody will confirm it, so do not wait for the timeout.

    Raises DrawbridgeError that reports the rollback, unless the host rolled back already."""
    from .checkpoint import Checkpoint  # pylint: disable=import-outside-toplevel

    checkpoint = Checkpoint(system)
    with HostLock(lock_timeout):
        armed = checkpoint.armed()
        if armed is not None:
            checkpoint.roll_back(armed)
            raise DrawbridgeError("%s; the rules from before are in force again" % cause.message, cause.path, cause.hint) from None


def covered(system: System) -> System:
    """Return the host for changes beside rules: under a checkpoint a CheckpointedSystem, which remembers the state before."""
    if not os.path.lexists(paths.STATE):
        return system
    from .checkpoint import Checkpoint  # pylint: disable=import-outside-toplevel

    armed = Checkpoint(system).armed()
    if armed is None:
        return system
    from .checkpointed_system import CheckpointedSystem  # pylint: disable=import-outside-toplevel

    return CheckpointedSystem(armed)
