# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Which function does again what a record asks for, by the module whose record it is."""

from __future__ import annotations

from typing import Callable, Dict

from ..docker.engine import Inspector, WholeEngine
from ..policy.in_force import MODULE as HOST_POLICY
from ..publish.keep import open_port
from ..publish.memory import MODULE as CONTAINER_PORT
from ..task import Result, Task
from .container_rules import MODULE as CONTAINER_RULES
from .container_rules import put_rules
from .memory import Memory
from .policy import follow_policy

# Inside the containers that the record chooses, one like the other.
IN_CONTAINERS: Dict[str, Callable[[Task, Callable[[str], Inspector], Memory], Result]] = {CONTAINER_RULES: put_rules}
# On the host, by what the whole engine says, of containers that ended too.
ON_THE_HOST: Dict[str, Callable[[Task, Callable[[str], WholeEngine], Memory], Result]] = {
    CONTAINER_PORT: open_port,
    HOST_POLICY: follow_policy,
}
