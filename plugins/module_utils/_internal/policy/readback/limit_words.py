# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Limits of entries in words, by the chains that count connections. Pure."""

from __future__ import annotations

from typing import Dict, List, Mapping, Sequence

from ...netfilter.rules.matches import holds_below_limit
from ...netfilter.rules.saved_rule import parse
from ..blocks.limits import is_chain_of_limits

# Between a source and its limit. Sources themselves have no brackets.
LIMITED = " (limit: "


def limits_in(chains: Mapping[str, Sequence[str]]) -> Dict[str, str]:
    """Return what stands behind a source whose lines go to a chain, by the chain's name: nothing if the chain denies nobody."""
    return {name: _words(rules) for name, rules in chains.items() if is_chain_of_limits(name)}


def _words(rules: Sequence[str]) -> str:
    if "-j DROP" not in rules:
        return ""
    options: Dict[str, str] = {}
    for rule in rules:
        for match in parse(rule).matches if "limit-upto " in rule else ():
            if holds_below_limit(match):
                options.update(zip(match.words, match.words[1:]))
    return "%s%s)" % (LIMITED, ", ".join(_parts(options))) if options else ""


def _parts(options: Mapping[str, str]) -> List[str]:
    found = []
    if "--hashlimit-upto" in options:
        found += [options["--hashlimit-upto"], "burst " + options.get("--hashlimit-burst", "5")]
    if "--connlimit-upto" in options:
        found.append(options["--connlimit-upto"] + " connections")
    prefix = options.get("--hashlimit-srcmask", options.get("--connlimit-mask"))
    return [*found, "for each /" + prefix] if prefix is not None and prefix not in _USUAL else found


def unlimited(source: str) -> str:
    """Return a source without its limit."""
    return source.partition(LIMITED)[0]


# A source is an address in IPv4, and a network of this size in IPv6, unless a policy says something else.
_USUAL = ("32", "64")
