# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Find variables that were meant for the policy, but that nothing reads because of a typo in their names."""

from __future__ import annotations

from typing import Iterable, List, Mapping, Optional


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
