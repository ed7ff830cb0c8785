# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The value of a kernel setting after the next boot, from all sysctl files."""

from __future__ import annotations

import glob
import os
from typing import Dict, Optional, Sequence

from ..system.system import System
from . import sysctl

# For each file name, the file in the first of these folders counts.
FOLDERS = ("/etc/sysctl.d", "/run/sysctl.d", "/usr/local/lib/sysctl.d", "/usr/lib/sysctl.d", "/lib/sysctl.d")


def value_at_boot(
    system: System, name: str, ours: Sequence[str] = (), ignored: Sequence[str] = (), folders: Sequence[str] = FOLDERS
) -> Optional[str]:
    """Return the value, None if no file sets it.

    ours: files that count, even if they are not written yet. ignored: files that will be removed.
    """
    files: Dict[str, str] = {}
    for folder in reversed(folders):
        files.update({os.path.basename(path): path for path in glob.glob(os.path.join(folder, "*.conf"))})
    files.update({os.path.basename(path): path for path in ours})
    found = None
    for path in [*(files[key] for key in sorted(files)), *sysctl.LATER]:
        if path not in ignored:
            said = sysctl.parse(system.read(path) or "")
            found = next((value for key, value in said.items() if sysctl.same_setting(key, name)), found)
    return found
