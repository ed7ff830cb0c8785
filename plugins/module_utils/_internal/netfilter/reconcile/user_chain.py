# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A section of DOCKER-USER: a chain of our own, entered from there by one jump."""

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
    """name, priority: lowest first. established: replies and flows that were let in before pass first. families: those that the
    section is for. purge: whether foreign lines of DOCKER-USER are deleted. present: or to be removed."""

    name: str
    priority: int
    established: bool
    families: Tuple[int, ...]
    purge: bool
    present: bool


def section_wanted(section: Section, rules: object, path: str) -> DesiredState:
    """The section as wanted state. ``rules``: the user's list, or text that ``pack`` made of it; ``path``: its name."""
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
