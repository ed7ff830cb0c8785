# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Who reaches what: every path of every host from every client, measured by real connections, as a table."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from .api import Client, Host, Lab
from .paths import INSIDE, PATHS, Path, Target
from .probing import OPEN, Result

CLIENTS = ("allowed", "denied")
ON_HOST = "(inside)"


@dataclass(frozen=True)
class Cell:
    """One measurement: who is the client's name, or (inside) for paths that start on the host."""

    host: str
    path: Path
    who: str
    result: Result


def measure(lab: Lab, names: Sequence[str] = (), clients: Sequence[str] = CLIENTS,
            paths: Sequence[Path] = PATHS) -> list[Cell]:
    """Try all paths at once and return what came of each."""
    chosen = [lab.hosts[name] for name in names or lab.hosts]
    with ThreadPoolExecutor(max_workers=8) as pool:
        targets = list(pool.map(lambda host: Target(host, host.containers()), chosen))
        jobs = [pool.submit(_from_client, lab.clients[name], targets, paths) for name in clients]
        inside = [path for path in paths if path.kind == INSIDE]
        jobs += [pool.submit(_from_inside, target, origin, [path for path in inside if path.origin == origin])
                 for target in targets for origin in sorted({path.origin for path in inside})]
        return [cell for job in jobs for cell in job.result()]


def _from_client(client: Client, targets: Sequence[Target], paths: Sequence[Path]) -> list[Cell]:
    wanted = [(target, path) for target in targets for path in paths
              if path.kind != INSIDE and (client.spec.on_lan or not path.lan_only)]
    results = client.probe([path.build(target, client) for target, path in wanted])
    seen = {(target.host.name, witness): target.arrived(witness)
            for target in targets for witness in {path.witness for path in paths if path.witness}}
    return [Cell(target.host.name, path, client.name,
                 _witnessed(path, result, seen.get((target.host.name, path.witness))))
            for (target, path), result in zip(wanted, results, strict=True)]


def _witnessed(path: Path, result: Result, seen: str | None) -> Result:
    """A datagram that arrived went through, answered or not."""
    if not result.open and seen and result.probe.payload in seen:
        return replace(result, state=OPEN, text=f"{path.witness} got it, the answer was lost")
    return result


def _from_inside(target: Target, origin: str, paths: Sequence[Path]) -> list[Cell]:
    probes = [path.build(target, None) for path in paths]
    if origin == "host":
        results = target.host.probe(probes)
    elif origin == "vm":
        results = target.host.vm_probe(probes)
    else:
        results = target.containers[origin].probe(probes)
    return [Cell(target.host.name, path, ON_HOST, result) for path, result in zip(paths, results, strict=True)]


def render(cells: Sequence[Cell], versions: dict[str, str] | None = None) -> str:
    """The measurements as text: a line per path, a column per client and host."""
    hosts = list(dict.fromkeys(cell.host for cell in cells))
    found = {(cell.host, cell.path.name, cell.who): cell.result for cell in cells}
    clients = [who for who in dict.fromkeys(cell.who for cell in cells) if who != ON_HOST]
    paths = sorted({cell.path.name: cell.path for cell in cells}.values(),
                   key=lambda path: PATHS.index(path) if path in PATHS else len(PATHS))
    width = max(len(path.name) for path in paths) + 2
    column = 9
    span = column * max(len(clients), 1)
    lines = [" " * width + "".join(f"{name} {(versions or {}).get(name, '')}"[:span].ljust(span + 2) for name in hosts)]
    outer = [path for path in paths if path.kind != INSIDE]
    if outer:
        heads = "".join(name.ljust(column) for name in clients) + "  "
        lines.append("from a client".ljust(width) + heads * len(hosts))
        lines += [_line(path, hosts, clients, found, width, column) for path in outer]
    inner = [path for path in paths if path.kind == INSIDE]
    if inner:
        lines.append("from inside".ljust(width))
        lines += [_line(path, hosts, [ON_HOST], found, width, span) for path in inner]
    return "\n".join(line.rstrip() for line in lines)


def _line(path: Path, hosts: Sequence[str], columns: Sequence[str],
          found: dict[tuple[str, str, str], Result], width: int, column: int) -> str:
    text = path.name.ljust(width)
    for host in hosts:
        text += "".join(_word(found.get((host, path.name, who))).ljust(column) for who in columns) + "  "
    return text


def _word(result: Result | None) -> str:
    """open, open? (connected, but nothing was said), refused, silent, or - for what was not tried."""
    if result is None:
        return "-"
    return "open?" if result.open and not result.text else result.state


def _versions(hosts: Sequence[Host]) -> dict[str, str]:
    return {host.name: host.engine_version() for host in hosts}


def show(names: Sequence[str] = (), clients: Sequence[str] = CLIENTS) -> str:
    """Measure and render, for the command line."""
    lab = Lab.load()
    cells = measure(lab, names, clients)
    return render(cells, _versions([lab.hosts[name] for name in names or lab.hosts]))
