# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The collection's exception: the problem, its place, and a remedy."""

from __future__ import annotations

from typing import Optional


class DrawbridgeError(Exception):
    """A failure that a user can read and act on.

    message: the problem, in the kernel's or the engine's own words if there are any.
    path: the place in the user's data, as ``policy.published_ports.allow[3].sources[1]``.
    hint: how to fix it.
    """

    def __init__(self, message: str, path: Optional[str] = None, hint: Optional[str] = None) -> None:
        super().__init__(message)
        self.message = message
        self.path = path
        self.hint = hint

    def __str__(self) -> str:
        text = self.message if self.path is None else "%s: %s" % (self.path, self.message)
        return text if self.hint is None else "%s (%s)" % (text, self.hint)
