# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Rooms of the code that hosts run: imports go up this list, never down, and no module leads back to itself."""
import ast
from pathlib import Path

CODE = Path(__file__).resolve().parents[2] / "plugins" / "module_utils" / "_internal"
# The lowest room first. A room may import from itself and from what stands above it in this list; docs/architecture.md says what each is for.
ROOMS = (
    "",
    "host/system", "host/boot", "host/prerequisites", "host/network", "host/tunnels",
    "netfilter/rules", "netfilter/kernel", "netfilter/reconcile",
    "netfilter/verdict/snapshot", "netfilter/verdict/matching", "netfilter/verdict/walk", "netfilter/trace",
    "engine/api", "engine/daemon", "engine/cri", "engine/containers", "engine/facts",
    "policy/feeds", "policy/values", "policy/language", "policy/merge", "policy/blocks", "policy/chains", "policy/compile", "policy/readback",
    "policy/preflight", "policy/revocation", "policy/proof",
    "persistence/boot_program", "persistence", "persistence/records", "transaction", "port_forwarding", "host_settings",
    "tasks", "tasks/wiring", "policy_pipeline", "service", "tasks/harden", "inspect/denied", "inspect", "inspect/audit", "tasks/migration",
)  # fmt: skip
MOST_ENTRIES = 14


def modules():
    """Each module by its dotted name below CODE."""
    return {".".join(path.relative_to(CODE).with_suffix("").parts): path for path in CODE.rglob("*.py") if path.name != "__init__.py"}


def imported(name, known):
    """What a module imports, wherever in it, for type checking alone too."""
    package = name.split(".")[:-1]
    for node in ast.walk(ast.parse(known[name].read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = package[:len(package) - node.level + 1] + (node.module.split(".") if node.module else [])
            for alias in node.names:
                found = ".".join(base + [alias.name])
                yield found if found in known else ".".join(base)


def room_of(name):
    return "/".join(name.split(".")[:-1])


def imports():
    known = modules()
    return {name: {other for other in imported(name, known) if other in known} for name in known}


def test_every_module_is_in_a_room():
    assert {room_of(name) for name in modules()} == set(ROOMS)


def test_no_import_goes_down():
    place = {room: number for number, room in enumerate(ROOMS)}
    wrong = ["%s imports %s" % (name, other) for name, others in imports().items() for other in others if place[room_of(other)] > place[room_of(name)]]
    assert not wrong


def test_no_module_leads_back_to_itself():
    graph = imports()
    circles = [name for name in graph if name in reached(graph, name)]
    assert not circles


def reached(graph, start):
    """Every module that this one imports, or that one of them does."""
    found, waiting = set(), [start]
    while waiting:
        for other in graph[waiting.pop()] - found:
            found.add(other)
            waiting.append(other)
    return found


def test_folders_are_small():
    folders = [CODE] + [path for path in CODE.rglob("*") if path.is_dir() and path.name != "__pycache__"]
    entries = {str(folder.relative_to(CODE)): len([item for item in folder.iterdir() if not item.name.startswith("__")]) for folder in folders}
    print("\n".join("%3d %s" % (count, folder) for folder, count in sorted(entries.items())))
    assert max(entries.values()) <= MOST_ENTRIES, entries
