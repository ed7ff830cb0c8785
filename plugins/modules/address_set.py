# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Ansible module: an ipset of addresses, as twins for both families."""

from __future__ import annotations

DOCUMENTATION = r"""
module: address_set
short_description: Keep a set of addresses that rules refer to by name
version_added: 0.1.0
description:
  - Keeps an ipset for IPv4 (C(DB-name-4)) and its twin for IPv6 (C(DB-name-6)), so that a list of addresses can change without touching a
    rule.
  - Rules of M(drawbridge.docker.docker_user_chain) and policies name it C(@name).
  - A small difference is patched in; a large one is filled into a set beside it, which is then swapped in at once.
author:
  - The Drawbridge authors (@drawbridge)
extends_documentation_fragment:
  - drawbridge.docker.netfilter
options:
  name:
    description: Name of the set, at most 24 characters - letters, digits, C(_), C(.) and C(-).
    type: str
    required: true
  state:
    description: V(absent) removes both twins. That fails while rules still name them.
    type: str
    choices: [present, absent]
    default: present
  type:
    description:
      - The ipset type.
      - A change of type rebuilds the set, which fails while rules still name it, and is an error unless O(mode=exact).
    type: str
    choices: ['hash:net', 'hash:ip', 'hash:ip,port', 'hash:net,port', 'hash:net,net', 'hash:net,iface']
    default: 'hash:net'
  entries:
    description:
      - The entries, IPv4 and IPv6 mixed, in ipset's syntax for the type. Host names are refused.
      - This, O(src) or O(feed) is needed unless O(state=absent). With O(mode=exact) an empty list empties the set.
      - V(0.0.0.0/0) and V(::/0) become the two halves that C(hash:net) takes.
    type: list
    elements: str
  src:
    description:
      - A file with the entries, one on each line, C(#) starts a comment.
      - It is taken from the controller, or from the host with O(remote_src). Long lists do not travel as task arguments this way.
    type: path
  remote_src:
    description: Whether O(src) is a file on the host.
    type: bool
    default: false
  feed:
    description:
      - A list that the controller fetches, once in a run for all hosts, in check mode too.
      - The keys are those of a feed among the C(address_sets) of a policy, see the guide to the policy language. One of C(url) and C(src) is needed.
      - Content that cannot be used, because the feed is dead, emptied, too long, or has an entry that no such list has, changes nothing. The set keeps what
        it holds, and a warning says why. A set that holds nothing which the feed's bounds allow is an error.
      - Only with O(mode=exact) and O(type=hash:net).
    type: dict
  mode:
    description: Whether the set holds exactly the entries, or has them added, or removed.
    type: str
    choices: [exact, add, remove]
    default: exact
attributes:
  check_mode:
    description: Reports what would change; entries are validated by the kernel in a throwaway network namespace.
seealso:
  - module: drawbridge.docker.docker_user_chain
  - module: drawbridge.docker.host_policy
"""

EXAMPLES = r"""
- name: The office, both families
  drawbridge.docker.address_set:
    name: office
    entries: [192.0.2.0/24, "2001:db8:1::/48"]

- name: A block list of 100,000 addresses from a file beside the playbook
  drawbridge.docker.address_set:
    name: abusers
    src: abusers.txt

- name: The proxy's networks, as it publishes them
  drawbridge.docker.address_set:
    name: cloudflare
    feed:
      url: https://api.cloudflare.com/client/v4/ips
      format: json
      query: "result.[ipv4_cidrs, ipv6_cidrs][]"
      min: 10
      max: 100

- name: One address more
  drawbridge.docker.address_set:
    name: abusers
    mode: add
    entries: [198.51.100.7]
"""

RETURN = r"""
sets:
  description: The kernel's names of both twins.
  returned: success
  type: dict
  contains:
    ipv4:
      description: The IPv4 set.
      type: str
      returned: success
    ipv6:
      description: The IPv6 set.
      type: str
      returned: success
  sample: {"ipv4": "DB-office-4", "ipv6": "DB-office-6"}
"""

from typing import FrozenSet, List, Tuple

from ansible_collections.drawbridge.docker.plugins.module_utils._internal.address import FAMILIES
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.errors import DrawbridgeError
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.kernel.ipset import Ipset
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.reconcile.diff import before_and_after
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.reconcile.user_set import TYPES, UserSet
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.rules.ownership import user_set
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.rules.set_entries import split_entries
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.feeds.kept import kept
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.values.addresses import fed_addresses
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.tasks.run import LOCK_ARGUMENTS, Result, Task, run_module
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.transaction.converge_set import converge_set


def keep_set(task: Task) -> Result:
    """Bring the set to the task's state."""
    params = task.params
    entries, warnings = _entries(task)
    wanted = UserSet(
        name=params["name"],
        type=params["type"],
        entries=entries,
        mode=params["mode"],
        present=params["state"] == "present",
        path=_path(task),
    )
    outcome = converge_set(task.system, task.settings(), wanted)
    return Result(
        {
            "changed": outcome.is_change,
            "diff": before_and_after(outcome.plan),
            "sets": {"ipv4": user_set(wanted.name, 4), "ipv6": user_set(wanted.name, 6)},
        },
        warnings,
    )


def _path(task: Task) -> str:
    if task.params["feed"] is not None:
        return "feed"
    return "entries" if task.params["src"] is None else str(task.params["src"])


def _entries(task: Task) -> Tuple[FrozenSet[str], List[str]]:
    """Return the entries, and warnings about their feed."""
    if task.params["feed"] is not None and task.params["state"] == "present":
        return _fed(task)
    if task.params["src"] is None:
        return frozenset(task.params["entries"] or []), []
    text = task.system.read(task.params["src"])
    if text is None:
        raise DrawbridgeError("cannot read %s" % task.params["src"], "src")
    return split_entries(text), []


def _fed(task: Task) -> Tuple[FrozenSet[str], List[str]]:
    if task.params["mode"] != "exact" or task.params["type"] != "hash:net":
        raise DrawbridgeError("a feed is all that a set of networks holds", "feed", "mode: exact and type: hash:net, which are what they are if left out")
    addresses, feed = fed_addresses(task.params["feed"], "feed")
    warnings: List[str] = []
    if feed.failure is not None:
        addresses, told = kept(Ipset(task.system), [[user_set(task.params["name"], family)] for family in FAMILIES], feed, "feed")
        warnings.append(told)
    return frozenset().union(*addresses.values()), warnings


def main() -> None:
    run_module(
        {
            **LOCK_ARGUMENTS,
            "name": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "type": {"type": "str", "choices": list(TYPES), "default": "hash:net"},
            "entries": {"type": "list", "elements": "str"},
            "src": {"type": "path"},
            "feed": {"type": "dict"},
            "remote_src": {"type": "bool", "default": False},
            "mode": {"type": "str", "choices": ["exact", "add", "remove"], "default": "exact"},
        },
        keep_set,
        # Otherwise an undefined variable with default(omit) would silently empty the set.
        required_if=[["state", "present", ["entries", "src", "feed"], True]],
        mutually_exclusive=[["entries", "src", "feed"]],
    )


if __name__ == "__main__":
    main()
