# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Paths that Drawbridge uses on a host."""

from __future__ import annotations

ETC = "/etc/drawbridge"
PROGRAM = "boot.sh"
STATE = "/var/lib/drawbridge"
# A folder in the checkpoint and in the boot files. It has the parts of a change that are not rules.
BESIDE = "beside"
# Modes for a new generation in the boot program: commit a change that can be rolled back, or only update the same state.
COMMIT, FOLLOW = "commit", "follow"
