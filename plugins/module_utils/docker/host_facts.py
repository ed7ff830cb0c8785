# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What a policy has to know of the engine, asked in three questions."""

from __future__ import annotations

import re
from typing import Any, Callable, List, NamedTuple, Optional

from ..host.parallel import on_all
from ..host.system import System
from ..policy.host import HostFacts, host_facts, unknown_host
from .endpoints import container_facts
from .engine import Engine, EngineUnreachable
from .escape import Escape, escapes, swarm_active
from .state import Backend, parse_backend, parse_containers, parse_networks, parse_published

# An engine writes it when it joins a swarm and removes it when it leaves.
SWARM_STATE = "/var/lib/docker/swarm/docker-state.json"


# As Docker names its bridges, in characters that every part of netfilter takes.
_BRIDGE_LIKE = re.compile(r"br-[A-Za-z0-9_.:@-]{0,12}")


class Engagement(NamedTuple):
    """What the engine answered.

    facts: for the policy's compiler. backend: None where the engine could not be asked.
    warning: why the engine could not be asked, and what follows; None where it could.
    """

    facts: HostFacts
    backend: Optional[Backend]
    escapes: List[Escape]
    warning: Optional[str]


def ask(engine: Engine, system: System) -> Engagement:
    """Ask the engine. One that cannot be reached is no error: its host has to be closed all the same.

    Raises EngineError where something answers that makes no sense.
    """
    try:
        info, listed, answer = _answers(engine)
        networks = parse_networks(listed, info)
    except EngineUnreachable as error:
        facts = unknown_host(swarm=system.read(SWARM_STATE) is not None)
        return Engagement(facts, None, [], "%s; published ports and networks are left as they were found last" % error)
    facts = host_facts(networks, parse_published(answer), swarm_active(info))
    return Engagement(
        facts=facts._replace(
            containers=container_facts(answer, networks),
            foreign_bridges=[name for name in system.interfaces() if _BRIDGE_LIKE.fullmatch(name) and name not in facts.bridges],
        ),
        backend=parse_backend(info),
        escapes=escapes(info, networks, parse_containers(answer)),
        warning=None,
    )


def _answers(engine: Engine) -> List[Any]:
    questions: List[Callable[[], Any]] = [engine.info, engine.networks, engine.containers]
    if engine.is_concurrent:
        return on_all(lambda question: question(), questions)
    return [question() for question in questions]
