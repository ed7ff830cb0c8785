# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Commands of the lab."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence

from . import engine, layout, lifecycle, status, table
from .layout import HOSTS
from .sh import LabError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; what stops it is told in its own lines on standard error."""
    options = _parser().parse_args(arguments)
    try:
        return options.action(options) or 0
    except LabError as error:
        print(error, file=sys.stderr)
        return 1
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python3 -m tests.lab", description="Real Docker hosts on one machine.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, action: Callable[[argparse.Namespace], object], text: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=text, description=text)
        sub.set_defaults(action=action)
        return sub

    _hosts(command("up", _up, "bring hosts up (all, if none is named)"))
    taking_down = command("down", _down, "take the whole lab down")
    taking_down.add_argument("--cache", action="store_true", help="delete the cached root file systems too")
    command("status", _status, "show what is up and what is missing")
    _hosts(command("probe", _probe, "try every path of hosts and print who reaches what"))
    for name, action, text in (("ssh", _ssh, "open SSH to a host, or run a command there"),
                               ("exec", _exec, "run a command on a host without SSH")):
        sub = command(name, action, text)
        sub.add_argument("host", choices=HOSTS)
        sub.add_argument("words", nargs=argparse.REMAINDER, metavar="COMMAND")
    return parser


def _hosts(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("hosts", nargs="*", metavar="HOST", help=", ".join(HOSTS), default=[])


def _chosen(options: argparse.Namespace) -> list[str]:
    unknown = [name for name in options.hosts if name not in HOSTS]
    if unknown:
        raise LabError(f"no such host: {', '.join(unknown)} (there are {', '.join(HOSTS)})")
    return options.hosts or list(HOSTS)


def _up(options: argparse.Namespace) -> None:
    lifecycle.up(_chosen(options))


def _down(options: argparse.Namespace) -> None:
    lifecycle.down(options.cache)


def _status(_options: argparse.Namespace) -> int:
    print("\n".join(status.lines()))
    return 0 if status.healthy() else 1


def _probe(options: argparse.Namespace) -> None:
    print(table.show(_chosen(options) if options.hosts else ()))


def _ssh(options: argparse.Namespace) -> None:
    os.execvp("ssh", ["ssh", "-F", str(layout.SSH_CONFIG), options.host, *options.words])


def _exec(options: argparse.Namespace) -> None:
    words = options.words or ["bash"]
    terminal = ["--tty"] if sys.stdin.isatty() else []
    command = engine.client(["exec", "--interactive", *terminal, options.host, *words])
    os.execvpe("docker", command, engine.environment())
