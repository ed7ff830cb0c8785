# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Read a host's variables on the controller, and find those that nothing reads. Values without a template skip the templating engine."""

from __future__ import annotations

from typing import Iterable, List, Mapping, Optional, Protocol

from ansible_collections.drawbridge.docker.plugins.module_utils._internal.errors import DrawbridgeError


class Templar(Protocol):
    """Ansible's templar."""

    def template(self, value: object) -> object:
        """Return the value with its templates rendered."""


def variable(name: str, task_vars: Mapping[str, object], templar: Templar) -> object:
    """Return a variable's value, templated only if there is a template anywhere in it.

    To template a thousand dicts takes longer than the rest of a task. To search for braces takes nearly no time.
    """
    if name not in task_vars:
        raise DrawbridgeError("there is no variable of this name", name)
    value = task_vars[name]
    return _without(task_vars.get("omit"), templar.template(value)) if has_template(value) else value


def _without(omit: object, value: object) -> object:
    """Return a value without its omitted parts. ansible-core before 2.19 leaves a placeholder text there, for each task to remove."""
    if not isinstance(omit, str):
        return value
    if isinstance(value, Mapping):
        return {key: _without(omit, item) for key, item in value.items() if item != omit}
    if isinstance(value, (list, tuple)):
        return [_without(omit, item) for item in value if item != omit]
    return None if value == omit else value


def has_template(value: object) -> bool:
    """Whether any text in a value could be a Jinja template."""
    if isinstance(value, str):
        return "{{" in value or "{%" in value or "{#" in value
    if isinstance(value, Mapping):
        return any(has_template(key) or has_template(item) for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return any(has_template(item) for item in value)
    return False


def plain(value: object) -> object:
    """Return a variable's value as plain data, without Ansible's own types: lazy templates, tags, vault-encrypted text."""
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return _plain_list(value)
    if value is None or isinstance(value, (str, int, float)):
        return value
    return str(value)


def _plain_list(values: Iterable[object]) -> List[object]:
    items = list(values)
    # Long lists are lists of addresses: return them unchanged.
    return items if all(isinstance(item, str) for item in items) else [plain(item) for item in items]


def misnamed(settings: str, prefix: Optional[str], options: Iterable[str], task_vars: Mapping[str, object]) -> List[str]:
    """Return warnings about variables that have the prefix of options, are no option, and look like a fragment or a misspelt option.

    settings, prefix: the prefixes of options and of fragments, None where there are no fragments. options: the names of options, without their prefix.
    """
    read = {settings + option for option in options}
    others = sorted(name for name in task_vars if name.startswith(settings) and name not in read and not (prefix and name.startswith(prefix)))
    found = [_meant(name[len(settings):], task_vars[name], settings, prefix, options) for name in others]
    return ["%s is read by nothing: %s" % told for told in zip(others, found) if told[1]]


def _meant(end: str, value: object, settings: str, prefix: Optional[str], options: Iterable[str]) -> Optional[str]:
    # Imported here, since most hosts have no such variable: the controller compiles imports for each task.
    from difflib import get_close_matches  # pylint: disable=import-outside-toplevel

    from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.language.schema import (  # pylint: disable=import-outside-toplevel
        POLICY_KEYS,
    )

    if prefix and isinstance(value, Mapping) and any(key in POLICY_KEYS for key in value):
        return "names of fragments begin with %s" % prefix
    near = get_close_matches(end, list(options), 1, 0.75)
    return "did you mean %s%s?" % (settings, near[0]) if near else None
