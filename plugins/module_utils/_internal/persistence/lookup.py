# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Whether a host has boot files, and a change that waits to be confirmed: asked at every task, and most often answered without
importing what writes them."""

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


# How many seconds a change may wait to be confirmed.
MAX_TIMEOUT = 3600


def checked_timeout(seconds: int, least: int, path: str) -> int:
    """A time to wait for a confirmation, in seconds. Raises DrawbridgeError for one that nobody could mean, in check mode as well."""
    if not least <= seconds <= MAX_TIMEOUT:
        raise DrawbridgeError("%d is not from %d to %d seconds" % (seconds, least, MAX_TIMEOUT), path)
    return seconds


def boot_files(system: System, settles: str) -> Optional[BootFiles]:
    """What the role boot_restore set up; None where it did not. settles: COMMIT or FOLLOW."""
    if not os.path.lexists(os.path.join(paths.ETC, paths.PROGRAM)):
        return None
    from .generations import BootFiles  # pylint: disable=import-outside-toplevel

    files = BootFiles(system, paths.ETC, settles)
    return files if files.are_kept else None


def change_to_confirm(system: System) -> Optional[Armed]:
    """The checkpoint of a change that another run is about to confirm; None where there is none."""
    if not os.path.lexists(paths.STATE):
        return None
    from .checkpoint import Checkpoint  # pylint: disable=import-outside-toplevel

    return Checkpoint(system).belongs_to_another_run()


def confirm_own(system: System, lock_timeout: float) -> None:
    """Confirm the checkpoint of this very run. Raises DrawbridgeError where the host took the change back already."""
    from .checkpoint import Checkpoint  # pylint: disable=import-outside-toplevel

    checkpoint = Checkpoint(system)
    with HostLock(lock_timeout):
        armed = checkpoint.armed()
        if armed is None:
            raise DrawbridgeError("the change took so long that the host took it back", None, "run again")
        checkpoint.confirm(armed)


def take_back(system: System, lock_timeout: float, cause: DrawbridgeError) -> None:
    """Nobody will confirm the rules of a task that failed: back to the old ones now, and not when the time is over.

    Raises DrawbridgeError that says so, unless the host took them back already."""
    from .checkpoint import Checkpoint  # pylint: disable=import-outside-toplevel

    checkpoint = Checkpoint(system)
    with HostLock(lock_timeout):
        armed = checkpoint.armed()
        if armed is not None:
            checkpoint.roll_back(armed)
            raise DrawbridgeError("%s; the rules from before are in force again" % cause.message, cause.path, cause.hint) from None


def covered(system: System) -> System:
    """The host, for who changes it beside rules: under a checkpoint the one that remembers what was before."""
    if not os.path.lexists(paths.STATE):
        return system
    from .checkpoint import Checkpoint  # pylint: disable=import-outside-toplevel

    armed = Checkpoint(system).armed()
    if armed is None:
        return system
    from .checkpointed_system import CheckpointedSystem  # pylint: disable=import-outside-toplevel

    return CheckpointedSystem(armed)
