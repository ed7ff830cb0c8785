# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A policy's ``containers``: sections of rules inside containers, as the module container_netns_rule writes them."""

from __future__ import annotations

from typing import Any, Dict, NamedTuple, Tuple

from ...engine.containers.selector import SELECTOR_ARGUMENTS, Selector, parse_selector
from ...errors import DrawbridgeError
from ...netfilter.reconcile.ns_chain import PARENTS, POLICY_PREFIX, ns_wanted, section_of
from ..values import check

_CHAINS = tuple(dict.fromkeys(chain for chains in PARENTS.values() for chain in chains))
# The same defaults as the module's.
_DEFAULTS: Dict[str, Any] = {
    "table": "filter", "chain": "INPUT", "priority": 500, "established": True, "loopback": True, "ip_version": "both", "purge": False,
    "rules": [], "on_missing": "ignore",
}
CHOICES = {"table": tuple(PARENTS), "chain": _CHAINS, "on_missing": ("fail", "ignore")}
KEYS: check.Keys = {
    **dict.fromkeys(SELECTOR_ARGUMENTS, "selector"), "section": "section", "table": "table", "chain": "chain", "priority": "priority", "established": "boolean",
    "loopback": "boolean", "ip_version": "ip_version", "purge": "boolean", "rules": "rules", "on_missing": "on_missing",
}


class ContainerRules(NamedTuple):
    """One section for the containers that a selector matches. arguments: the checked arguments of container_netns_rule."""

    selector: Selector
    arguments: Dict[str, Any]
    path: str

    @property
    def key(self) -> Tuple[str, Selector]:
        """The key of these rules, unique within a policy."""
        return self.arguments["section"], self.selector


def parse_containers(value: object, path: str) -> Tuple[ContainerRules, ...]:
    """Parse the list. Raises DrawbridgeError with the path of what is wrong, also inside of rules."""
    found: Dict[Tuple[str, Selector], ContainerRules] = {}
    for index, item in enumerate(check.sequence(value, path)):
        rules = _parse("%s[%d]" % (path, index), item)
        if rules.key in found:
            raise DrawbridgeError("the same section for the same containers as in %s" % found[rules.key].path, rules.path)
        found[rules.key] = rules
    return tuple(found.values())


def _parse(path: str, item: object) -> ContainerRules:
    given = check.mapping(item, path, KEYS)
    chosen = {key: given.get(key) for key in SELECTOR_ARGUMENTS}
    arguments = {**chosen, **_DEFAULTS, **{key: value for key, value in given.items() if value is not None}}
    selector = parse_selector(chosen, path)
    if not isinstance(arguments.get("section"), str):
        raise DrawbridgeError("section is missing, or no name", path)
    for key, choices in CHOICES.items():
        check.choice(arguments[key], "%s.%s" % (path, key), choices)
    for key, kind, word in (("priority", int, "a number"), *((flag, bool, "true or false") for flag in ("established", "loopback", "purge"))):
        if not isinstance(arguments[key], kind) or (kind is int and isinstance(arguments[key], bool)):
            raise DrawbridgeError("expected %s, got %s" % (word, check.kind(arguments[key])), "%s.%s" % (path, key))
    try:
        ns_wanted(section_of(arguments, POLICY_PREFIX), check.sequence(arguments["rules"], path + ".rules"), path + ".rules")
    except DrawbridgeError as error:
        raise placed(error, path) from None
    return ContainerRules(selector, arguments, path)


def placed(error: DrawbridgeError, path: str) -> DrawbridgeError:
    """Return the same error with its path below ``path``, if it is not there already."""
    if error.path is not None and error.path.startswith(path):
        return error
    return DrawbridgeError(error.message, path if error.path is None else "%s.%s" % (path, error.path), error.hint)
