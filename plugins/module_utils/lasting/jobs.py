# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Which function does again what a record asks for, by the module whose record it is."""

from __future__ import annotations

from typing import Callable, Dict

from ..docker.engine import Inspector
from ..task import Result, Task
from .container_rules import MODULE as CONTAINER_RULES
from .container_rules import put_rules
from .memory import Memory

Job = Callable[[Task, Callable[[str], Inspector], Memory], Result]

JOBS: Dict[str, Job] = {CONTAINER_RULES: put_rules}
