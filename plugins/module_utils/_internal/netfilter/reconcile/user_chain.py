# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A section of DOCKER-USER: a chain of our own. One jump from DOCKER-USER leads to it."""

from __future__ import annotations

from typing import NamedTuple, Tuple

from ..rules.desired import Chain, DesiredState, Hook, Line
from .packed import rule_lines
from .section import section_chain

TABLE = "filter"
PARENT = "DOCKER-USER"
PREFIX = "DB-USER-"
ESTABLISHED = "-m conntrack --ctstate RELATED,ESTABLISHED -j RETURN"


class Section(NamedTuple):
    """priority: lowest first. established: replies and established flows pass first. families: the section's families. purge: whether
    foreign lines of DOCKER-USER are deleted. present: False to remove the section."""

    name: str
    priority: int
    established: bool
    families: Tuple[int, ...]
    purge: bool
    present: bool


def section_wanted(section: Section, rules: object, path: str) -> DesiredState:
    """Return the section as desired state. ``rules``: the user's list, or the text that ``pack`` made from it; ``path``: its name."""
    chain = section_chain(PREFIX, section.name, section.priority)
    owned = [(TABLE, chain)]
    if not section.present:
        return DesiredState(chains=[], hooks=[], owned=owned)
    lines = [Line(ESTABLISHED, is_common=True)] if section.established else []
    lines += rule_lines(rules, section.families, path)
    return DesiredState(
        chains=[Chain(TABLE, chain, lines, section.families)],
        hooks=[Hook(TABLE, PARENT, chain, section.priority, families=section.families)],
        owned=owned,
        shared=[(TABLE, PARENT)],
        purge=[(TABLE, PARENT)] if section.purge else [],
    )
