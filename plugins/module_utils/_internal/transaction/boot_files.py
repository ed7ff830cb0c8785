# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Change the kernel's rules together with the boot files. The boot files are updated after the change, or roll it back."""

from __future__ import annotations

from typing import Callable, Optional

from ..errors import DrawbridgeError
from ..netfilter.kernel.netfilter import Live, Netfilter
from ..persistence.checkpoint import BY_PLAY, BY_TASK, Armed, Checkpoint
from ..persistence.generations import BootFiles
from ..persistence.texts import Generation


def change_with_files(
    files: BootFiles, netfilter: Netfilter, read: Callable[[], Live], live: Live, work: Callable[[], None]
) -> None:
    """Do ``work``, which changes the kernel, and write the kernel's new state to the boot files.

    read: reads the kernel. live: the kernel's state before the change. Under a checkpoint the new generation waits for confirmation.
    Raises DrawbridgeError if the files cannot be written; the old rules are then in force again.
    """
    write_if_outdated(files, netfilter, live)
    wait = Checkpoint(netfilter.system).armed() is not None
    files.begin()
    work()
    try:
        files.write(files.texts(netfilter, read()), wait)
    except DrawbridgeError as error:
        _take_back(files, error)


def write_if_outdated(files: BootFiles, netfilter: Netfilter, live: Live) -> None:
    """Write the files again if they are missing, damaged, or differ from the rules in force."""
    if not files.are_in_step(live):
        files.begin()
        files.write(files.texts(netfilter, live), files.has_next)


def _take_back(files: BootFiles, cause: DrawbridgeError) -> None:
    try:
        files.run("restore")
    except DrawbridgeError as error:
        raise DrawbridgeError("%s; taking the change back failed too: %s" % (cause.message, error.message)) from None
    raise DrawbridgeError("%s; the rules from before are in force again" % cause.message, cause.path, cause.hint) from None


def arm_before_change(checkpoint: Checkpoint, files: BootFiles, saved: Generation, timeout: int) -> Optional[Armed]:
    """Arm a checkpoint for a single task, unless the play has one for all its tasks. Return None in that case."""
    there = checkpoint.armed()
    if there and there.by == BY_PLAY and there.seconds_left > 0:
        return None
    if there:
        checkpoint.roll_back(there)
    else:
        files.forget_next()
    return checkpoint.arm(saved, timeout, BY_TASK)
