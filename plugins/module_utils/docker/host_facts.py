# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What a policy has to know of the engine, asked in three questions."""

from __future__ import annotations

from typing import List, NamedTuple, Optional

from ..host.system import System
from ..policy.host import HostFacts, host_facts, unknown_host
from .engine import Engine, EngineUnreachable
from .escape import Escape, escapes, swarm_active
from .state import Backend, parse_backend, parse_containers, parse_networks, parse_published

# An engine writes it when it joins a swarm and removes it when it leaves.
SWARM_STATE = "/var/lib/docker/swarm/docker-state.json"


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
        info = engine.info()
        networks = parse_networks(engine.networks(), info)
        answer = engine.containers()
    except EngineUnreachable as error:
        facts = unknown_host(swarm=system.read(SWARM_STATE) is not None)
        return Engagement(facts, None, [], "%s; published ports and networks are left as they were found last" % error)
    return Engagement(
        facts=host_facts(networks, parse_published(answer), swarm_active(info)),
        backend=parse_backend(info),
        escapes=escapes(info, networks, parse_containers(answer)),
        warning=None,
    )
