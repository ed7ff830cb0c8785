# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Where Drawbridge keeps things on a host."""

from __future__ import annotations

ETC = "/etc/drawbridge"
PROGRAM = "boot.sh"
STATE = "/var/lib/drawbridge"
# A folder of the checkpoint, and of the boot files: what a change did beside rules.
BESIDE = "beside"
# How the boot program takes a new generation: as a change that can be gone back from, or as the same state brought up to date.
COMMIT, FOLLOW = "commit", "follow"
