# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Read a host's fragments of a policy, by the prefix of their variables' names, and the profile that they are merged over."""

from __future__ import annotations

import os
from typing import Dict, Mapping, Optional

import yaml
from ansible.errors import AnsibleError
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.address import quoted
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.errors import DrawbridgeError
from ansible_collections.drawbridge.docker.plugins.plugin_utils.variables import Templar, plain, variable

# The profiles are data. They are kept beside this code, so that the module works without the role.
PROFILES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "profiles")


def fragments(prefix: str, task_vars: Mapping[str, object], templar: Templar) -> Dict[str, object]:
    """Return the fragments among a host's variables, by name, as plain data.

    Raises DrawbridgeError if there is none, or if one cannot be templated.
    """
    if not prefix.isidentifier():
        raise DrawbridgeError("%s is not the beginning of a variable's name" % quoted(prefix), "fragments")
    names = sorted(name for name in task_vars if name.startswith(prefix))
    if not names:
        raise DrawbridgeError(
            "no variable %s* is defined for %s, and a host without a policy is never left open in silence"
            % (prefix, quoted(task_vars.get("inventory_hostname", "this host"))),
            None,
            "define one for the host or its groups, {} to have the profile alone",
        )
    return {name: _value(name, task_vars, templar) for name in names}


def _value(name: str, task_vars: Mapping[str, object], templar: Templar) -> object:
    try:
        return plain(variable(name, task_vars, templar))
    except AnsibleError as error:
        raise DrawbridgeError("cannot be templated: %s" % error, name) from error


def profile(name: Optional[str]) -> object:
    """Return a profile's content, or None without a name. Raises DrawbridgeError if there is no such profile."""
    if not name:
        return None
    known = sorted(file[:-4] for file in os.listdir(PROFILES) if file.endswith(".yml"))
    if name not in known:
        raise DrawbridgeError("there is no profile %s" % quoted(name), "profile", "profiles: %s" % ", ".join(known))
    with open(os.path.join(PROFILES, name + ".yml"), encoding="utf-8") as stream:
        return yaml.safe_load(stream)
