# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The collection's exception: the problem, its place, and a remedy."""

from __future__ import annotations

from typing import Iterable, Optional


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


def did_you_mean(word: object, known: Iterable[str]) -> Optional[str]:
    """Return a hint with the known word that a user's word is most like. None if it is like none of them."""
    # A run without errors does not load it.
    from difflib import get_close_matches  # pylint: disable=import-outside-toplevel

    spelt = {name.lower(): name for name in known}
    lower = str(word).lower()
    meant = _OTHER_FIREWALLS.get(lower, lower)
    near = [meant] if meant in spelt else get_close_matches(lower, spelt, 1)
    return "did you mean %s?" % spelt[near[0]] if near else None


# What other firewalls call a verdict, and a policy.
_OTHER_FIREWALLS = {"accept": "allow", "pass": "allow", "drop": "deny", "reject": "deny", "block": "deny", "all": "any"}
