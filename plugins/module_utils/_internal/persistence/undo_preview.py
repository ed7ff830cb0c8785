# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Show what a rollback on demand would change beside rules. The boot program does it (``changed_files.sh``, ``settings.sh``)."""

from __future__ import annotations

import os
import re
from typing import Dict, List, Optional

from ..host.boot.sysctl import value_now
from ..host.system.folder import Folder
from ..host.system.paths import BESIDE, ETC
from ..host.system.system import System
from ..netfilter.kernel.chain_policy import policies_in
from ..netfilter.kernel.netfilter import Netfilter
from .checkpointed_system import numbers_in, settings_in
from .texts import sha256

_POLICY = re.compile(r"forward/(nft|legacy)/([46])\Z")


def beside_diffs(system: System, path: str = ETC) -> List[Dict[str, str]]:
    """Return Ansible's diffs; none if the last change was about rules alone. Files may hold secrets: only their digests are shown."""
    folder = Folder(os.path.join(path, BESIDE))
    found = []
    settings = settings_in(folder)
    now = {name: _now(system, name) or "none" for name in settings}
    if now != settings:
        found.append(_diff("forwarding and policy of FORWARD", now, settings))
    numbers = numbers_in(folder)
    held = {name: _digest(system.read(name)) for name in numbers}
    back = {name: _digest(folder.read(number + ".new")) for name, number in numbers.items()}
    if held != back:
        found.append(_diff("files", held, back))
    return found


def _diff(about: str, before: Dict[str, str], after: Dict[str, str]) -> Dict[str, str]:
    sides = ["".join("%s = %s\n" % item for item in side.items()) for side in (before, after)]
    return {"before_header": about, "after_header": about, "before": sides[0], "after": sides[1]}


def _now(system: System, name: str) -> Optional[str]:
    policy = _POLICY.match(name)
    if policy is None:
        return value_now(system, name)
    return policies_in(Netfilter(system, policy.group(1)).rulesets()).get(int(policy.group(2)))


def _digest(text: Optional[str]) -> str:
    return "no file" if text is None else "sha256 " + sha256(text)
