# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Say in words who reaches ports of containers that entries name, and where these are now."""

from __future__ import annotations

from typing import Dict, List, Mapping

from ...netfilter.kernel.state import State
from ..chains import guard
from ..values.named_containers import followed
from .limit_words import limits_in
from .named_containers import Held, naming
from .rules_to_policy import Who, behind, read_inward
from .wording import Line, Wording, merged


class _Said:
    """About one set: who reaches it, by family, and what it holds."""

    def __init__(self) -> None:
        self.who: Dict[int, Who] = {}
        self.ends: Dict[str, None] = {}
        self.comments: Dict[str, None] = {}


def named_lines(states: Mapping[int, State], held: Held, spoken: Mapping[str, str], wording: Wording) -> List[Line]:
    """Return a line for each set. spoken: whom its entry names, by the set's name."""
    found: Dict[str, _Said] = {}
    for family, state in states.items():
        chains = behind(state, guard.HOOK)
        limits = limits_in(chains)
        for text in (rule for name in (guard.PORTS, guard.ROUTED) for rule in chains.get(name, ())):
            about = naming(text, held)
            rule = None if about is None else read_inward(about.rest, limits)
            if about is None or rule is None:
                continue
            so_far = found.setdefault(about.name, _Said())
            so_far.who[family] = so_far.who.get(family, ()) + rule.sources
            so_far.ends.update(dict.fromkeys(about.ends))
            so_far.comments.update(dict.fromkeys(rule.comments))
    return [_line(name, one, spoken, wording, len(states)) for name, one in sorted(found.items(), key=lambda item: (spoken.get(item[0], ""), item[0]))]


def _line(name: str, one: _Said, spoken: Mapping[str, str], wording: Wording, families: int) -> Line:
    texts = {family: wording.each(who, "anybody") for family, who in one.who.items()}
    who = ", ".join(merged(texts) if len(texts) == families else [text for each in texts.values() for text in each])
    about = followed(name)
    of_host = about is None or about.of_host
    where = "at" if not of_host else "host port" if len(one.ends) == 1 else "host ports"
    now = "now %s %s" % (where, ", ".join(one.ends)) if one.ends else "opens nothing now"
    what = spoken.get(name, "port of containers in %s" % name) + ("" if of_host else " at its own address")
    return Line(what, "%s (%s)" % (who or "nobody", now), (), "".join("  # " + text for text in one.comments))
