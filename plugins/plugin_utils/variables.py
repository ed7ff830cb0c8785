# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Reading a host's variables on the controller without paying for templates that are not there."""

from __future__ import annotations

from typing import Iterable, List, Mapping, Protocol

from ansible_collections.drawbridge.docker.plugins.module_utils._internal.errors import DrawbridgeError


class Templar(Protocol):
    """Ansible's."""

    def template(self, value: object) -> object:
        """The value with its templates rendered."""


def variable(name: str, task_vars: Mapping[str, object], templar: Templar) -> object:
    """The value of a variable, templated only if there is a template anywhere in it.

    A thousand dicts through the templating engine cost more than all else that a task does; a look for braces costs next to nothing.
    """
    if name not in task_vars:
        raise DrawbridgeError("there is no variable of this name", name)
    value = task_vars[name]
    return _without(task_vars.get("omit"), templar.template(value)) if has_template(value) else value


def _without(omit: object, value: object) -> object:
    """A value without what is omitted in it, which ansible-core before 2.19 leaves to each task, as a text of its own."""
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
    """A variable's value without what Ansible hangs on it: lazy templates, tags, vault-encrypted text."""
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return _plain_list(value)
    if value is None or isinstance(value, (str, int, float)):
        return value
    return str(value)


def _plain_list(values: Iterable[object]) -> List[object]:
    items = list(values)
    # Long lists are lists of addresses: nothing to do for them.
    return items if all(isinstance(item, str) for item in items) else [plain(item) for item in items]
