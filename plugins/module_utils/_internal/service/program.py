# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The event service's program."""

from __future__ import annotations

import argparse
import signal
from typing import List

from ..engine.api.client import DEFAULT_HOST
from ..host.system.system import System
from ..persistence.records.records import Records
from ..policy.compile.narrow_names import narrow
from .closed_until_ready import Gate
from .journal import INFO, notify, tell
from .service import Closer, Service, start_listening
from .work_queue import WorkQueue


def main(arguments: List[str]) -> None:
    """Follow an engine until the process is told to end."""
    parser = argparse.ArgumentParser(prog="drawbridge-events", description="Puts Drawbridge's rules into containers that start.")
    parser.add_argument("--docker-host", default=DEFAULT_HOST, help="address of the engine, a unix socket")
    parser.add_argument("--closed-until-ready", action="store_true", help="drop what containers send and get until their rules are in")
    parser.add_argument("--metrics-file", help="write counters of denied packets there, as node_exporter's textfile collector reads them")
    parser.add_argument("--ended", action="store_true", help="only close what nobody follows any more: ports that entries of a policy name by containers")
    given = parser.parse_args(arguments)
    system, pending = System(), WorkQueue()
    if given.ended:
        narrow(system, None)
        return
    service = Service(system, given.docker_host, Records(), Gate(system) if given.closed_until_ready else None, given.metrics_file)

    def stop(_signal: int, _frame: object) -> None:
        pending.stop()
        if pending.is_waiting:
            raise SystemExit(0)

    signal.signal(signal.SIGTERM, stop)
    start_listening(given.docker_host, pending, Closer(system, given.docker_host))
    tell(INFO, "following the engine at %s" % given.docker_host)
    service.turn(pending)
    notify("READY=1")
    while not pending.is_stopped:
        notify("WATCHDOG=1")
        service.turn(pending)
        service.write_metrics()
