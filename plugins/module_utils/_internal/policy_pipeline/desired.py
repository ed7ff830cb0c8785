# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Read and check the arguments of a host_policy task."""

from __future__ import annotations

import json
import time
from typing import Dict, Iterator, List, NamedTuple, Optional, Tuple

from ..address import FAMILIES
from ..errors import DrawbridgeError
from ..host.system.system import System
from ..netfilter.kernel.ipset import Ipset
from ..netfilter.reconcile.resolve import GENERATIONS
from ..netfilter.rules.ownership import owned_set
from ..policy.compile.compile import OWNER
from ..policy.feeds.feed import Feed
from ..policy.language.model import NO_POLICY, Policy
from ..policy.language.over import without_over
from ..policy.language.schema import parse_policy
from ..policy.values import check
from ..policy.values.values import SetReference
from ..tasks.task import Examine, Task
from ..transaction.converge import Settings


class Desired(NamedTuple):
    """is_present: whether the host shall have a policy; if not, ``policy`` is empty. ends_connections: whether to end open connections that a
    change denies. shows_diff: whether the task shows a diff. examine: looks at the plan before anything is changed. warnings: about feeds."""

    system: System
    settings: Settings
    policy: Policy
    docker_host: str
    is_present: bool = True
    ends_connections: bool = True
    allow_lockout: bool = False
    shows_diff: bool = False
    examine: Optional[Examine] = None
    warnings: Tuple[str, ...] = ()

    @property
    def check_mode(self) -> bool:
        """Whether the run must not change anything."""
        return self.settings.check_mode


def parse(task: Task) -> Desired:
    """Parse a task's arguments. Raises DrawbridgeError with the place of the mistake."""
    params = task.params
    is_present = params["state"] == "present"
    policy, warnings = with_last_good(task.system, policy_of(task)) if is_present else (NO_POLICY, ())
    return Desired(
        task.system, task.settings(), policy, params["docker_host"], is_present, params["revoke"] == "end", params["allow_lockout"], task.shows_diff,
        task.examine, warnings,
    )


def with_last_good(system: System, policy: Policy) -> Tuple[Policy, Tuple[str, ...]]:
    """Return the policy without what is over, and with what the host holds in the sets whose feeds cannot be used, and warnings that say so.

    A set that nothing names is left out, since the host has none of it. Raises DrawbridgeError if a set that is named has no good content.
    """
    failed = _failed(policy)
    policy, warnings = without_over(policy, time.time())
    if not failed:
        return policy, tuple(warnings)
    from ..policy.feeds.kept import kept  # pylint: disable=import-outside-toplevel

    ipset, named = Ipset(system), set(_named(policy))
    sets = dict(policy.address_sets)
    for name, feed in failed.items():
        item = sets[name]
        if name not in named:
            del sets[name]
            warnings.append("%s: the feed cannot be used, and nothing names this set: %s" % (item.path, feed.failure))
            continue
        names = [[owned_set(OWNER, name, family, generation) for generation in GENERATIONS] for family in FAMILIES]
        addresses, told = kept(ipset, names, feed, item.path)
        sets[name] = item._replace(addresses=addresses)
        warnings.append(told)
    return policy._replace(address_sets=sets), tuple(warnings)


def without_failed(policy: Policy) -> Tuple[Policy, List[str]]:
    """Return the policy without what is over and without the sets whose feeds cannot be used, and warnings that say so: for a host that does not hold
    the sets."""
    failed = _failed(policy)
    policy, warnings = without_over(policy, time.time())
    sets = {name: item for name, item in policy.address_sets.items() if name not in failed}
    warnings += ["%s: the feed cannot be used: %s" % (policy.address_sets[name].path, feed.failure) for name, feed in failed.items()]
    return policy._replace(address_sets=sets), warnings


def _failed(policy: Policy) -> Dict[str, Feed]:
    """Return the feeds that cannot be used, by their sets' names."""
    return {name: item.feed for name, item in policy.address_sets.items() if item.feed is not None and item.feed.failure is not None}


def _named(value: object) -> Iterator[str]:
    """Yield the names of the sets that a policy, or a part of one, refers to."""
    if isinstance(value, SetReference):
        yield value.name
    elif isinstance(value, dict):
        yield from _named(tuple(value.values()))
    elif isinstance(value, (tuple, list)):
        for item in value:
            yield from _named(item)


def policy_of(task: Task) -> Policy:
    """Return the policy that a task's options policy, fragments and profile give. Raises DrawbridgeError with the place of the mistake."""
    params = task.params
    if params["fragments"] is not None:
        # Only hosts with fragments load the code that merges them.
        from ..policy.merge.merge import merge, parse_fragment, parse_profile  # pylint: disable=import-outside-toplevel

        told = check.mapping(_decoded(params["fragments"], "fragments"), "fragments", ("fragments", "profile"))
        profile = [] if told["profile"] is None else [parse_profile("profile " + params["profile"], told["profile"])]
        return merge(profile + [parse_fragment(name, raw) for name, raw in check.any_mapping(told["fragments"], "fragments").items()])
    if params["profile"] is not None:
        raise DrawbridgeError("a profile is what fragments are laid over: there are none", "profile")
    return parse_policy(_decoded(params["policy"], "policy"))


def _decoded(text: str, option: str) -> object:
    try:
        return json.loads(text)
    except ValueError as error:
        raise DrawbridgeError("not a mapping and not JSON: %s" % error, option) from None
