# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Write lines to systemd's journal. A container's name cannot forge a line of its own."""

from __future__ import annotations

import os
import socket
import sys

_LONGEST = 600
INFO, WARNING, ERROR = 6, 4, 3


def tell(level: int, message: str) -> None:
    """Write one line to the journal. level: a syslog level."""
    # Messages quote engines, kernels and users.
    text = "".join(char if " " <= char <= "~" else ascii(char)[1:-1] for char in message)
    sys.stderr.write("<%d>%s\n" % (level, text if len(text) <= _LONGEST else text[:_LONGEST] + "..."))
    sys.stderr.flush()


def notify(state: str) -> None:
    """Notify systemd, if it started this process and asks for it. state: ``READY=1``, ``WATCHDOG=1``."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if address:
        name = "\0" + address[1:] if address.startswith("@") else address
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as out:
            try:
                out.sendto(state.encode("ascii"), name)
            except OSError as error:
                tell(WARNING, "systemd cannot be told %s: %s" % (state, error))
