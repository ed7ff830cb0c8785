# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A host in check mode, as if the commands that it lacks were there."""

from __future__ import annotations

import os
from typing import Collection, Dict, List, Optional

from ...host.system.netns import NamespaceUnavailable
from ...host.system.system import Output, System

# Commands of netfilter. Others stay missing, and what needs them says so.
_ASSUMED = ("iptables", "ip6tables", "ipset", "nft")
_FOLDER = "/usr/sbin"
_VERSION = "iptables v1.8 (nf_tables)\n"
# What only a throwaway namespace is given.
_TRIES = ("restore", "-f")
_ONLY_CHECKS = ("--test", "-c")
NOT_TRIED = "packages are missing, so no rule can be tried"


class AssumedSystem(System):
    """A missing command of netfilter prints nothing, as on a host without rules. Rules are tried by none, so they are shown as they were written."""

    def __init__(self, missing: Collection[str]) -> None:
        super().__init__()
        self._missing = missing

    def which(self, name: str) -> Optional[str]:
        found = super().which(name)
        return os.path.join(_FOLDER, name) if found is None and self._is_assumed(name) else found

    def run(self, argv: List[str], stdin: str = "", env: Optional[Dict[str, str]] = None) -> Output:
        name = os.path.basename(argv[0])
        if not name.startswith(_ASSUMED):
            return super().run(argv, stdin, env)
        if any(word in argv for word in _ONLY_CHECKS) and not name.endswith("-save"):
            return Output(0, "", "")
        if name.endswith("-restore") or any(word in argv for word in _TRIES):
            raise NamespaceUnavailable(NOT_TRIED)
        if self._is_assumed(name) and super().which(name) is None:
            return Output(0, _VERSION if "--version" in argv else "", "")
        return super().run(argv, stdin, env)

    def _is_assumed(self, name: str) -> bool:
        """Whether a command will come with the missing packages: the one that is missing, or one of the same package."""
        return any(name.startswith(kind) and any(lacks.startswith(kind) for lacks in self._missing) for kind in _ASSUMED)
