# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Filter: pick from facts by a jmespath expression."""

from __future__ import annotations

DOCUMENTATION = r"""
name: pick
short_description: Pick from facts by a jmespath expression
version_added: 0.1.0
author:
  - The Drawbridge authors (@drawbridge)
description:
  - Picks from what modules returned, for reports of one's own. Works on any value, and is made for M(drawbridge.docker.firewall_audit_info), whose result
    is nested.
  - What it picks from hosts' words is never rendered as a template.
requirements:
  - jmespath (Python library) on the controller
positional: expression
options:
  _input:
    description: The value to pick from.
    type: raw
    required: true
  expression:
    description: The expression, see U(https://jmespath.org/specification.html).
    type: str
    required: true
seealso:
  - plugin: drawbridge.docker.firewall_audit_info
    plugin_type: module
"""

EXAMPLES = r"""
- name: Say what the internet reaches
  ansible.builtin.debug:
    msg: "{{ firewall_audit_outcome | drawbridge.docker.pick(expression) }}"
  vars:
    expression: "reachability.targets[?reach[?zone=='internet' && state=='open']].{port: port, container: name}"

- name: Say which containers could do with less
  ansible.builtin.debug:
    msg: "{{ firewall_audit_outcome | drawbridge.docker.pick('containers[?privileged || engine_socket].name') }}"
"""

RETURN = r"""
_value:
  description: What the expression picks. Null if there is nothing.
  type: raw
"""

from typing import Any, Callable, Dict, Mapping

from ansible.errors import AnsibleFilterError
from ansible.utils.unsafe_proxy import wrap_var

try:
    import jmespath
except ImportError:
    HAS_JMESPATH = False
else:
    HAS_JMESPATH = True


def pick(value: object, expression: str) -> Any:
    """Return what the expression picks. Errors quote the expression only: messages of jmespath quote the data, which hosts told."""
    if not HAS_JMESPATH:
        raise AnsibleFilterError("pick needs jmespath on the controller: install python3-jmespath (Debian, Ubuntu, Fedora) or jmespath (PyPI)")
    try:
        compiled = jmespath.compile(str(expression))
    except (jmespath.exceptions.JMESPathError, ValueError) as error:
        raise AnsibleFilterError("pick: %r is no jmespath expression: %s" % (str(expression), str(error).splitlines()[0])) from None
    try:
        found = compiled.search(_plain(value))
    except jmespath.exceptions.JMESPathTypeError as error:
        words = "function %s() does not take a value of type %s" % (error.function_name, error.actual_type)
        raise AnsibleFilterError("pick: %r: %s" % (str(expression), words)) from None
    except (jmespath.exceptions.JMESPathError, ValueError, TypeError) as error:
        raise AnsibleFilterError("pick: %r cannot be applied: %s" % (str(expression), type(error).__name__)) from None
    return wrap_var(found)


def _plain(value: object) -> object:
    """Return the value made of JSON's own types: jmespath knows a text by its type's name, and Ansible's have others."""
    if isinstance(value, Mapping):
        return {"".join(key) if isinstance(key, str) else str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple, set)):
        return [_plain(each) for each in value]
    if value is None or isinstance(value, bool):
        return value
    for kind in (int, float):
        if isinstance(value, kind):
            return kind(value)
    return "".join(value) if isinstance(value, str) else str(value)


class FilterModule:
    """The filter, for Ansible."""

    def filters(self) -> Dict[str, Callable[..., Any]]:
        return {"pick": pick}
