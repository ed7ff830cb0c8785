# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The same desired state in many network namespaces of one host: its rules are checked once, then compared and written in each."""

from __future__ import annotations

from typing import Callable, ContextManager, List, NamedTuple, Optional, Sequence, TypeVar

from ..errors import DrawbridgeError
from ..host.system.netns import in_netns
from ..host.system.parallel import on_all
from ..host.system.system import System
from ..netfilter.kernel.cached_judge import CachedJudge
from ..netfilter.kernel.iptables import LEGACY, NFT, holds_rules
from ..netfilter.kernel.netfilter import Netfilter
from ..netfilter.reconcile.plan import Plan
from ..netfilter.rules.desired import DesiredState
from .converge import Settings, bring, locked

N = TypeVar("N")


class NamespaceResult(NamedTuple):
    """The result of one namespace. plan: the change made there, None after an error. error: the error, or None. others: whether the
    namespace has rules of the other iptables variant."""

    plan: Optional[Plan]
    error: Optional[DrawbridgeError]
    others: bool


class Inside(NamedTuple):
    """visits: the results, in the order of the namespaces. transport: the variant. warnings: of the whole task."""

    visits: List[NamespaceResult]
    transport: str
    warnings: List[str]


def converge_inside(
    system: System,
    settings: Settings,
    wanted: Callable[[Netfilter], DesiredState],
    namespaces: Sequence[N],
    opened: Callable[[N], ContextManager[int]],
    finished: Callable[[List[NamespaceResult]], None],
) -> Inside:
    """Bring each namespace to the desired state. ``wanted`` is called on the host, under the lock. ``opened`` holds a namespace open as a file
    descriptor; its errors affect only that namespace. ``finished`` is called with all visits, still under the lock."""
    with locked(settings):
        netfilter = Netfilter(system, settings.transport)
        netfilter.judge = CachedJudge(netfilter.judge)
        state = wanted(netfilter)
        other = LEGACY if netfilter.variant == NFT else NFT

        def visit(namespace: N) -> NamespaceResult:
            def work() -> NamespaceResult:
                others = holds_rules(system, other)
                return NamespaceResult(bring(netfilter, state, settings), None, others)

            try:
                with opened(namespace) as fd:
                    return in_netns(fd, work)
            except DrawbridgeError as error:
                return NamespaceResult(None, error, False)

        visits = on_all(visit, namespaces)
        finished(visits)
    return Inside(visits, netfilter.variant, netfilter.warnings)
