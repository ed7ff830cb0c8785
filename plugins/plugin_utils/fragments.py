# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A host's policy out of its variables: fragments by the beginning of their names, laid over a profile."""

from __future__ import annotations

from pathlib import Path
from typing import Any, List, Mapping, Optional

import yaml
from ansible.errors import AnsibleError
from ansible_collections.drawbridge.docker.plugins.module_utils.errors import DrawbridgeError
from ansible_collections.drawbridge.docker.plugins.module_utils.netfilter.address import quoted
from ansible_collections.drawbridge.docker.plugins.module_utils.policy.merge import (
    Fragment,
    merge,
    parse_fragment,
    parse_profile,
)
from ansible_collections.drawbridge.docker.plugins.module_utils.policy.model import Policy
from ansible_collections.drawbridge.docker.plugins.plugin_utils.variables import variable

# Data, not code; beside the code that reads them, so that the module has them too where it is used without the role.
PROFILES = Path(__file__).parent / "profiles"


def host_policy(prefix: str, profile: Optional[str], task_vars: Mapping[str, Any], templar: Any) -> Policy:
    """The merged policy of the host whose variables these are; places in it name the variables.

    Raises DrawbridgeError where there is no fragment, where one is wrong, or where two contradict each other.
    """
    names = sorted(name for name in task_vars if name.startswith(prefix))
    if not names:
        raise DrawbridgeError(
            "no variable %s* is defined for %s, and a host without a policy is never left open in silence"
            % (prefix, quoted(task_vars.get("inventory_hostname", "this host"))),
            None,
            "define one for the host or its groups, {} to have the profile alone",
        )
    fragments = [parse_fragment(name, _value(name, task_vars, templar)) for name in names]
    return merge(fragments if profile is None else [load_profile(profile), *fragments])


def _value(name: str, task_vars: Mapping[str, Any], templar: Any) -> Any:
    try:
        return plain(variable(name, task_vars, templar))
    except AnsibleError as error:
        raise DrawbridgeError("cannot be templated: %s" % error, name) from error


def load_profile(name: str) -> Fragment:
    """A profile by name."""
    known = sorted(path.stem for path in PROFILES.glob("*.yml"))
    if name not in known:
        raise DrawbridgeError("there is no profile %s" % quoted(name), "profile", "profiles: %s" % ", ".join(known))
    with open(PROFILES / (name + ".yml"), encoding="utf-8") as stream:
        return parse_profile("profile " + name, yaml.safe_load(stream))


def plain(value: Any) -> Any:
    """A variable's value without what Ansible hangs on it: lazy templates, tags, vault-encrypted text."""
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return _plain_list(value)
    if value is None or isinstance(value, (str, int, float)):
        return value
    return str(value)


def _plain_list(values: Any) -> List[Any]:
    items = list(values)
    # Long lists are lists of addresses: nothing to do for them.
    return items if all(isinstance(item, str) for item in items) else [plain(item) for item in items]
